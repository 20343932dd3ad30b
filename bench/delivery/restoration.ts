import {
  addressIn,
  backUp,
  backupValues,
  passwordSecret,
  restoreArguments,
  retainedDisk,
} from '../../charts/tests/copies.ts';
import { newFleet, tinyServer } from '../../charts/tests/fleet.ts';
import type { Cluster } from '../../ci/cluster/cluster.ts';
import type { Image } from '../../ci/cluster/images.ts';
import { newNamespace } from '../../ci/cluster/namespace.ts';
import type { TestCluster } from '../../ci/cluster/testing.ts';
import { root } from '../../ci/tools/paths.ts';
import { say } from '../../ci/tools/progress.ts';
import { run } from '../../ci/tools/run.ts';
import { mergeValues, type ValuesOverrides } from '../../generator/environment.ts';
import type { Figure } from '../measure.ts';

async function answers(address: string): Promise<boolean> {
  const messages = [{ role: 'user', content: 'hello' }];
  const body = JSON.stringify({ model: 'one', stream: false, messages });
  return (await fetch(`${address}/api/chat`, { method: 'POST', body })).ok;
}

/** Backs a fleet up, takes it away with its namespace and volumes, and restores it into an empty one, until its model answers. */
export async function restoration(cluster: Cluster & TestCluster, restic: Image): Promise<Figure[]> {
  await using disk = await retainedDisk(cluster);
  await using restored = await newNamespace(cluster);
  let lost: string;
  {
    await using fleet = await newFleet(cluster);
    lost = fleet.namespace.name;
    await fleet.namespace.apply(disk.claim, passwordSecret('right'));
    await fleet.deploy(mergeValues(tinyServer('one'), backupValues(restic)) as ValuesOverrides);
    await Promise.all([fleet.untilReady('ollama-one'), fleet.untilGateway()]);
    const { succeeded, log } = await backUp(fleet, 'first');
    if (!succeeded) throw new Error(`backup: failed:\n${log}`);
  }
  await cluster.kubectl(['wait', '--for=delete', `namespace/${lost}`, '--timeout=120s'], { timeout: 130_000 });
  await disk.release();
  await restored.apply(disk.claim, passwordSecret('right'));
  say('bench: restore');
  const start = performance.now();
  const args = restoreArguments(restored, `${lost}/fleet`, restic);
  await run('npm', ['run', '--silent', 'restore', '--', ...args], { cwd: root });
  const address = await addressIn(restored);
  await restored.until('the model to answer', 60, () => answers(address));
  const value = Number(((performance.now() - start) / 1000).toFixed(1));
  const what = 'npm run restore of a lost namespace, until its model answers; every request fails meanwhile';
  return [{ what, value, unit: 's' }];
}
