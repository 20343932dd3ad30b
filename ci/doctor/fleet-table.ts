import { columns } from '../tools/columns.ts';
import { usages } from './checks/fleet.ts';
import { isReady } from './kubernetes.ts';
import { type Look, statusesOf } from './look.ts';
import type { Server } from './servers.ts';
import { type State, stateOf } from './trouble.ts';
import { ago, bytes } from './words.ts';

/** The worst comes first: a server is as its worst pod is. */
const worst: State[] = [
  'crashing',
  'failing',
  'hanging',
  'pending',
  'downloading',
  'loading',
  'starting',
  'draining',
  'ending',
];

const unknown = '-';

/** The fleet for a terminal: a line for each server, and one for the gateway. */
export function fleetTable(look: Look): string[] {
  const { servers } = look;
  const heads = [
    'SERVER',
    'PODS',
    'STATE',
    'LOADED',
    'IN FLIGHT',
    'WAITING',
    'MEMORY',
    'GPUS',
    'RESTARTS',
    'AGE',
    'MODELS',
  ];
  const table = columns([heads, ...servers.map((server) => row(look, server))]);
  return [...(servers.length > 0 ? table : ['no server']), '', gatewayLine(look)];
}

/** Ready of wanted, and how many there may be. */
const podCount = (ready: number, wanted: number, max: number) =>
  `${ready}/${wanted}${max > wanted ? ` (max ${max})` : ''}`;

function row(look: Look, server: Server): string[] {
  const { pods, models } = server;
  const healths = pods.flatMap((pod) => look.healthOf(pod) ?? []);
  const loaded = models.filter((model) => healths.some(({ models }) => models[model]?.state === 'loaded'));
  const metrics = look.gateways.size > 0 ? look.gatewayMetrics : undefined;
  return [
    server.name,
    podCount(pods.filter(isReady).length, server.wanted, server.max),
    stateName(look, server),
    healths.length > 0 ? `${loaded.length} of ${models.length}` : unknown,
    healths.length > 0 ? String(healths.reduce((sum, { inFlight }) => sum + inFlight, 0)) : unknown,
    metrics ? String(models.reduce((sum, model) => sum + metrics.sum('queue_depth', { model }), 0)) : unknown,
    memoryOf(look, server),
    gpuOf(look, server),
    String(pods.flatMap(statusesOf).reduce((sum, { restartCount }) => sum + restartCount, 0)),
    ageOf(
      look,
      server.pods.map(({ metadata }) => metadata.creationTimestamp),
    ),
    models.join(',') || unknown,
  ];
}

function stateName(look: Look, server: Server): string {
  if (server.pods.length === 0) return server.wanted === 0 ? 'no pods' : 'waiting';
  const states = server.pods.map((pod) => stateOf(look, pod, server).state);
  const bad = worst.find((state) => states.includes(state));
  const count = states.filter((state) => state === bad).length;
  if (bad === undefined) return 'ready';
  return states.length > 1 ? `${count} ${bad}` : bad;
}

/** What all of its Ollamas use of what they may. */
function memoryOf(look: Look, server: Server): string {
  const own = usages(look).filter((usage) => usage.server === server && usage.container === 'ollama');
  if (own.length === 0)
    return server.memory > 0 ? `${unknown}/${bytes(server.memory * server.pods.length || server.memory)}` : unknown;
  const sum = (of: (usage: (typeof own)[number]) => number) => own.reduce((total, usage) => total + of(usage), 0);
  return `${bytes(sum(({ used }) => used))}/${bytes(sum(({ limit }) => limit))}`;
}

function gpuOf(look: Look, server: Server): string {
  if (!server.gpu) return unknown;
  const held = server.pods.reduce(
    (sum, pod) => sum + (look.metricsOf(pod)?.sum('model_memory_usage_bytes', { kind: 'vram' }) ?? 0),
    0,
  );
  return `${server.gpu.count * server.pods.length}, ${bytes(held)} held`;
}

/** Of the oldest. */
const ageOf = (look: Look, created: (string | undefined)[]): string => {
  const times = created.flatMap((time) => (time ? Date.parse(time) : []));
  return times.length > 0 ? ago(look.now - Math.min(...times)) : unknown;
};

function gatewayLine(look: Look): string {
  const deployment = look.component('deployments', 'gateway')[0];
  if (!deployment) return 'gateway: none';
  const pods = look.gatewayPods;
  const service = look.component('services', 'gateway')[0];
  const { gatewayMetrics: metrics } = look;
  const autoscaler = look
    .ours('horizontalpodautoscalers')
    .find((each) => each.spec.scaleTargetRef.name === deployment.metadata.name);
  const wanted = deployment.spec.replicas ?? 1;
  const asked = metrics.sum('model_requests_in_flight');
  const keys = deployment.spec.template.spec.volumes?.some(({ name }) => name === 'api-keys');
  const parts = [
    `${podCount(pods.filter(isReady).length, wanted, autoscaler?.spec.maxReplicas ?? wanted)} pods ready`,
    `${asked} in flight`,
    `${metrics.sum('queue_depth')} waiting`,
    ...(service ? [`service ${service.metadata.name}:${service.spec.ports[0]?.port}`] : []),
    keys ? 'API keys asked for' : 'no API keys',
  ];
  return `gateway: ${parts.join(', ')}`;
}
