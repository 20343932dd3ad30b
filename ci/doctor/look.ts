import type { AgentConfig, GatewayConfig } from '../../schema/config.ts';
import type { DeepPartial, Values } from '../../schema/values.ts';
import type { Answer, NoAnswer } from './api.ts';
import type { Commands } from './commands.ts';
import type { HelmRelease } from './helm-release.ts';
import {
  type ConfigMap,
  type ContainerStatus,
  type EndpointSlice,
  hasLabels,
  type Pod,
  type Secret,
} from './kubernetes.ts';
import { Metrics } from './metrics.ts';
import type { Outside } from './outside.ts';
import { type Server, serversOf } from './servers.ts';
import type { Kinds, ListSource, Source } from './sources.ts';

/** What an agent says at /health. */
export interface AgentHealth {
  live: { ok: boolean; reason: string };
  startup: { ok: boolean; reason: string };
  ready: { ok: boolean; reason: string };
  models: Record<string, { state: string; attempts: number; problem?: string }>;
  inFlight: number;
  draining: boolean;
}

/** What the agent of a pod says. */
export interface Agent {
  health: Answer<AgentHealth>;
  metrics: Answer<Metrics>;
}

/** All that was seen of a cluster and a release, to be judged. Whatever could not be seen is as if there were none. */
export class Look {
  readonly namespace: string;
  readonly commands: Commands;
  /** Which cluster it is, in words. */
  where = '';
  /** `v1.37.2` */
  version = '';
  release: string | undefined;
  helm: HelmRelease | undefined;
  /** Names of the other releases of the chart in the namespace. */
  others: string[] = [];
  /** API groups that the cluster serves. */
  apiGroups: string[] = [];
  /** `group/version` → the kinds in it, of what the release is made of. */
  readonly kinds = new Map<string, string[]>();
  readonly secrets = new Map<string, Answer<Secret>>();
  readonly agents = new Map<string, Agent>();
  readonly gateways = new Map<string, Answer<Metrics>>();
  /** Last lines of a container, by `pod/container`; of one that is between two starts, those of the last. */
  readonly logs = new Map<string, string>();
  /** What the kubelets say of the containers' CPU, by node. */
  readonly nodeMetrics = new Map<string, Answer<Metrics>>();
  /** Pods of all namespaces, where they had to be looked at for who has the GPUs. */
  everyPod: Pod[] = [];
  /** kube-system's DNS: addresses that answer. */
  dns: { service: boolean; ready: number } | undefined;
  outside: Outside | undefined;
  /** What was refused, with the API server's words. */
  readonly refused = new Map<Source, string>();
  readonly now: number;
  /** Worked out of the lists. */
  #servers: Server[] | undefined;
  #lists: { [K in ListSource]?: Answer<Kinds[K][]> } = {};

  constructor(namespace: string, commands: Commands, now = Date.now()) {
    this.namespace = namespace;
    this.commands = commands;
    this.now = now;
  }

  /** All objects of a kind; none where they could not be read or there is no such kind. */
  list<K extends ListSource>(source: K): Kinds[K][] {
    const answer = this.#lists[source];
    return answer && 'value' in answer ? (answer.value as Kinds[K][]) : [];
  }

  /** Takes objects, or why there are none. */
  put<K extends ListSource>(source: K, answer: Answer<Kinds[K][]>): void {
    Object.assign(this.#lists, { [source]: answer });
    this.#servers = undefined;
    this.note(source, answer);
  }

  /** Whether the cluster has such objects at all, and why not. */
  problemOf(source: ListSource): NoAnswer | undefined {
    const answer = this.#lists[source];
    return answer && !('value' in answer) ? answer : undefined;
  }

  /** Remembers what was refused. */
  note(source: Source, answer: Answer<unknown>): void {
    if (!('value' in answer) && answer.problem === 'refused') this.refused.set(source, answer.message);
  }

  isRefused(source: Source): boolean {
    return this.refused.has(source);
  }

  get values(): DeepPartial<Values> {
    return this.helm?.values ?? {};
  }

  /** Objects of the release. */
  ours<K extends ListSource>(source: K): Kinds[K][] {
    const labels = this.release === undefined ? undefined : { 'app.kubernetes.io/instance': this.release };
    return this.list(source).filter(({ metadata }) => labels && hasLabels(metadata, labels));
  }

  /** The part of the release that an object belongs to: server, gateway or puller. */
  component<K extends ListSource>(source: K, component: string): Kinds[K][] {
    return this.ours(source).filter(({ metadata }) =>
      hasLabels(metadata, { 'app.kubernetes.io/component': component }),
    );
  }

  get servers(): Server[] {
    this.#servers ??= serversOf(this);
    return this.#servers;
  }

  get gatewayPods(): Pod[] {
    return this.component('pods', 'gateway').filter(isStaying);
  }

  get gatewayConfig(): Partial<GatewayConfig> {
    return configIn(this.component('configmaps', 'gateway'));
  }

  agentConfigOf(server: string): Partial<AgentConfig> {
    return configIn(this.component('configmaps', 'server').filter((map) => serverOf(map) === server));
  }

  /** All gateways' metrics added up. */
  get gatewayMetrics(): Metrics {
    return Metrics.all([...this.gateways.values()].flatMap((answer) => ('value' in answer ? answer.value : [])));
  }

  metricsOf(pod: Pod): Metrics | undefined {
    const answer = this.agents.get(pod.metadata.name)?.metrics;
    return answer && 'value' in answer ? answer.value : undefined;
  }

  healthOf(pod: Pod): AgentHealth | undefined {
    const answer = this.agents.get(pod.metadata.name)?.health;
    return answer && 'value' in answer ? answer.value : undefined;
  }
}

/** The configuration of a service in its ConfigMap; nothing where it is not to be read, which the service itself will say. */
function configIn<T>(maps: readonly ConfigMap[]): Partial<T> {
  const text = maps.map(({ data }) => data?.['config.json']).find((text) => text !== undefined);
  try {
    return JSON.parse(text ?? '{}') as T;
  } catch {
    return {};
  }
}

/** Whether a Deployment has those pods of a server that never run on spot nodes: another one has the others. */
export const isOnDemand = ({ metadata }: { metadata: { labels?: Record<string, string> } }): boolean =>
  metadata.labels?.['model-management.fineprint.ai/capacity'] === 'on-demand';

/** The server that an object belongs to. */
export const serverOf = ({ metadata }: { metadata: { labels?: Record<string, string> } }): string | undefined =>
  metadata.labels?.['model-management.fineprint.ai/server'];

export const isStaying = (pod: Pod): boolean => pod.metadata.deletionTimestamp === undefined;

export const statusesOf = ({ status }: Pod): ContainerStatus[] => [
  ...(status.initContainerStatuses ?? []),
  ...(status.containerStatuses ?? []),
];

/** Whether a container of a pod runs. */
export const runs = (pod: Pod, container: string): boolean =>
  statusesOf(pod).some(({ name, state }) => name === container && state.running !== undefined);

export const readyAddresses = (slices: readonly EndpointSlice[]): Set<string> =>
  new Set(
    slices
      .flatMap(({ endpoints }) => endpoints ?? [])
      .filter(({ conditions }) => conditions?.ready !== false)
      .flatMap(({ addresses }) => addresses),
  );
