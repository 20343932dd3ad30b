import type { Scheduling } from '../../schema/placement.ts';
import type { Server, Values } from '../../schema/values.ts';
import { type Environment, environmentOverrides, mergeValues } from '../environment.ts';
import { fleetOf } from '../fleet.ts';
import { type GpuType, gpus } from '../gpus.ts';
import type { Registry } from '../registry.ts';
import { valuesOf } from '../values.ts';
import type { Resources } from './capacity.ts';
import { gibibytes, mebibytes, millicores } from './quantity.ts';

/** The pods of one Deployment: what each asks for, and how many there are. */
export interface Workload {
  /** Name of the server, or `gateway`. */
  name: string;
  /** Keys of its models; none for the gateway. */
  models: string[];
  pods: { min: number; max: number };
  /** The first so many of them stay off spot nodes. */
  firmPods: number;
  need: Resources;
  gpuType?: GpuType;
  /** A volume of its own for each pod, in GiB; 0 for none. */
  volumeGiB: number;
}

/** Everything of a release that is paid for. */
export interface Release {
  environment: string;
  workloads: Workload[];
  /** The one claim that servers share, in GiB; 0 for none. */
  sharedGiB: number;
  /** What has an address outside of the cluster. */
  loadBalancers: number;
}

/** The registry of an environment, and the values that its release gets: the chart's with its own merged over them, as Helm does. */
export function releaseValues(registry: Registry, environment: Environment): { registry: Registry; values: Values } {
  const base = valuesOf(registry);
  const values = mergeValues(base, environmentOverrides(registry, base, environment)) as Values;
  return { registry: environment.registry?.(registry) ?? registry, values };
}

/**
 * What a release asks of a cluster. Throws where values ask for GPUs that are shared in some way (MIG and the like): a node
 * has whole ones here.
 */
export function releaseOf(registry: Registry, name: string, environment: Environment): Release {
  const { registry: own, values } = releaseValues(registry, environment);
  const gpuTypes = new Map(fleetOf(own).map((server) => [server.name, server.serving.gpu?.type]));
  const servers = Object.entries(values.servers).flatMap(([server, overrides]): [string, Server][] => {
    const merged = mergeValues(values.serverDefaults, overrides) as Server;
    return merged.enabled ? [[server, merged]] : [];
  });
  const shares = servers.some(([, { cache }]) => cache.mode === 'shared') && values.sharedCache.existingClaim === '';
  return {
    environment: name,
    workloads: [
      ...servers.map(([server, it]) => workloadOf(server, it, values, gpuTypes.get(server))),
      gatewayOf(values),
    ],
    sharedGiB: shares ? gibibytes(values.sharedCache.size) : 0,
    // An Ingress has the load balancer of its controller.
    loadBalancers: (values.ingress.enabled ? 1 : 0) + (values.gateway.service.type === 'LoadBalancer' ? 1 : 0),
  };
}

/**
 * A pod of a server. Of it, the scheduler counts what runs together: Ollama and the agent, a native sidecar. The model-downloader, an
 * init container beside the agent, asks for what Ollama asks for, and so for no more.
 */
function workloadOf(name: string, server: Server, { agent }: Values, gpuType: GpuType | undefined): Workload {
  const { resources, replicas, cache, scheduling } = server;
  if (resources.gpu > 0 && resources.gpuResource !== 'nvidia.com/gpu') {
    throw new Error(
      `servers.${name}: asks for ${resources.gpuResource}, and the plan knows whole GPUs (nvidia.com/gpu): leave it out with enabled: false`,
    );
  }
  const type = resources.gpu > 0 ? (gpuType ?? smallestGpu(resources.gpuMemoryMiB)) : undefined;
  return {
    name,
    models: server.models,
    pods: { min: replicas.min, max: replicas.max },
    firmPods: firmPodsOf(scheduling, replicas.onDemand),
    need: {
      cpu: millicores(resources.cpuRequest || resources.cpu) + millicores(agent.resources.cpu),
      memory: mebibytes(resources.memory) + mebibytes(agent.resources.memory),
      gpus: resources.gpu,
      pods: 1,
    },
    ...(type && { gpuType: type }),
    volumeGiB: cache.mode === 'ephemeral' ? gibibytes(cache.size) : 0,
  };
}

/** For a server that stands in values alone: the GPU with the least memory that is enough. */
function smallestGpu(memoryMiB: number): GpuType {
  const enough = (Object.keys(gpus) as GpuType[]).filter((type) => gpus[type].memoryMiB >= memoryMiB);
  return enough.reduce(
    (least, type) => (gpus[type].memoryMiB < gpus[least].memoryMiB ? type : least),
    enough[0] ?? 'H100',
  );
}

/** All of them where the server says so. What goes wherever there is room may be on spot nodes, if there are any without a taint. */
function firmPodsOf({ capacity }: Scheduling, onDemand = 0): number {
  return capacity === 'onDemand' ? Number.POSITIVE_INFINITY : onDemand;
}

function gatewayOf({ gateway: { replicas, resources, autoscaling, scheduling } }: Values): Workload {
  return {
    name: 'gateway',
    models: [],
    pods: autoscaling.enabled ? replicas : { min: replicas.min, max: replicas.min },
    firmPods: firmPodsOf(scheduling),
    need: { cpu: millicores(resources.cpu), memory: mebibytes(resources.memory), gpus: 0, pods: 1 },
    volumeGiB: 0,
  };
}
