import type { Schedule } from '../../schema/autoscaling.ts';
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
  /** Name of the server, or `gateway`, or `forecaster`. */
  name: string;
  /** Keys of its models; none for gateway and forecaster. */
  models: string[];
  pods: { min: number; max: number };
  /** Windows in which others are the fewest; none where autoscaling heeds no schedule. */
  schedule: Schedule;
  /** Whether they are spread over zones, which buyers of nodes see to (Karpenter) or whoever has nodes in several. */
  spread: boolean;
  /** How many of them never go to spot nodes. */
  onDemand: { min: number; max: number };
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
 * What a release asks of a cluster. Throws where a server has its GPUs in a mode that the plan does not know (MIG, DRA, HAMi).
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
      ...(values.forecaster.enabled ? [forecasterOf(values)] : []),
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
function workloadOf(
  name: string,
  server: Server,
  { agent, autoscaling }: Values,
  gpuType: GpuType | undefined,
): Workload {
  const { resources, replicas, cache, scheduling } = server;
  const heeded = server.autoscaling.enabled && autoscaling.signals === 'demand';
  const gpus = gpusOf(name, server);
  const type = gpus > 0 ? (gpuType ?? smallestGpu(resources.gpuMemoryMiB)) : undefined;
  return {
    name,
    models: server.models,
    pods: { min: replicas.min, max: replicas.max },
    schedule: heeded ? server.autoscaling.schedule : {},
    spread: scheduling.spread,
    onDemand: neverOnSpot(replicas, scheduling.capacity === 'onDemand' ? replicas.max : replicas.onDemand),
    need: {
      cpu: millicores(resources.cpuRequest || resources.cpu) + millicores(agent.resources.cpu),
      memory: mebibytes(resources.memory) + mebibytes(agent.resources.memory),
      gpus,
      pods: 1,
    },
    ...(type && { gpuType: type }),
    volumeGiB: cache.mode === 'ephemeral' ? gibibytes(cache.size) : 0,
  };
}

/** GPUs that a pod takes of a node's: whole ones, or its part of one that the device plugin shares out. Throws for what needs more than that. */
function gpusOf(name: string, { resources, gpu }: Server): number {
  if (resources.gpu === 0) return 0;
  if (gpu.mode === 'exclusive' || gpu.mode === 'shared') return resources.gpu;
  if (gpu.mode === 'timeSlicing' || gpu.mode === 'mps') return resources.gpu / gpu.sharedBy;
  throw new Error(
    `servers.${name}: gpu.mode is ${gpu.mode}, and the plan knows whole GPUs and equal parts of them: ` +
      'leave the server out with enabled: false, or plan it as exclusive',
  );
}

/** For a server that stands in values alone: the GPU with the least memory that is enough. */
function smallestGpu(memoryMiB: number): GpuType {
  const enough = (Object.keys(gpus) as GpuType[]).filter((type) => gpus[type].memoryMiB >= memoryMiB);
  return enough.reduce(
    (least, type) => (gpus[type].memoryMiB < gpus[least].memoryMiB ? type : least),
    enough[0] ?? 'H100',
  );
}

/** A workload with other fewest pods: of one that is on demand as a whole all of them are. */
export function withFewest<T extends Workload>(workload: T, min: number): T {
  const { pods, onDemand } = workload;
  const kept = onDemand.min === pods.min ? min : Math.min(min, onDemand.min);
  return { ...workload, pods: { ...pods, min }, onDemand: { ...onDemand, min: kept } };
}

const neverOnSpot = (pods: { min: number; max: number }, most: number) => ({
  min: Math.min(pods.min, most),
  max: Math.min(pods.max, most),
});

function gatewayOf({ gateway: { replicas, resources, autoscaling, scheduling } }: Values): Workload {
  return serviceOf(
    'gateway',
    { min: replicas.min, max: autoscaling.enabled ? replicas.max : replicas.min },
    { resources, scheduling },
  );
}

/** What comes to a release while it is deployed with two colours: another gateway, with as many pods as clients need. */
export const secondGateway = (release: Release): Release => ({
  ...release,
  workloads: release.workloads.filter(({ name }) => name === 'gateway'),
});

const forecasterOf = ({ forecaster }: Values): Workload => serviceOf('forecaster', { min: 1, max: 1 }, forecaster);

/** Pods of the management service by themselves. */
function serviceOf(
  name: string,
  pods: { min: number; max: number },
  { resources, scheduling }: Pick<Values['forecaster'], 'resources' | 'scheduling'>,
): Workload {
  return {
    name,
    models: [],
    pods,
    schedule: {},
    spread: scheduling.spread,
    onDemand: neverOnSpot(pods, scheduling.capacity === 'onDemand' ? pods.max : 0),
    need: { cpu: millicores(resources.cpu), memory: mebibytes(resources.memory), gpus: 0, pods: 1 },
    volumeGiB: 0,
  };
}
