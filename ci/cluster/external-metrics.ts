import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { parse } from 'yaml';
import { root } from '../tools/paths.ts';
import { tool } from '../tools/tools.ts';
import type { Cluster } from './cluster.ts';
import { endByPid, withPid } from './monitoring.ts';
import { inNode, logOf, runInNode, startInNode } from './node.ts';
import { until } from './wait.ts';

const name = 'prometheus-adapter';
const port = 6450;
const group = 'external.metrics.k8s.io';

/** prometheus-adapter as a process of the node, behind the API of external metrics. */
export interface ExternalMetrics extends AsyncDisposable {
  /** Ends it, and leaves the API without anybody who answers. */
  end(): Promise<void>;
}

/** The rules of docs/autoscaling.md: what is said there is what is tried here. */
function documentedRules(): object {
  const text = readFileSync(path.join(root, 'docs/autoscaling.md'), 'utf8');
  const block = [...text.matchAll(/```yaml\n(.*?)```/gs)].find(([, yaml]) => yaml!.startsWith('externalRules:'));
  return parse(block![1]!);
}

/** Starts it for a Prometheus and waits until it gives metrics; it ends with what is given back. */
export async function startExternalMetrics(cluster: Cluster, prometheus: string): Promise<ExternalMetrics> {
  const { node, kubectl } = cluster;
  const { layout } = node;
  const folder = path.join(layout.folder, 'monitoring');
  mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(folder, `${name}.yaml`), JSON.stringify(documentedRules()));
  // It ends when it may not read what it is to ask with.
  const input = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: manifests(layout.nodeAddress) });
  await kubectl(['apply', '--server-side', '-f', '-'], { input });
  const kubeconfig = inNode(`etc/${name}.kubeconfig`);
  const component = startInNode(
    node,
    name,
    withPid(name, [
      await tool(name),
      `--config=${inNode(`monitoring/${name}.yaml`)}`,
      `--prometheus-url=${prometheus}`,
      // What is recorded for the first time is seen a moment later.
      '--metrics-relist-interval=2s',
      // As long as Prometheus itself remembers a series that is no more, as the default of ten minutes does.
      '--metrics-max-age=10m',
      `--lister-kubeconfig=${kubeconfig}`,
      `--authentication-kubeconfig=${kubeconfig}`,
      `--authorization-kubeconfig=${kubeconfig}`,
      `--bind-address=${layout.nodeAddress}`,
      `--secure-port=${port}`,
      `--cert-dir=${inNode('monitoring', name)}`,
    ]),
  );
  const end = async () => void (await runInNode(node, endByPid(name)));
  const stop = async () => {
    await end();
    await kubectl(['delete', '--ignore-not-found', '-f', '-'], { input });
  };
  const up = await until(60_000, 500, async () => {
    const failure = component.failure();
    if (failure) throw new Error(failure);
    const { resources } = JSON.parse(
      await kubectl(['get', '--raw', `/apis/${group}/v1beta1`]).catch(() => '{"resources":[]}'),
    ) as { resources: object[] };
    return resources.length > 0;
  });
  if (!up) {
    await stop();
    throw new Error(`${cluster.name}: ${name}: gives no metrics after a minute: ${logOf(layout, name)}`);
  }
  return { end, [Symbol.asyncDispose]: stop };
}

/** The API service, the way to the process, and its rights. */
function manifests(address: string): object[] {
  const metadata = { name, namespace: 'kube-system' };
  const rbac = 'rbac.authorization.k8s.io';
  const subjects = [{ apiGroup: rbac, kind: 'User', name: `system:${name}` }];
  return [
    { apiVersion: 'v1', kind: 'Service', metadata, spec: { ports: [{ name: 'https', port: 443, targetPort: port }] } },
    {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { ...metadata, labels: { 'kubernetes.io/service-name': name } },
      addressType: 'IPv4',
      ports: [{ name: 'https', protocol: 'TCP', port }],
      endpoints: [{ addresses: [address], conditions: { ready: true } }],
    },
    {
      apiVersion: 'apiregistration.k8s.io/v1',
      kind: 'APIService',
      metadata: { name: `v1beta1.${group}` },
      spec: {
        ...{ group, version: 'v1beta1', groupPriorityMinimum: 100, versionPriority: 100 },
        // Its certificate is one that it made itself.
        insecureSkipTLSVerify: true,
        service: { name, namespace: 'kube-system' },
      },
    },
    {
      apiVersion: `${rbac}/v1`,
      kind: 'ClusterRoleBinding',
      metadata: { name: `model-management:${name}` },
      roleRef: { apiGroup: rbac, kind: 'ClusterRole', name: 'system:auth-delegator' },
      subjects,
    },
    {
      apiVersion: `${rbac}/v1`,
      kind: 'RoleBinding',
      metadata,
      roleRef: { apiGroup: rbac, kind: 'Role', name: 'extension-apiserver-authentication-reader' },
      subjects,
    },
  ];
}
