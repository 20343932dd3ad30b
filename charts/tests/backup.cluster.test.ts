import { expect, it } from 'vitest';
import { testCluster, testNamespace } from '../../ci/cluster/testing.ts';
import {
  answersIn,
  backUp,
  copiedFleet,
  endOfBackup,
  keysOf,
  loadedRestic,
  restoreInto,
  retainedDisk,
  startBackup,
} from './backups.ts';
import { testFleet } from './fleet.ts';

const secret = (password: string) => keysOf({ RESTIC_PASSWORD: password });

it('backs up; and restores into an empty namespace the same models, which give the same answers, after all was lost', async () => {
  const restic = await loadedRestic();
  await using disk = await retainedDisk(await testCluster());
  await using restored = await testNamespace();
  let before: string[];
  let from: string;
  {
    await using fleet = await testFleet();
    const { namespace } = fleet;
    await namespace.apply(disk.claim, secret('right'));
    await fleet.deploy(copiedFleet(restic, { backup: { claim: { existingClaim: 'copies' } } }));
    await Promise.all([fleet.untilReady('ollama-one'), fleet.untilReady('ollama-two'), fleet.untilGateway()]);
    before = await answersIn(namespace);

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
    from = namespace.name;

    // A pod that is killed leaves its lock, and the next does not wait for it.
    await namespace.apply(secret('right'));
    await startBackup(fleet, 'torn', 1);
    await disk.killRestic();
    const third = await endOfBackup(fleet, 'torn');
    const pods = await namespace.list('pods', 'batch.kubernetes.io/job-name=torn');
    expect(pods.map(({ status }) => status.phase).toSorted()).toEqual(['Failed', 'Succeeded']);
    expect(third.log).toMatch(/backup: done/);
    expect(third.succeeded).toBe(true);
  }
  // The release, its namespace and the models' claim are gone: what is left is the disk.
  await disk.release();
  await restored.apply(disk.claim, secret('right'));
  const said = await restoreInto(restored, from, restic, '--claim', 'copies');
  console.log(said);
  expect(said.match(/the same$/gm)).toHaveLength(6);
  expect(await answersIn(restored)).toEqual(before);
});
