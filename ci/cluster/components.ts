import { apiPort, blobsPort, clusterDomain, type Layout, nodeName } from './layout.ts';
import { type Component, inNode, type Node, startInNode } from './node.ts';
import { stretched } from './wait.ts';

const pki = (file: string): string => inNode('pki', file);
const kubeconfig = (client: string): string => inNode(`etc/${client}.kubeconfig`);

/** `{ 'a-b': 1 }` → `['--a-b=1']`. */
function flags(values: Record<string, string | number | boolean>): string[] {
  return Object.entries(values).map(([name, value]) => `--${name}=${value}`);
}

/** What the API server needs, and it: it waits for etcd by itself. */
export function startControlPlane(node: Node, { etcd, apiserver }: { etcd: string; apiserver: string }): Component[] {
  const { layout } = node;
  const store = startInNode(node, 'etcd', [
    etcd,
    ...flags({
      'data-dir': inNode('etcd'),
      'listen-client-urls': 'http://127.0.0.1:2379',
      'advertise-client-urls': 'http://127.0.0.1:2379',
      'listen-peer-urls': 'http://127.0.0.1:2380',
      'initial-advertise-peer-urls': 'http://127.0.0.1:2380',
      'initial-cluster': 'default=http://127.0.0.1:2380',
      // The cluster does not survive its node, so neither need its data.
      'unsafe-no-fsync': true,
      'log-level': 'warn',
    }),
  ]);
  const api = startInNode(node, 'kube-apiserver', [apiserver, ...flags(apiServerFlags(layout))]);
  return [store, api];
}

const apiServerFlags = (layout: Layout): Record<string, string | number | boolean> => ({
  'etcd-servers': 'http://127.0.0.1:2379',
  'advertise-address': layout.nodeAddress,
  'secure-port': apiPort,
  'service-cluster-ip-range': layout.serviceCidr,
  'authorization-mode': 'Node,RBAC',
  'enable-admission-plugins': 'NodeRestriction',
  'allow-privileged': true,
  'client-ca-file': pki('ca.crt'),
  'tls-cert-file': pki('serving.crt'),
  'tls-private-key-file': pki('serving.key'),
  'kubelet-certificate-authority': pki('ca.crt'),
  'kubelet-client-certificate': pki('apiserver.crt'),
  'kubelet-client-key': pki('apiserver.key'),
  'kubelet-preferred-address-types': 'InternalIP',
  'service-account-issuer': `https://kubernetes.default.svc.${clusterDomain}`,
  'service-account-key-file': pki('service-accounts.pub'),
  'service-account-signing-key-file': pki('service-accounts.key'),
  // The aggregation layer, which metrics-server and adapters of external metrics stand behind.
  'proxy-client-cert-file': pki('front-proxy.crt'),
  'proxy-client-key-file': pki('front-proxy.key'),
  'requestheader-client-ca-file': pki('front-proxy-ca.crt'),
  'requestheader-allowed-names': 'front-proxy-client',
  'requestheader-extra-headers-prefix': 'X-Remote-Extra-',
  'requestheader-group-headers': 'X-Remote-Group',
  'requestheader-username-headers': 'X-Remote-User',
  profiling: false,
});

/** What exits unless the API server answers. */
export function startControllers(node: Node): Component[] {
  const { layout } = node;
  const client = (name: string) => ({
    kubeconfig: kubeconfig(name),
    'authentication-kubeconfig': kubeconfig(name),
    'authorization-kubeconfig': kubeconfig(name),
    'bind-address': '127.0.0.1',
    'leader-elect': false,
    profiling: false,
  });
  return [
    startInNode(node, 'kube-controller-manager', [
      'kube-controller-manager',
      ...flags({
        ...client('kube-controller-manager'),
        'use-service-account-credentials': true,
        'root-ca-file': pki('ca.crt'),
        'service-account-private-key-file': pki('service-accounts.key'),
        'cluster-signing-cert-file': pki('ca.crt'),
        'cluster-signing-key-file': pki('ca.key'),
        'service-cluster-ip-range': layout.serviceCidr,
        // A scale-up is to be seen within a test's patience; how long a scale-down waits is the autoscaler's own setting.
        'horizontal-pod-autoscaler-sync-period': '3s',
        'horizontal-pod-autoscaler-cpu-initialization-period': '10s',
        'horizontal-pod-autoscaler-initial-readiness-delay': '5s',
        'node-monitor-grace-period': `${stretched(50)}s`,
      }),
    ]),
    startInNode(node, 'kube-scheduler', ['kube-scheduler', ...flags(client('kube-scheduler'))]),
  ];
}

/** The node's own part: its runtime does not need the API server, the rest does. */
export const startRuntime = (node: Node): Component =>
  startInNode(node, 'containerd', ['containerd', '--config', inNode('etc/containerd.toml')]);

export function startNodeAgents(node: Node): Component[] {
  const { layout } = node;
  return [
    startInNode(node, 'kubelet', [
      'kubelet',
      ...flags({
        config: inNode('etc/kubelet.yaml'),
        kubeconfig: kubeconfig('kubelet'),
        'hostname-override': nodeName,
        'node-ip': layout.nodeAddress,
        'root-dir': inNode('kubelet'),
        'cert-dir': inNode('kubelet/pki'),
        'node-labels': 'topology.kubernetes.io/region=local,topology.kubernetes.io/zone=local-a',
      }),
    ]),
    startInNode(node, 'kube-proxy', ['kube-proxy', ...flags({ config: inNode('etc/kube-proxy.yaml') })]),
  ];
}

/** What a managed cluster runs in kube-system: here processes of the node, with the addresses that addons.ts gives them. */
export function startAddons(node: Node): Component[] {
  const { layout } = node;
  const metrics = kubeconfig('metrics-server');
  return [
    startInNode(node, 'coredns', ['coredns', '-conf', inNode('etc/Corefile')]),
    startInNode(node, 'metrics-server', [
      'metrics-server',
      ...flags({
        kubeconfig: metrics,
        'authentication-kubeconfig': metrics,
        'authorization-kubeconfig': metrics,
        'bind-address': layout.nodeAddress,
        'secure-port': metricsPort,
        'tls-cert-file': pki('metrics-serving.crt'),
        'tls-private-key-file': pki('metrics-serving.key'),
        'kubelet-certificate-authority': pki('ca.crt'),
        'kubelet-preferred-address-types': 'InternalIP',
        'metric-resolution': `${stretched(10)}s`,
        'kubelet-request-timeout': `${stretched(5)}s`,
      }),
    ]),
    startInNode(node, 'provisioner', [
      'provisioner',
      ...flags({ kubeconfig: kubeconfig('provisioner'), root: inNode('volumes') }),
    ]),
  ];
}

/** Where metrics-server listens on the node's address. */
export const metricsPort = 4443;

/** The model registry, and the plain files that it redirects to. */
export function startRegistry(node: Node): Component[] {
  return [
    startInNode(node, 'registry', ['registry', 'serve', inNode('etc/registry.yaml')], { OTEL_TRACES_EXPORTER: 'none' }),
    startInNode(node, 'blobs', ['blobs', `${node.layout.nodeAddress}:${blobsPort}`, inNode('registry')]),
  ];
}
