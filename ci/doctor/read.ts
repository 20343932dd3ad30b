import type { Answer, Api } from './api.ts';
import type { Commands } from './commands.ts';
import { type HelmRelease, isOurChart, newestRevisions, readRelease } from './helm-release.ts';
import {
  type ContainerStatus,
  conditionOf,
  type EndpointSlice,
  isReady,
  type KubernetesEvent,
  type Pod,
  type Secret,
  type Service,
} from './kubernetes.ts';
import { type AgentHealth, Look, readyAddresses, runs, statusesOf } from './look.ts';
import { Metrics } from './metrics.ts';
import { type Kinds, type ListSource, sources } from './sources.ts';

export interface LookOptions {
  namespace: string;
  release?: string | undefined;
  commands: Commands;
}

/** Reads the lists, finds the release and what Helm says of it. Rejects where the API server does not answer at all. */
export async function lookAt(api: Api, options: LookOptions): Promise<Look> {
  const look = new Look(options.namespace, options.commands);
  const version = await api.json<{ gitVersion: string }>('/version');
  if (!('value' in version)) throw new Error(`the API server does not answer: ${version.message}`);
  look.version = version.value.gitVersion;
  const groups = await api.json<{ groups: { name: string }[] }>('/apis');
  if ('value' in groups) look.apiGroups = groups.value.groups.map(({ name }) => name);
  await Promise.all(Object.keys(sources).map((source) => readList(api, look, source as ListSource)));
  // They come in the order of their names.
  look.list('events').sort((one, other) => timeOf(one) - timeOf(other));
  await findRelease(api, look, options.release);
  return look;
}

const timeOf = ({ lastTimestamp, eventTime, metadata }: KubernetesEvent): number =>
  Date.parse(lastTimestamp ?? eventTime ?? metadata.creationTimestamp ?? '') || 0;

async function readList(api: Api, look: Look, source: ListSource): Promise<void> {
  const path = sources[source].replace('*', `namespaces/${look.namespace}`);
  // Who may not read everything is told that he may not read what there is not, either.
  const group = /^\/apis\/([^/]+)\//.exec(path)?.[1];
  if (group && look.apiGroups.length > 0 && !look.apiGroups.includes(group)) {
    return look.put(source, { problem: 'absent', message: `${group}: nothing serves it` });
  }
  const answer = await api.json<{ items: Kinds[typeof source][] }>(path);
  look.put(source, 'value' in answer ? { value: answer.value.items as never } : answer);
}

async function findRelease(api: Api, look: Look, wanted: string | undefined): Promise<void> {
  const selector = encodeURIComponent('owner=helm');
  const stored = await api.json<{ items: Secret[] }>(
    `/api/v1/namespaces/${look.namespace}/secrets?labelSelector=${selector}`,
  );
  look.note('secrets', stored);
  const newest = newestRevisions('value' in stored ? stored.value.items : []);
  // A release whose first installation failed has no objects; one that something else than Helm made has no Secret.
  const names = new Set<string>();
  for (const { metadata } of look.list('deployments')) {
    const { labels = {} } = metadata;
    const name = labels['app.kubernetes.io/instance'];
    if (labels['app.kubernetes.io/part-of'] === 'model-management' && name !== undefined) names.add(name);
  }
  const releases = new Map<string, HelmRelease>();
  for (const [name, secret] of newest) {
    if (wanted !== undefined && name !== wanted) continue;
    const release = readRelease(secret);
    if (!isOurChart(release) || release.status === 'uninstalled') continue;
    releases.set(name, release);
    names.add(name);
  }
  const [first, ...others] = [...names].sort();
  look.release = wanted === undefined ? first : names.has(wanted) ? wanted : undefined;
  look.others = wanted === undefined ? others : [];
  look.helm = look.release === undefined ? undefined : releases.get(look.release);
}

/** Asks every pod of the release how it is: agents and gateways by the API server's way to them, and logs of what failed. */
export async function askPods(api: Api, look: Look): Promise<void> {
  const base = `/api/v1/namespaces/${look.namespace}/pods`;
  const metrics = async (pod: Pod): Promise<Answer<Metrics>> => {
    const answer = await api.text(`${base}/${pod.metadata.name}:9090/proxy/metrics`);
    look.note('pods/proxy', answer);
    return 'value' in answer ? { value: Metrics.parse(answer.value) } : answer;
  };
  const agents = look
    .component('pods', 'server')
    .filter((pod) => runs(pod, 'agent'))
    .map(async (pod) => {
      const health = api.json<AgentHealth>(`${base}/${pod.metadata.name}:8080/proxy/health`);
      look.agents.set(pod.metadata.name, { health: await health, metrics: await metrics(pod) });
      look.note('pods/proxy', await health);
    });
  const gateways = look.gatewayPods
    .filter((pod) => runs(pod, 'gateway'))
    .map(async (pod) => {
      look.gateways.set(pod.metadata.name, await metrics(pod));
    });
  await Promise.all([...agents, ...gateways]);
}

