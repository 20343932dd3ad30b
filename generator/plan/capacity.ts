import type { Instance } from './prices.ts';

/** What pods ask of a node, or a node has for them. */
export interface Resources {
  /** CPU in thousandths of a core. */
  cpu: number;
  /** Memory in MiB. */
  memory: number;
  gpus: number;
  pods: number;
}

/**
 * What the pods of a cluster's own DaemonSets ask for on each node. kube-proxy 100m; the network plugin 50m; the volume plugin
 * 30m and 120 MiB (the defaults of the add-ons of EKS: github.com/aws/amazon-vpc-cni-k8s, aws/eks-charts,
 * kubernetes-sigs/aws-ebs-csi-driver); and an assumption of 100m and 180 MiB for a collector of logs and a node exporter. The
 * NVIDIA device plugin asks for nothing.
 */
export const daemonSets: Resources = { cpu: 280, memory: 300, gpus: 0, pods: 5 };

/** Part of a machine's memory that its hypervisor and kernel keep (Karpenter's `vmMemoryOverheadPercent`). */
const machineOverhead = 0.075;

/**
 * What a node has for pods (`allocatable`), before any DaemonSet. The kubelet keeps of the cores 6% of the first, 1% of the second,
 * 0.5% of the next two and 0.25% of the others; and of the memory 255 MiB, 11 MiB for each pod that the network holds, and 100 MiB
 * below which it evicts. As EKS does it and Karpenter reckons with: github.com/aws/karpenter-provider-aws,
 * pkg/providers/instancetype/types.go.
 */
export function allocatable(instance: Instance): Resources {
  const rates = [0.06, 0.01, 0.005, 0.005];
  const reserved = Array.from({ length: instance.cpu }, (_, core) => 1000 * (rates[core] ?? 0.0025));
  const cpu = 1000 * instance.cpu - Math.floor(reserved.reduce((sum, part) => sum + part, 0) + 1e-6);
  const memory = Math.floor(instance.memoryMiB * (1 - machineOverhead)) - (255 + 11 * instance.pods) - 100;
  return { cpu, memory, gpus: instance.gpu?.count ?? 0, pods: instance.pods };
}

/** What a node has for the pods of the release: its allocatable, less the DaemonSets. */
export function roomOf(instance: Instance): Resources {
  const { cpu, memory, gpus, pods } = allocatable(instance);
  return {
    cpu: Math.max(0, cpu - daemonSets.cpu),
    memory: Math.max(0, memory - daemonSets.memory),
    gpus,
    pods: Math.max(0, pods - daemonSets.pods),
  };
}

export const kinds = ['cpu', 'memory', 'gpus', 'pods'] as const satisfies (keyof Resources)[];

/** Whether so much fits into so much. (Parts of a GPU add up to a whole one but for the last digit.) */
export const fitsInto = (need: Resources, room: Resources) => kinds.every((kind) => need[kind] <= room[kind] + 1e-9);

/** The largest part that a need takes of any resource of a room, from 0; Infinity where the room has none of one. */
export const shareOf = (need: Resources, room: Resources) =>
  Math.max(...kinds.map((kind) => (need[kind] === 0 ? 0 : need[kind] / room[kind])));
