import type { LabelValue, ObjectName, OptionalObjectName, QualifiedName } from './types.ts';

/** How the pods of a server come to their GPUs. */
export interface Gpu {
  /**
   * `exclusive`: whole GPUs for one model; `shared`: whole GPUs for several models of one server, which make room for each other
   * by priority; `timeSlicing` and `mps`: one of `sharedBy` parts of a GPU, from the device plugin of NVIDIA; `mig`: a slice that
   * the GPU keeps apart itself; `dra`: devices by a ResourceClaim (Kubernetes 1.34 or later); `hami`: as much of a GPU's memory as
   * HAMi gives a pod.
   */
  mode: 'exclusive' | 'shared' | 'timeSlicing' | 'mps' | 'mig' | 'dra' | 'hami';
  /**
   * Pods that each GPU is offered to in the modes `timeSlicing` and `mps`: the `replicas` of the device plugin's configuration.
   * @asType integer
   * @minimum 2
   * @maximum 64
   */
  sharedBy: number;
  /**
   * Whether whole GPUs and parts are taken of those nodes alone whose GPUs have `resources.gpuMemoryMiB` at least, and less than twice
   * that, by the label `nvidia.com/gpu.memory` of GPU feature discovery: for a cluster with GPUs of several sizes. Nodes without it are
   * not taken.
   */
  matchMemory: boolean;
  /** The slice of the mode `mig`. */
  mig: Mig;
  /** The devices of the mode `dra`. */
  dra: Dra;
  /** The part of the mode `hami`. */
  hami: Hami;
}

/** A slice of a GPU (Multi-Instance GPU), where the device plugin's strategy is `mixed`. */
export interface Mig {
  /**
   * Profile of the slice, such as `1g.10gb`: compute slices and memory.
   * @pattern ^[1-7]g[.][1-9][0-9]{0,2}gb([+]me)?$
   */
  profile: string;
}

/** What a ResourceClaim asks for: devices of a class, with at least `resources.gpuMemoryMiB` each. */
export interface Dra {
  /** DeviceClass that the driver brings along. */
  deviceClass: ObjectName;
  /** Name of the driver, under which its devices have their memory. */
  driver: ObjectName;
}

/** What HAMi gives a pod of each of its GPUs. */
export interface Hami {
  /**
   * Memory in MiB, which HAMi lets nobody exceed.
   * @asType integer
   * @minimum 1
   * @maximum 1000000
   */
  memoryMiB: number;
  /**
   * Compute in percent of the GPU; 0 for no bound.
   * @asType integer
   * @minimum 0
   * @maximum 100
   */
  cores: number;
  /** Name of its scheduler. */
  schedulerName: ObjectName;
}

/** Where pods go. */
export interface Scheduling {
  /** Labels that a node must have. */
  nodeSelector: Record<QualifiedName, LabelValue>;
  /**
   * Taints that the pods tolerate, beside those that follow from `capacity` and from GPUs.
   * @maxItems 32
   */
  tolerations: Toleration[];
  /**
   * `any`: wherever there is room; `preferSpot`: on spot nodes (of Karpenter, EKS, GKE, AKS) while there are any, else on demand;
   * `onDemand`: never on spot nodes, for what must not be taken away.
   */
  capacity: 'any' | 'preferSpot' | 'onDemand';
  /** Whether pods prefer nodes that have pods of servers of their kind (with or without GPUs) already, so that nodes fill up. */
  pack: boolean;
  /** Whether the pods of one Deployment are spread over zones and nodes, as far as that can be. */
  spread: boolean;
  /** Scheduler of the pods, such as one that fills nodes up; empty for the cluster's default. */
  schedulerName: OptionalObjectName;
  /** PriorityClass of the pods; empty for the cluster's default. */
  priorityClassName: OptionalObjectName;
  /** RuntimeClass of the pods, such as `nvidia`; empty for the cluster's default. */
  runtimeClassName: OptionalObjectName;
}

/** A toleration, as Kubernetes writes it. */
export interface Toleration {
  /** Key of the taint; without one, every key. */
  key?: QualifiedName;
  /** Exists for any value, Equal for the one given. */
  operator?: 'Exists' | 'Equal';
  /** Value of the taint. */
  value?: LabelValue;
  /** Effect of the taint; without one, every effect. */
  effect?: 'NoSchedule' | 'PreferNoSchedule' | 'NoExecute';
  /**
   * Seconds that a pod stays on a node with a NoExecute taint.
   * @asType integer
   * @minimum 0
   * @maximum 86400
   */
  tolerationSeconds?: number;
}
