import { nodeName } from '../../ci/cluster/layout.ts';
import type { Fleet } from './fleet.ts';

/**
 * Drains the node of the fleet's pods, and gives what kubectl says. There is no other node for those that replace them: it
 * may be used again as soon as the first has to go, as by then the drain knows whom it waits for.
 */
export async function drain({ namespace, selector }: Fleet): Promise<string> {
  const { kubectl } = namespace.cluster;
  const whom = ['--pod-selector', selector, '--delete-emptydir-data', '--ignore-daemonsets'];
  const draining = kubectl(['drain', nodeName, ...whom, '--timeout=240s'], { timeout: 250_000 });
  try {
    await Promise.race([
      draining,
      namespace.until('a pod that is evicted', 60, async () => {
        const pods = await namespace.list('pods', selector);
        return pods.some(({ metadata }) => metadata.deletionTimestamp);
      }),
    ]);
  } finally {
    await kubectl(['uncordon', nodeName]);
  }
  return draining;
}
