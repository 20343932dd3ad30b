import { Commands } from './commands.ts';
import type { Check, Finding } from './finding.ts';
import type { Condition, Container, ContainerStatus, Deployment, Meta, Node, Pod } from './kubernetes.ts';
import { type AgentHealth, Look } from './look.ts';
import { Metrics } from './metrics.ts';

/** When everything in these tests is looked at. */
export const now = Date.parse('2026-03-01T12:00:00Z');

/** A time so many seconds before that. */
export const secondsAgo = (seconds: number): string => new Date(now - seconds * 1000).toISOString();

/** A release `fleet` in the namespace `models` of a cluster that is fine, without anything in it. */
export function emptyLook(): Look {
  const look = new Look('models', new Commands(undefined, 'models', 'fleet'), now);
  look.where = 'context test';
  look.version = 'v1.37.2';
  look.release = 'fleet';
  return look;
}

const meta = (name: string, component: string, server?: string): Meta => ({
  name,
  namespace: 'models',
  creationTimestamp: secondsAgo(600),
  labels: {
    'app.kubernetes.io/instance': 'fleet',
    'app.kubernetes.io/component': component,
    ...(server !== undefined && { 'model-management.fineprint.ai/server': server }),
  },
});

export interface ServerShape {
  limits?: Record<string, string>;
  replicas?: number;
  pods?: Pod[];
  spec?: Partial<Deployment['spec']['template']['spec']>;
  status?: Deployment['status'];
}

/** Puts a server `ollama-NAME` with a model NAME into a look, beside those that it has. */
export function addServer(look: Look, name: string, shape: ServerShape = {}): void {
  const server = `ollama-${name}`;
  const container: Container = {
    name: 'ollama',
    image: 'ollama',
    resources: { limits: shape.limits ?? { cpu: '2', memory: '8Gi' } },
  };
  look.put('deployments', {
    value: [
      ...look.list('deployments'),
      {
        metadata: meta(server, 'server', server),
        spec: { replicas: shape.replicas ?? 1, template: { spec: { containers: [container], ...shape.spec } } },
        status: shape.status ?? {},
      },
    ],
  });
  const config = { server, models: { [name]: { name } } };
  look.put('configmaps', {
    value: [
      ...look.list('configmaps'),
      { metadata: meta(server, 'server', server), data: { 'config.json': JSON.stringify(config) } },
    ],
  });
  look.put('pods', { value: [...look.list('pods'), ...(shape.pods ?? [pod(`${server}-0`, server)])] });
}

/** A pod of a server, ready unless its status says otherwise. */
export function pod(
  name: string,
  server: string,
  status: Partial<Pod['status']> = {},
  limits?: Record<string, string>,
): Pod {
  return {
    metadata: meta(name, 'server', server),
    spec: {
      nodeName: 'node-1',
      containers: [{ name: 'ollama', image: 'ollama', resources: { limits: limits ?? { cpu: '2', memory: '8Gi' } } }],
    },
    status: {
      phase: 'Running',
      conditions: [
        { type: 'PodScheduled', status: 'True' },
        { type: 'Ready', status: 'True' },
      ],
      containerStatuses: [container('ollama')],
      ...status,
    },
  };
}

export const notReady: Condition[] = [
  { type: 'PodScheduled', status: 'True' },
  { type: 'Ready', status: 'False' },
];

/** A container that runs, unless it is said otherwise. */
export const container = (name: string, over: Partial<ContainerStatus> = {}): ContainerStatus => ({
  name,
  image: name,
  ready: true,
  restartCount: 0,
  state: { running: { startedAt: secondsAgo(500) } },
  ...over,
});

/** A node that is ready and has nothing but this. */
export const node = (name: string, offers: Record<string, string> = {}, over: Partial<Node> = {}): Node => ({
  metadata: { name },
  spec: {},
  status: { capacity: offers, allocatable: offers, conditions: [{ type: 'Ready', status: 'True' }] },
  ...over,
});

/** Has the agent of a pod say this. */
export function addAgent(look: Look, pod: string, health: Partial<AgentHealth>, metrics = ''): void {
  const well = { ok: true, reason: 'ok' };
  const value = { live: well, startup: well, ready: well, models: {}, inFlight: 0, draining: false, ...health };
  look.agents.set(pod, { health: { value }, metrics: { value: Metrics.parse(metrics) } });
}

/** What a check finds, in short: the level and what was seen. */
export const found = (check: Check, look: Look): string[] =>
  check.judge(look).map(({ level, what }) => `${level}: ${what}`);

/** The commands of what a check finds. */
export const commandsOf = (findings: readonly Finding[]): string[] =>
  findings.flatMap(({ fixes = [] }) => fixes.flatMap(({ run }) => run ?? []));
