import type { Cluster } from './cluster.ts';
import { nodeName } from './layout.ts';

const resource = 'nvidia.com/gpu';

/**
 * Has the node offer GPUs that are not there, as Kubernetes lets an administrator announce whatever a node has. Pods that ask
 * for one are placed and run, and find none: what a GPU with a broken driver looks like to them. Gone when it is disposed of.
 */
export async function offerFakeGpus(cluster: Cluster, count: number): Promise<AsyncDisposable> {
  const places = ['capacity', 'allocatable'].map((where) => `/status/${where}/${resource.replace('/', '~1')}`);
  const patch = (steps: object[]) =>
    cluster.kubectl(['patch', 'node', nodeName, '--subresource=status', '--type=json', '-p', JSON.stringify(steps)]);
  await patch(places.map((path) => ({ op: 'add', path, value: String(count) })));
  return {
    [Symbol.asyncDispose]: async () => {
      await patch(places.map((path) => ({ op: 'remove', path })));
    },
  };
}
