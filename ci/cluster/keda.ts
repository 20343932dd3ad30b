import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { ofKeda } from '../testing/crds.ts';
import { tool } from '../tools/tools.ts';
import { aggregation, subject } from './aggregation.ts';
import type { Cluster } from './cluster.ts';
import { type ExternalMetrics, externalMetrics, untilServed } from './external-metrics.ts';
import { endByPid, withPid } from './monitoring.ts';
import { type Component, inNode, logOf, runInNode, startInNode } from './node.ts';
import { until } from './wait.ts';

const namespace = 'keda';
const ports = { metrics: 8190, health: 8191, grpc: 9666, api: 6451, apiMetrics: 8192 };
const user = 'system:keda';
/** What its operator makes a certificate for, beside the Service of the API. */
const operatorService = 'keda-operator';
const processes = ['keda-operator', 'keda-adapter'];

/** Its own roles, given to a user instead of a service account. */
const bindings = [
  {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRoleBinding',
    metadata: { name: 'keda-operator' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'keda-operator' },
    subjects: [subject(user)],
  },
  {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'RoleBinding',
    metadata: { name: 'keda-operator', namespace },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'keda-operator' },
    subjects: [subject(user)],
  },
];

/**
 * Starts KEDA's operator and its metrics server, and waits until they give metrics; they end with what is given back, and all
 * ScaledObjects of the cluster with them. Its custom resource definitions have to be there (ci/testing/crds.ts).
 */
export async function startKeda(cluster: Cluster): Promise<ExternalMetrics> {
  const { node, kubectl } = cluster;
  const { layout } = node;
  const api = { name: 'keda-metrics-apiserver', namespace };
  const items = [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } },
    ...aggregation(layout, {
      // Its operator says whose certificates are to be taken.
      ...{ group: externalMetrics, service: api, port: ports.api, user, insecure: false },
    }),
    ...bindings,
  ];
  const input = JSON.stringify({ apiVersion: 'v1', kind: 'List', items });
  const roles = await ofKeda('rbac/role.yaml');
  // The roles' namespace comes first.
  await kubectl(['apply', '--server-side', '-f', '-'], { input });
  await kubectl(['apply', '--server-side', '-f', roles]);
  const end = async () => {
    for (const name of processes) await runInNode(node, endByPid(name));
  };
  const stop = async () => {
    await kubectl(['delete', 'scaledobjects', '--all', '--all-namespaces', '--wait=false']);
    await untilNoScaledObject(cluster);
    await end();
    await kubectl(['delete', '--ignore-not-found', '-f', roles]);
    await kubectl(['delete', '--ignore-not-found', '-f', '-'], { input });
  };
  const start = async (name: string, args: string[]): Promise<Component> =>
    startInNode(node, name, withPid(name, [await tool(name), ...args]), {
      KUBECONFIG: inNode('etc/keda.kubeconfig'),
      POD_NAMESPACE: namespace,
      KEDA_CLUSTER_OBJECT_NAMESPACE: namespace,
      WATCH_NAMESPACE: '',
    });
  const certificates = inNode('monitoring/keda');
  const address = (port: number) => `${layout.nodeAddress}:${port}`;
  const startOperator = () =>
    start('keda-operator', [
      '--enable-cert-rotation=true',
      '--enable-webhook-patching=false',
      `--cert-dir=${certificates}`,
      `--metrics-bind-address=${address(ports.metrics)}`,
      `--health-probe-bind-address=${address(ports.health)}`,
      `--metrics-service-bind-address=${address(ports.grpc)}`,
    ]);
  try {
    await writeCertificates(cluster, startOperator);
    const operator = await startOperator();
    const adapter = await start('keda-adapter', [
      `--secure-port=${ports.api}`,
      `--bind-address=${layout.nodeAddress}`,
      `--port=${ports.apiMetrics}`,
      `--metrics-service-address=${address(ports.grpc)}`,
      `--metrics-service-grpc-authority=${operatorService}.${namespace}.svc`,
      `--cert-dir=${certificates}`,
      `--client-ca-file=${certificates}/ca.crt`,
      `--tls-cert-file=${certificates}/tls.crt`,
      `--tls-private-key-file=${certificates}/tls.key`,
      ...['lister', 'authentication', 'authorization'].map(
        (use) => `--${use}-kubeconfig=${inNode('etc/keda.kubeconfig')}`,
      ),
    ]);
    await untilServed(cluster, [operator, adapter]);
  } catch (error) {
    await stop();
    throw error;
  }
  return { end, [Symbol.asyncDispose]: stop };
}

/**
 * Has the operator make its certificates, as it does when it is installed: it writes them to a Secret and ends, and finds that
 * Secret mounted when it is started again. What the kubelet would mount is written here.
 */
async function writeCertificates(cluster: Cluster, startOperator: () => Promise<Component>): Promise<void> {
  const { kubectl, node } = cluster;
  const read = async (): Promise<Record<string, string>> => {
    const secret = await kubectl(['--namespace', namespace, 'get', 'secret', 'kedaorg-certs', '--output=json']);
    return JSON.parse(secret).data ?? {};
  };
  const folder = path.join(node.layout.folder, 'monitoring/keda');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const there = await read().catch(() => ({}) as Record<string, string>);
  if (!there['tls.crt']) {
    const operator = await startOperator();
    const ended = await until(60_000, 250, () => operator.failure());
    if (!ended) throw new Error(`${cluster.name}: KEDA makes no certificates: ${logOf(node.layout, operator.name)}`);
  }
  const made = await read().catch(() => ({}) as Record<string, string>);
  for (const file of ['ca.crt', 'tls.crt', 'tls.key']) {
    if (!made[file]) throw new Error(`${cluster.name}: KEDA made no ${file}: ${logOf(node.layout, 'keda-operator')}`);
    writeFileSync(path.join(folder, file), Buffer.from(made[file], 'base64'), { mode: 0o600 });
  }
}

/** A ScaledObject goes when the operator lets it, and nobody does where that has ended. */
async function untilNoScaledObject({ kubectl }: Cluster): Promise<void> {
  const names = `jsonpath={range .items[*]}{.metadata.namespace}{" "}{.metadata.name}{"\\n"}{end}`;
  const left = async () => (await kubectl(['get', 'scaledobjects', '--all-namespaces', `--output=${names}`])).trim();
  if (await until(10_000, 500, async () => (await left()) === '')) return;
  for (const line of (await left()).split('\n')) {
    const [of, name] = line.split(' ') as [string, string];
    const patch = '{"metadata":{"finalizers":null}}';
    await kubectl(['--namespace', of, 'patch', 'scaledobject', name, '--type=merge', `--patch=${patch}`]);
  }
}
