import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { ValuesOverrides } from '../../generator/environment.ts';
import { root } from '../tools/paths.ts';
import { duration, say } from '../tools/progress.ts';
import { run } from '../tools/run.ts';
import type { Image } from './images.ts';
import { registry } from './layout.ts';
import { connected, stretched, until } from './wait.ts';

export const releaseName = 'model-management';
export const namespace = 'model-management';

/** A way to a cluster: the embedded one, or the user's own by its kube context. */
export interface Access {
  env: NodeJS.ProcessEnv;
  /** Put before the arguments of kubectl, and in Helm's spelling before those of Helm. */
  kubectl: readonly string[];
  helm: readonly string[];
}

/** The way to the cluster of a context; without one to that which the environment leads to. */
export const accessTo = (env: NodeJS.ProcessEnv, context: string | undefined): Access =>
  context === undefined
    ? { env, kubectl: [], helm: [] }
    : { env, kubectl: ['--context', context], helm: ['--kube-context', context] };

const kubectl = (access: Access, ...args: string[]): Promise<string> =>
  connected(() => run('kubectl', [...access.kubectl, '--namespace', namespace, ...args], { env: access.env }));

/** What the values of an environment do not know of: where this cluster has its images and models. */
export function overlay(images: { ollama: Image; service: Image }): ValuesOverrides {
  const { ollama, service } = images;
  return {
    image: { repository: service.repository, tag: service.tag },
    // They are brought onto the node by their names, and have no digest there.
    images: { requireDigest: false },
    modelRegistry: { host: registry, insecure: true },
    serverDefaults: { ollama: { image: { repository: ollama.repository, tag: ollama.tag } } },
  };
}

/** Writes an overlay where Helm finds it, and gives back the file. */
export function writeOverlay(folder: string, values: ValuesOverrides): string {
  mkdirSync(folder, { recursive: true });
  const file = path.join(folder, 'overlay.json');
  writeFileSync(file, JSON.stringify(values, null, 2));
  return file;
}

/** The namespace, as strict as the chart promises to bear. A namespace that is there stays as it is. */
export async function ensureNamespace(access: Access, name = namespace): Promise<void> {
  const found = await kubectl(access, 'get', 'namespace', name, '--ignore-not-found', '--output', 'name');
  if (found) return;
  await kubectl(access, 'create', 'namespace', name);
  await kubectl(access, 'label', 'namespace', name, 'pod-security.kubernetes.io/enforce=restricted');
}

/** Installs the chart with the local environment, or upgrades to it. */
export async function install(access: Access, args: readonly string[]): Promise<void> {
  const values = path.join(root, 'environments/local/values.yaml');
  const where = ['--namespace', namespace, '--values', values];
  const patient = ['--timeout', `${stretched(300)}s`];
  const command = ['upgrade', '--install', releaseName, path.join(root, 'charts'), ...where, ...patient, ...args];
  await connected(() => run('helm', [...access.helm, ...command], { env: access.env, cwd: root }));
}

interface Container {
  name: string;
  ready: boolean;
  restartCount: number;
  state: {
    waiting?: { reason: string; message?: string };
    terminated?: { exitCode: number };
    running?: object;
  };
}
export interface Pod {
  metadata: { name: string; deletionTimestamp?: string };
  status: {
    phase: string;
    conditions?: { type: string; status: string; message?: string }[];
    initContainerStatuses?: Container[];
    containerStatuses?: Container[];
  };
}
interface Deployment {
  metadata: { name: string; generation: number };
  spec: { replicas: number };
  status: { observedGeneration?: number; replicas?: number; updatedReplicas?: number; availableReplicas?: number };
}

const isRolledOut = ({ metadata, spec, status }: Deployment): boolean =>
  status.observedGeneration === metadata.generation &&
  (status.replicas ?? 0) === spec.replicas &&
  (status.updatedReplicas ?? 0) === spec.replicas &&
  (status.availableReplicas ?? 0) === spec.replicas;

