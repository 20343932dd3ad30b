import type { FleetServing } from './fleet.ts';
import type { GpuType } from './gpus.ts';
import { GB, GiB } from './memory.ts';

/** A machine that a cloud lets by the hour. */
export interface NodeType {
  /** US dollars an hour, on demand. */
  usdPerHour: number;
  /** Cores (hyperthreads). */
  cpu: number;
  memoryGiB: number;
  gpu?: { type: GpuType; count: number };
}

/** AWS EC2 in us-east-1, Linux, list prices on demand without tax (https://aws.amazon.com/ec2/pricing/on-demand/). */
export const nodes: Record<string, NodeType> = {
  'c7i.4xlarge': { usdPerHour: 0.714, cpu: 16, memoryGiB: 32 },
  'g4dn.xlarge': { usdPerHour: 0.526, cpu: 4, memoryGiB: 16, gpu: { type: 'T4', count: 1 } },
  'p3.2xlarge': { usdPerHour: 3.06, cpu: 8, memoryGiB: 61, gpu: { type: 'V100', count: 1 } },
  'g5.xlarge': { usdPerHour: 1.006, cpu: 4, memoryGiB: 16, gpu: { type: 'A10G', count: 1 } },
  'g5.2xlarge': { usdPerHour: 1.212, cpu: 8, memoryGiB: 32, gpu: { type: 'A10G', count: 1 } },
  'g5.12xlarge': { usdPerHour: 5.672, cpu: 48, memoryGiB: 192, gpu: { type: 'A10G', count: 4 } },
  'g6.xlarge': { usdPerHour: 0.8048, cpu: 4, memoryGiB: 16, gpu: { type: 'L4', count: 1 } },
  'g6.2xlarge': { usdPerHour: 0.9776, cpu: 8, memoryGiB: 32, gpu: { type: 'L4', count: 1 } },
  'g6.12xlarge': { usdPerHour: 4.6016, cpu: 48, memoryGiB: 192, gpu: { type: 'L4', count: 4 } },
  'g6e.xlarge': { usdPerHour: 1.861, cpu: 4, memoryGiB: 32, gpu: { type: 'L40S', count: 1 } },
  'g6e.2xlarge': { usdPerHour: 2.24208, cpu: 8, memoryGiB: 64, gpu: { type: 'L40S', count: 1 } },
  'p5.4xlarge': { usdPerHour: 6.88, cpu: 16, memoryGiB: 256, gpu: { type: 'H100', count: 1 } },
};

/** What kubelet, runtime and DaemonSets keep of a node, and the agent of a pod: an assumption, on the safe side. */
const ofSystem = { cpu: 0.5, memoryGiB: 2 };
const ofAgent = { cpu: 0.1, memoryGiB: 0.25 };

/**
 * US dollars that one pod of a server costs in an hour: its share of the node on which that is least, which is the largest of
 * its shares of cores, memory and GPUs. A node with GPUs is filled by pods that use them: what no further pod fits into is
 * paid by those that do. Undefined where no node of the list holds one.
 */
export function usdPerPodHour(serving: Pick<FleetServing, 'cpu' | 'memoryGB' | 'gpu'>): number | undefined {
  const shares = Object.values(nodes).flatMap((node) => {
    const share = shareOf(node, serving);
    return share === undefined ? [] : [node.usdPerHour * share];
  });
  return shares.length > 0 ? Math.min(...shares) : undefined;
}

function shareOf(node: NodeType, { cpu, memoryGB, gpu }: Pick<FleetServing, 'cpu' | 'memoryGB' | 'gpu'>) {
  if (gpu?.type !== node.gpu?.type) return undefined;
  const share = Math.max(
    (cpu + ofAgent.cpu) / (node.cpu - ofSystem.cpu),
    ((memoryGB * GB) / GiB + ofAgent.memoryGiB) / (node.memoryGiB - ofSystem.memoryGiB),
    gpu ? gpu.count / node.gpu!.count : 0,
  );
  if (share > 1) return undefined;
  return gpu ? 1 / Math.floor(1 / share) : share;
}
