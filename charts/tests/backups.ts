import { randomBytes } from 'node:crypto';
import type { Cluster } from '../../ci/cluster/cluster.ts';
import { type Image, resticImage } from '../../ci/cluster/images.ts';
import type { Namespace } from '../../ci/cluster/namespace.ts';
import { runInNode } from '../../ci/cluster/node.ts';
import { testCluster } from '../../ci/cluster/testing.ts';
import { requireSystem } from '../../ci/tools/packages.ts';
import { root } from '../../ci/tools/paths.ts';
import { run } from '../../ci/tools/run.ts';
import { mergedValues, type ValuesOverrides } from '../../generator/environment.ts';
import { type Fleet, tinyServer } from './fleet.ts';

/** The Secret of a repository. */
export const keysOf = (stringData: Record<string, string>) => ({
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: { name: 'repository-keys' },
  stringData,
});

/** restic's image, on the cluster of the tests. */
export async function loadedRestic(): Promise<Image> {
  const restic = await resticImage();
  await (await testCluster()).loadImages(restic);
  return restic;
}

/** A disk that outlives the namespaces whose claims are bound to it, as one in the cloud does. */
export async function retainedDisk({ kubectl, node }: Cluster) {
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
    /** Kills the restic that looks through the repository, with a lock of its own; nothing else of the cluster has one. */
    killRestic: async () => {
      await requireSystem(['pgrep']);
      // A lock that is there when restic is gone is one that it left.
      const script = `until ls ${folder}/locks | grep -q . && kill -9 $(pgrep --full '^restic .*check'); do sleep 0.02; done
        ls ${folder}/locks | grep -q .`;
      await runInNode(node, ['sh', '-c', script]);
    },
    /** Whoever claims it next gets it, as it is. */
    release: () => kubectl(['patch', 'pv', name, '--patch', '{"spec": {"claimRef": null}}']),
    [Symbol.asyncDispose]: async () => {
      await kubectl(['delete', 'pv', name, '--wait=false']);
      await runInNode(node, ['rm', '-r', folder]);
    },
  };
}

/** Values of a fleet with a backup, and a model `two` on a shared claim that is made from `one` and can be pulled nowhere. */
export function copiedFleet({ repository, tag }: Image, ...more: object[]): ValuesOverrides {
  const values: ValuesOverrides = {
    serverDefaults: { cache: { mode: 'shared' } },
    sharedCache: { size: '64Mi' },
    models: { two: { system: 'You count.' } },
    backup: {
      enabled: true,
      image: { repository, tag },
      existingSecret: 'repository-keys',
      resources: { cpu: '50m', memory: '256Mi' },
    },
  };
  return mergedValues(tinyServer('one'), tinyServer('two'), values, ...more);
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
  const said = await answer.text();
  if (answer.status !== 200) throw new Error(`${model}: ${answer.status}: ${said}`);
  return JSON.parse(said).response;
}

/** What both models of that fleet say. */
export async function answersIn(namespace: Namespace): Promise<string[]> {
  const { spec } = await namespace.get('service', 'model-management');
  const address = `http://${spec.clusterIP}:${spec.ports[0].port}`;
  return [await answerOf(address, 'one'), await answerOf(address, 'two')];
}

/** Starts the CronJob's Job at once, which may try so often again. */
export async function startBackup({ namespace }: Fleet, job: string, retries = 0): Promise<void> {
  await namespace.kubectl(['create', 'job', job, '--from=cronjob/model-management-backup']);
  await namespace.kubectl(['patch', 'job', job, '--patch', `{"spec": {"backoffLimit": ${retries}}}`]);
}

/** Waits for the end of a Job; gives back whether it succeeded and what the steps of its last pod said. */
export async function endOfBackup({ namespace }: Fleet, job: string): Promise<{ succeeded: boolean; log: string }> {
  const { conditions } = await namespace.until(`the end of ${job}`, 240, async () => {
    const { status } = await namespace.get('job', job);
    return status.conditions?.some(({ type }: { type: string }) => /^(Complete|Failed)$/.test(type)) && status;
  });
  const pods = await namespace.list('pods', `batch.kubernetes.io/job-name=${job}`);
  const startOf = (pod: { metadata: { creationTimestamp: string } }) => pod.metadata.creationTimestamp;
  const last = pods.toSorted((one, other) => startOf(one).localeCompare(startOf(other))).at(-1)!.metadata.name;
  // A step that was not come to has no log, which kubectl refuses to give with the others'.
  const logOf = (step: string) => namespace.kubectl(['logs', last, '--container', step]).catch(() => '');
  const log = (await Promise.all(['collect', 'restic', 'report'].map(logOf))).join('\n');
  return { succeeded: conditions.some(({ type }: { type: string }) => type === 'Complete'), log };
}

export async function backUp(fleet: Fleet, job: string): Promise<{ succeeded: boolean; log: string }> {
  await startBackup(fleet, job);
  return endOfBackup(fleet, job);
}

/** Restores the release of a namespace into another, by the command; rejects where it fails, and gives back what it said. */
export function restoreInto({ name, cluster }: Namespace, from: string, restic: Image, ...where: string[]) {
  const args = ['--name', cluster.name, '--namespace', name, '--release', 'fleet', '--secret', 'repository-keys'];
  const copy = ['--from', `${from}/fleet`, '--image', restic.reference, ...where];
  return run('npm', ['run', '--silent', 'restore', '--', ...args, ...copy], { cwd: root });
}