/** Waits until every pod of the release serves; says what each is doing as that changes. */
export async function waitForRelease(access: Access, seconds = 600): Promise<void> {
  const start = performance.now();
  const selector = ['--selector', `app.kubernetes.io/instance=${releaseName}`, '--output', 'json'];
  const items = async <T>(kind: string): Promise<T[]> =>
    JSON.parse(await kubectl(access, 'get', kind, ...selector)).items;
  const said = new Map<string, string>();
  // What a pod is for a moment only is not worth a line.
  let before = new Map<string, string>();
  const done = await until(seconds * 1000, 1000, async () => {
    const [deployments, pods] = await Promise.all([items<Deployment>('deployments'), items<Pod>('pods')]);
    const now = new Map<string, string>();
    for (const pod of pods.filter((pod) => !pod.metadata.deletionTimestamp)) {
      const { name } = pod.metadata;
      const state = stateOf(pod);
      now.set(name, state.text);
      const lasts = before.get(name) === state.text || state.text === 'ready';
      if (lasts && said.get(name) !== state.text) {
        say(`${name}: ${state.text} (${duration(performance.now() - start)})`);
        said.set(name, state.text);
      }
      if (state.stuck) throw new Error(`${name}: ${state.text}\n${await lastWords(access, name, state.stuck)}`);
    }
    before = now;
    return deployments.length > 0 && deployments.every(isRolledOut);
  });
  if (!done)
    throw new Error(
      `${releaseName}: not ready after ${stretched(seconds)} s: see kubectl -n ${namespace} describe pods`,
    );
}

/** What a pod is doing, and the container that it will not get over by itself, if there is one. */
export function stateOf(pod: Pod): { text: string; stuck?: string } {
  const { phase, conditions = [], initContainerStatuses = [], containerStatuses = [] } = pod.status;
  const scheduled = conditions.find(({ type }) => type === 'PodScheduled');
  if (scheduled?.status === 'False') return { text: `not scheduled: ${scheduled.message}` };
  if (conditions.some(({ type, status }) => type === 'Ready' && status === 'True')) return { text: 'ready' };
  for (const { name, state, restartCount } of [...initContainerStatuses, ...containerStatuses]) {
    const reason = state.waiting?.reason;
    const hopeless =
      reason && /^(ErrImageNeverPull|InvalidImageName|ImagePullBackOff|CreateContainerConfigError)$/.test(reason);
    if (hopeless || (reason === 'CrashLoopBackOff' && restartCount > 2)) {
      return { text: `${name}: ${reason}: ${state.waiting?.message ?? ''}`, stuck: name };
    }
  }
  // The agent runs from the first; what comes after it is what is being waited for.
  const initializing = initContainerStatuses.findLast(({ state, ready }) => state.running && !ready);
  if (initializing) return { text: `${initializing.name} is running` };
  return { text: phase === 'Running' ? 'starting' : phase.toLowerCase() };
}

const lastWords = (access: Access, pod: string, container: string): Promise<string> =>
  kubectl(access, 'logs', pod, '--container', container, '--tail', '10').catch(() => '');

export interface Chat {
  model: string;
  question: string;
  answer: string;
}

/** Sends one chat request to the first model that the gateway at `url` offers. */
export async function chat(url: string): Promise<Chat> {
  // A Service leads to a pod a moment after that is ready.
  let problem: unknown;
  const answered = await until(20_000, 500, () =>
    ask(url).catch((error) => {
      problem = error;
    }),
  );
  if (!answered) throw problem;
  return answered;
}

async function ask(url: string): Promise<Chat> {
  const call = async (route: string, body?: object) => {
    const post = body && {
      method: 'POST',
      body: JSON.stringify(body),
      headers: { 'content-type': 'application/json' },
    };
    const response = await fetch(url + route, { ...post, signal: AbortSignal.timeout(stretched(120_000)) });
    const text = await response.text();
    if (!response.ok) throw new Error(`${url}${route}: ${response.status} ${text}`);
    return JSON.parse(text);
  };
  const { models } = (await call('/api/tags')) as { models: { name: string }[] };
  const model = models[0]?.name;
  if (!model) throw new Error(`${url}/api/tags: no model: enable a server in environments/local`);
  const question = 'What do you do?';
  const messages = [{ role: 'user', content: question }];
  const { message } = await call('/api/chat', { model, messages, stream: false, options: { num_predict: 24 } });
  return { model, question, answer: message.content };
}
