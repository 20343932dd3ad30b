import { expect, it } from 'vitest';
import { resticImage } from '../../ci/cluster/images.ts';
import { testCluster, testNamespace } from '../../ci/cluster/testing.ts';
import { root } from '../../ci/tools/paths.ts';
import { output } from '../../ci/tools/run.ts';
import { mergeValues, type ValuesOverrides } from '../../generator/environment.ts';
import { addressIn, backUp, backupValues, passwordSecret, restoreArguments, retainedDisk } from './copies.ts';
import { testFleet, tinyServer } from './fleet.ts';

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

it('backs up; and restores into an empty namespace the same models, which give the same answers, after all was lost', async () => {
  const restic = await resticImage();
  const cluster = await testCluster();
  await cluster.loadImages(restic);
  await using disk = await retainedDisk(cluster);
  await using restored = await testNamespace();
  let before: string[];
  let from: string;
  {
    await using fleet = await testFleet();
    const { namespace } = fleet;
    await namespace.apply(disk.claim, passwordSecret('right'));
    const derived = { models: { two: { system: 'You count.' } } };
    await fleet.deploy(
      [tinyServer('one'), tinyServer('two'), derived, backupValues(restic)].reduce(
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

    await namespace.apply(passwordSecret('wrong'));
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
  await restored.apply(disk.claim, passwordSecret('right'));
  const args = restoreArguments(restored, from, restic);
  const { status, stdout, stderr } = await output('npm', ['run', '--silent', 'restore', '--', ...args], { cwd: root });
  console.log(`${stderr}${stdout}`);
  expect([status, stdout.match(/the same$/gm)]).toEqual([0, Array(6).fill('the same')]);
  const address = await addressIn(restored);
  expect([await answerOf(address, 'one'), await answerOf(address, 'two')]).toEqual(before);
});