/** What takes a moment more: logs of what is not well, Secrets that are named, DNS, CPU of the nodes, who has the GPUs. */
export async function lookCloser(api: Api, look: Look): Promise<void> {
  await Promise.all([
    readLogs(api, look),
    readSecrets(api, look),
    readDns(api, look),
    readKinds(api, look),
    readNodeMetrics(api, look),
    readEveryPod(api, look),
  ]);
}

async function readLogs(api: Api, look: Look): Promise<void> {
  const wanted = look.ours('pods').flatMap((pod) => {
    const isTrouble = ({ restartCount, ready, state }: ContainerStatus) =>
      restartCount > 0 || (!ready && (state.running !== undefined || state.terminated?.exitCode !== 0));
    return statusesOf(pod)
      .filter((status) => status.state.waiting?.reason !== 'PodInitializing' && isTrouble(status))
      .map((status) => ({ pod, status }));
  });
  const read = async (pod: Pod, container: string, query: string) => {
    const { namespace } = look;
    const path = `/api/v1/namespaces/${namespace}/pods/${pod.metadata.name}/log?container=${container}&${query}`;
    const answer = await api.text(path);
    look.note('pods/log', answer);
    return 'value' in answer ? answer.value : '';
  };
  await Promise.all(
    wanted.map(async ({ pod, status }) => {
      const key = `${pod.metadata.name}/${status.name}`;
      const now = status.state.waiting ? '' : await read(pod, status.name, 'tailLines=30');
      const before = status.restartCount > 0 ? await read(pod, status.name, 'tailLines=30&previous=true') : '';
      look.logs.set(key, now || before);
      look.logs.set(`${key}/before`, before);
    }),
  );
}

async function readSecrets(api: Api, look: Look): Promise<void> {
  const names = new Set<string>();
  for (const { spec } of [...look.ours('deployments').map(({ spec }) => spec.template), ...look.ours('pods')]) {
    for (const { name } of spec.imagePullSecrets ?? []) names.add(name);
    for (const { secret } of spec.volumes ?? []) if (secret) names.add(secret.secretName);
  }
  for (const { spec } of look.ours('ingresses')) {
    for (const { secretName } of spec.tls ?? []) if (secretName) names.add(secretName);
  }
  await Promise.all(
    [...names].map(async (name) => {
      const answer = await api.json<Secret>(`/api/v1/namespaces/${look.namespace}/secrets/${name}`);
      look.note('secrets', answer);
      look.secrets.set(name, answer);
    }),
  );
}

/** DNS of the cluster is a Service `kube-dns` almost everywhere, whatever answers behind it. */
async function readDns(api: Api, look: Look): Promise<void> {
  const selector = encodeURIComponent('kubernetes.io/service-name=kube-dns');
  const [service, slices] = await Promise.all([
    api.json<Service>('/api/v1/namespaces/kube-system/services/kube-dns'),
    api.json<{ items: EndpointSlice[] }>(
      `/apis/discovery.k8s.io/v1/namespaces/kube-system/endpointslices?labelSelector=${selector}`,
    ),
  ]);
  if (!('value' in slices) || (!('value' in service) && service.problem !== 'absent')) return;
  look.dns = { service: 'value' in service, ready: readyAddresses(slices.value.items).size };
}

/** Which kinds the cluster knows, of the API groups that the release has objects of. */
async function readKinds(api: Api, look: Look): Promise<void> {
  const versions = new Set((look.helm?.objects ?? []).map(({ apiVersion }) => apiVersion));
  await Promise.all(
    [...versions].map(async (version) => {
      const path = version.includes('/') ? `/apis/${version}` : `/api/${version}`;
      const answer = await api.json<{ resources: { kind: string }[] }>(path);
      if ('value' in answer) {
        look.kinds.set(
          version,
          answer.value.resources.map(({ kind }) => kind),
        );
      } else if (answer.problem === 'absent') look.kinds.set(version, []);
    }),
  );
}

async function readNodeMetrics(api: Api, look: Look): Promise<void> {
  const names = new Set(
    look
      .component('pods', 'server')
      .filter(isReady)
      .flatMap(({ spec }) => spec.nodeName ?? []),
  );
  await Promise.all(
    [...names].map(async (name) => {
      const answer = await api.text(`/api/v1/nodes/${name}/proxy/metrics/cadvisor`);
      look.note('nodes/proxy', answer);
      look.nodeMetrics.set(name, 'value' in answer ? { value: Metrics.parse(answer.value) } : answer);
    }),
  );
}

/** Only where a pod waits for a GPU: in a large cluster this is a lot. */
async function readEveryPod(api: Api, look: Look): Promise<void> {
  const waits = look.servers.some(
    ({ gpu, pods }) =>
      gpu && pods.some((pod) => conditionOf(pod.status.conditions, 'PodScheduled')?.status === 'False'),
  );
  if (!waits) return;
  let next = '';
  do {
    const page = await api.json<{ items: Pod[]; metadata: { continue?: string } }>(
      `/api/v1/pods?limit=500${next && `&continue=${encodeURIComponent(next)}`}`,
    );
    if (!('value' in page)) return;
    look.everyPod.push(...page.value.items);
    next = page.value.metadata.continue ?? '';
  } while (next);
}
