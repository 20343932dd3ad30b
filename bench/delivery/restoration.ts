import { answersIn, backUp, copiedFleet, keysOf, restoreInto, retainedDisk } from '../../charts/tests/backups.ts';
import { newFleet } from '../../charts/tests/fleet.ts';
import type { Cluster } from '../../ci/cluster/cluster.ts';
import type { Image } from '../../ci/cluster/images.ts';
import { newNamespace } from '../../ci/cluster/namespace.ts';
import type { TestCluster } from '../../ci/cluster/testing.ts';
import { say } from '../../ci/tools/progress.ts';
import type { Figure } from '../measure.ts';

const secret = keysOf({ RESTIC_PASSWORD: 'right' });

/** Backs a fleet up, takes it away with its namespace and volumes, and restores it into an empty one, until its models answer. */
export async function restoration(cluster: Cluster & TestCluster, restic: Image): Promise<Figure[]> {
  await using disk = await retainedDisk(cluster);
  await using restored = await newNamespace(cluster);
  let lost: string;
  {
    await using fleet = await newFleet(cluster);
    lost = fleet.namespace.name;
    await fleet.namespace.apply(disk.claim, secret);
    await fleet.deploy(copiedFleet(restic, { backup: { claim: { existingClaim: 'copies' } } }));
    await Promise.all([fleet.untilReady('ollama-one'), fleet.untilReady('ollama-two'), fleet.untilGateway()]);
    const { succeeded, log } = await backUp(fleet, 'first');
    if (!succeeded) throw new Error(`backup: failed:\n${log}`);
  }
  await cluster.kubectl(['wait', '--for=delete', `namespace/${lost}`, '--timeout=120s'], { timeout: 130_000 });
  await disk.release();
  await restored.apply(disk.claim, secret);
  say('bench: restore');
  const start = performance.now();
  await restoreInto(restored, lost, restic, '--claim', 'copies');
  await restored.until('the models to answer', 60, () => answersIn(restored).catch(() => undefined));
  const value = Number(((performance.now() - start) / 1000).toFixed(1));
  const what = 'npm run restore of a lost namespace, until its models answer; failed requests: n/a';
  return [{ what, value, unit: 's' }];
}
