import { randomBytes } from 'node:crypto';
import { expect, it } from 'vitest';
import { resticImage } from '../../ci/cluster/images.ts';
import { runInNode } from '../../ci/cluster/node.ts';
import { type Namespace, testCluster, testNamespace } from '../../ci/cluster/testing.ts';
import { root } from '../../ci/tools/paths.ts';
import { output } from '../../ci/tools/run.ts';
import { mergeValues, type ValuesOverrides } from '../../generator/environment.ts';
import { type Fleet, testFleet, tinyServer } from './fleet.ts';

const secret = (password: string) => ({
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: { name: 'repository-keys' },
  stringData: { RESTIC_PASSWORD: password },
});

/** A disk that outlives the namespaces whose claims are bound to it, as one in the cloud does. */
async function retainedDisk() {
  const { kubectl, node } = await testCluster();
  const name = `copies-${randomBytes(4).toString('hex')}`;
  const folder = `/run/${name}`;
  await runInNode(node, ['install', '--directory', '--mode=0777', folder]);
  const volume = {
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: { name },
    spec: {
      capacity: { storage: '100Mi' },
      accessModes: ['ReadWriteOnce'],
      persistentVolumeReclaimPolicy: 'Retain',
      storageClassName: name,
      hostPath: { path: folder },
    },
  };
  await kubectl(['create', '--filename', '-'], { input: JSON.stringify(volume) });
  return {
    /** A claim that gets it. */
    claim: {
      apiVersion: 'v1',
      kind: 'PersistentVolumeClaim',
      metadata: { name: 'copies' },
      spec: { accessModes: ['ReadWriteOnce'], storageClassName: name, resources: { requests: { storage: '100Mi' } } },
    },
    /** Whoever claims it next gets it, as it is. */
    release: () => kubectl(['patch', 'pv', name, '--patch', '{"spec": {"claimRef": null}}']),
    [Symbol.asyncDispose]: async () => {
      await kubectl(['delete', 'pv', name, '--wait=false']);
      await runInNode(node, ['rm', '-r', folder]);
    },
  };
}

/** What a model says without chance. */
async function answerOf(address: string, model: string): Promise<string> {
  const body = JSON.stringify({
    model,
    prompt: 'What do you do?',
    stream: false,
    options: { temperature: 0, num_predict: 8 },
  });
  const answer = await fetch(`${address}/api/generate`, { method: 'POST', body });
  expect(answer.status).toBe(200);
  return ((await answer.json()) as { response: string }).response;
}

const addressIn = async (namespace: Namespace) => {
  const { spec } = await namespace.get('service', 'model-management');
  return `http://${spec.clusterIP}:${spec.ports[0].port}`;
};

/** Runs the CronJob's Job at once, and gives back whether it succeeded and what its steps said. */
async function backUp({ namespace }: Fleet, job: string): Promise<{ succeeded: boolean; log: string }> {
  await namespace.kubectl(['create', 'job', job, '--from=cronjob/model-management-backup']);
  await namespace.kubectl(['patch', 'job', job, '--patch', '{"spec": {"backoffLimit": 0}}']);
  const status = await namespace.until(`the end of ${job}`, 180, async () => {
    const { status } = await namespace.get('job', job);
    return status.succeeded || status.failed ? status : undefined;
  });
  // A step that was not come to has no log, which kubectl refuses to give with the others'.
  const logOf = (step: string) => namespace.kubectl(['logs', `job/${job}`, '--container', step]).catch(() => '');
  const log = (await Promise.all(['collect', 'restic', 'report'].map(logOf))).join('\n');
  return { succeeded: status.succeeded === 1, log };
}

it('backs up; and restores into an empty namespace the same models, which give the same answers, after all was lost', async () => {
  const restic = await resticImage();
  const { loadImages, name: cluster } = await testCluster();
  await loadImages(restic);
  await using disk = await retainedDisk();
  await using restored = await testNamespace();
  let before: string[];
  let from: string;
  {
    await using fleet = await testFleet();
    const { namespace } = fleet;
    await namespace.apply(disk.claim, secret('right'));
    const values: ValuesOverrides = {
      serverDefaults: { cache: { mode: 'shared' } },
      sharedCache: { size: '64Mi' },
      backup: {
        enabled: true,
        image: { repository: restic.repository, tag: restic.tag },
        claim: { existingClaim: 'copies' },
        existingSecret: 'repository-keys',
        resources: { cpu: '50m', memory: '256Mi' },
      },
    };
    const derived = { models: { two: { system: 'You count.' } } };
    await fleet.deploy(
      [tinyServer('one'), tinyServer('two'), derived, values].reduce(
        (all, one) => mergeValues(all, one) as ValuesOverrides,
      ),
    );
    await Promise.all([fleet.untilReady('ollama-one'), fleet.untilReady('ollama-two'), fleet.untilGateway()]);
    const address = await fleet.address();
    before = [await answerOf(address, 'one'), await answerOf(address, 'two')];

    const first = await backUp(fleet, 'first');
    expect(first.log).toMatch(/collected \d+ objects and the names of 6 models, and 2 models themselves/);
    expect(first.log).toMatch(/no repository yet: making one/);
    expect(first.log).toMatch(/1 copies take \d+ bytes/);
    expect(first.succeeded).toBe(true);
    // No Secret is in it, and not all of a claim's models.
    expect(first.log).not.toContain('right');

    await namespace.apply(secret('wrong'));
    const second = await backUp(fleet, 'second');
    expect(second.succeeded).toBe(false);
    expect(second.log).toContain('the password is not that of the repository');
    // The gateway tells of the first, and still will.
    const { data } = await namespace.get('configmap', 'model-management-backup-status');
    const [gateway] = await namespace.list('pods', 'app.kubernetes.io/component=gateway');
    await namespace.until('the gateway to tell of it', 120, async () => {
      const metrics = await (await fetch(`http://${gateway.status.podIP}:9090/metrics`)).text();
      return metrics.includes(`backup_last_success_timestamp_seconds ${JSON.parse(data['status.json']).succeeded}\n`);
    });
    from = `${namespace.name}/fleet`;
  }
  // The release, its namespace and the models' claim are gone: what is left is the disk.
  await disk.release();
  await restored.apply(disk.claim, secret('right'));
  const args = ['--name', cluster, '--namespace', restored.name, '--release', 'fleet', '--secret', 'repository-keys'];
  const copy = ['--from', from, '--claim', 'copies', '--image', restic.reference];
  const { status, stdout, stderr } = await output('npm', ['run', '--silent', 'restore', '--', ...args, ...copy], {
    cwd: root,
  });
  console.log(`${stderr}${stdout}`);
  expect([status, stdout.match(/the same$/gm)]).toEqual([0, Array(6).fill('the same')]);
  const address = await addressIn(restored);
  expect([await answerOf(address, 'one'), await answerOf(address, 'two')]).toEqual(before);
});
