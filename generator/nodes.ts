import type { FleetServing } from './fleet.ts';
import { GB, MiB } from './memory.ts';
import { type Resources, roomOf, shareOf } from './plan/capacity.ts';
import { type Instance, listPrices } from './plan/prices.ts';

/** What the agent asks for beside Ollama in each pod: the default of the values. */
const ofAgent = { cpu: 100, memory: 256 };

/**
 * US dollars that one pod of a server costs in an hour, on demand: its share of the node on which that is least, which is the
 * largest of its shares of cores, memory, GPUs and pods, of what nodes have for pods (generator/plan/capacity.ts). A node with GPUs
 * is filled by pods that use them: what no further pod fits into is paid by those that do. Undefined where no node holds one.
 */
export function usdPerPodHour(serving: Pick<FleetServing, 'cpu' | 'memoryGB' | 'gpu'>): number | undefined {
  const need: Resources = {
    cpu: 1000 * serving.cpu + ofAgent.cpu,
    memory: Math.ceil((serving.memoryGB * GB) / MiB) + ofAgent.memory,
    gpus: serving.gpu?.count ?? 0,
    pods: 1,
  };
  const prices = Object.values(listPrices().instances).flatMap((instance) => {
    const share = instance.gpu?.type === serving.gpu?.type ? shareOfNode(need, instance) : undefined;
    return share === undefined ? [] : [instance.usdPerHour * share];
  });
  return prices.length > 0 ? Math.min(...prices) : undefined;
}

function shareOfNode(need: Resources, instance: Instance): number | undefined {
  const share = shareOf(need, roomOf(instance));
  if (share > 1) return undefined;
  return need.gpus > 0 ? 1 / Math.floor(1 / share) : share;
}
