import { mkdirSync, statfsSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { cgroupRoot } from './cgroups.ts';
import { blobsPort, clusterDomain, type Layout, nodeName, registry, registryHost, registryPort } from './layout.ts';
import { inNode } from './node.ts';
import { type Client, nodeKubeconfig } from './pki.ts';
import { stretched } from './wait.ts';

/** The image of every pod's sandbox, made of our own `pause`. */
export const pauseImage = 'model-management.local/pause:1';

/** overlayfs cannot be stacked on the overlayfs that a container's own root is. */
export function snapshotter(folder: string): 'overlayfs' | 'native' {
  const overlayMagic = 0x794c7630;
  return statfsSync(folder).type === overlayMagic ? 'native' : 'overlayfs';
}

/** Writes the configuration files of every component into the cluster's folder `etc`. */
export function writeConfiguration(layout: Layout): void {
  const etc = path.join(layout.folder, 'etc');
  const files: Record<string, string | object> = {
    'containerd.toml': containerd(layout),
    [`registries/${registry}/hosts.toml`]: registryHosts(layout),
    'cni/10-node.conflist': cni(layout),
    'resolv.conf': '',
    'kubelet.yaml': kubelet(layout),
    'kube-proxy.yaml': kubeProxy(layout),
    Corefile: corefile(layout),
    'registry.yaml': modelRegistry(layout),
  };
  const clients: Client[] = [
    'kube-controller-manager',
    'kube-scheduler',
    'kube-proxy',
    'kubelet',
    'coredns',
    'metrics-server',
    'provisioner',
    'prometheus',
    'kube-state-metrics',
    'prometheus-adapter',
    'kube-router',
    'keda',
  ];
  for (const client of clients) files[`${client}.kubeconfig`] = nodeKubeconfig(layout, client);
  for (const [name, content] of Object.entries(files)) {
    const file = path.join(etc, name);
    mkdirSync(path.dirname(file), { recursive: true });
    // JSON is YAML to all that reads these.
    writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content, null, 2));
  }
}

function containerd(layout: Layout): string {
  const cri = 'io.containerd.cri.v1';
  return `version = 3
root = '${inNode('containerd')}'
state = '/run/containerd'
disabled_plugins = ['io.containerd.nri.v1.nri', 'io.containerd.internal.v1.opt', 'io.containerd.image-verifier.v1.bindir']

[plugins.'${cri}.images']
snapshotter = '${snapshotter(layout.folder)}'
[plugins.'${cri}.images'.pinned_images]
sandbox = '${pauseImage}'
[plugins.'${cri}.images'.registry]
config_path = '${inNode('etc/registries')}'

[plugins.'${cri}.runtime']
# The host's policy modules are the host's: loading a profile there would outlive the cluster.
disable_apparmor = true
# Where this machine is a container itself, a score below its own may not be set.
restrict_oom_score_adj = true
[plugins.'${cri}.runtime'.containerd.runtimes.runc]
runtime_type = 'io.containerd.runc.v2'
[plugins.'${cri}.runtime'.containerd.runtimes.runc.options]
SystemdCgroup = false
[plugins.'${cri}.runtime'.cni]
bin_dirs = ['/usr/lib/cni', '/opt/cni/bin']
conf_dir = '${inNode('etc/cni')}'

[plugins.'io.containerd.metadata.v1.bolt']
# Nobody reads any of this after the cluster.
no_sync = true
`;
}

const registryHosts = (layout: Layout): string => `server = 'http://${layout.nodeAddress}:${registryPort}'
[host.'http://${layout.nodeAddress}:${registryPort}']
capabilities = ['pull', 'resolve', 'push']
`;

// ptp gives each pod a link of its own: a bridge would need the kernel's br_netfilter for services to work.
const cni = (layout: Layout): object => ({
  cniVersion: '1.0.0',
  name: 'node',
  plugins: [
    {
      type: 'ptp',
      ipMasq: false,
      ipam: {
        type: 'host-local',
        ranges: [[{ subnet: layout.podCidr }]],
        routes: [{ dst: '0.0.0.0/0' }],
        dataDir: '/run/cni',
      },
    },
  ],
});

const kubelet = (layout: Layout): object => ({
  apiVersion: 'kubelet.config.k8s.io/v1beta1',
  kind: 'KubeletConfiguration',
  address: layout.nodeAddress,
  authentication: {
    anonymous: { enabled: false },
    webhook: { enabled: true },
    x509: { clientCAFile: inNode('pki/ca.crt') },
  },
  authorization: { mode: 'Webhook' },
  tlsCertFile: inNode('pki/kubelet-serving.crt'),
  tlsPrivateKeyFile: inNode('pki/kubelet-serving.key'),
  containerRuntimeEndpoint: 'unix:///run/containerd/containerd.sock',
  cgroupDriver: 'cgroupfs',
  cgroupRoot: cgroupRoot(layout.name),
  failCgroupV1: false,
  failSwapOn: false,
  // They read as the kubelet wants them: see node.ts.
  protectKernelDefaults: true,
  makeIPTablesUtilChains: false,
  clusterDNS: [layout.dnsAddress],
  clusterDomain,
  resolvConf: inNode('etc/resolv.conf'),
  podLogsDir: inNode('pods'),
  volumePluginDir: inNode('volume-plugins'),
  maxPods: 250,
  enforceNodeAllocatable: [],
  // The host's disk may well be fuller than a node's should be: that is not what is tested here.
  evictionHard: { 'memory.available': '100Mi', 'nodefs.available': '1%', 'imagefs.available': '1%' },
  imageGCHighThresholdPercent: 100,
  // What changes in the API shows in pods within seconds, and a test needs not wait for it.
  syncFrequency: '3s',
  // It is how long the kubelet waits for an answer, too.
  nodeStatusUpdateFrequency: `${stretched(4)}s`,
  // How full volumes are, likewise.
  volumeStatsAggPeriod: '5s',
  nodeStatusReportFrequency: `${stretched(10)}s`,
  runtimeRequestTimeout: `${stretched(120)}s`,
  // Else an image that was brought by hand has to be pulled as soon as the same one was pulled by another name.
  imagePullCredentialsVerificationPolicy: 'NeverVerify',
  serializeImagePulls: false,
  registryPullQPS: 0,
  eventRecordQPS: 0,
  kubeAPIQPS: 100,
  kubeAPIBurst: 200,
});

const kubeProxy = (layout: Layout): object => ({
  apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
  kind: 'KubeProxyConfiguration',
  mode: 'nftables',
  clientConnection: { kubeconfig: inNode('etc/kube-proxy.kubeconfig') },
  hostnameOverride: nodeName,
  clusterCIDR: layout.podCidr,
  bindAddress: layout.nodeAddress,
  healthzBindAddress: `${layout.nodeAddress}:10256`,
  metricsBindAddress: '127.0.0.1:10249',
  // These are the host's: a network namespace may only read them.
  conntrack: { maxPerCore: 0, min: 0, tcpEstablishedTimeout: '0s', tcpCloseWaitTimeout: '0s' },
  nftables: { minSyncPeriod: '100ms', syncPeriod: '30s' },
});

const corefile = (layout: Layout): string => `${clusterDomain}:53 in-addr.arpa:53 {
  bind ${layout.nodeAddress}
  errors
  kubernetes ${clusterDomain} in-addr.arpa {
    kubeconfig ${inNode('etc/coredns.kubeconfig')}
    pods insecure
    ttl 2
  }
}
${registryHost}:53 {
  bind ${layout.nodeAddress}
  errors
  hosts {
    ${layout.nodeAddress} ${registryHost}
  }
}
.:53 {
  bind ${layout.nodeAddress}
  errors
  # There is no world out there: say so at once instead of letting clients time out.
  template ANY ANY {
    rcode NXDOMAIN
  }
}
`;

const modelRegistry = (layout: Layout): object => ({
  version: 0.1,
  log: { level: 'warn' },
  storage: { filesystem: { rootdirectory: inNode('registry') }, delete: { enabled: true } },
  // See registry.ts: Ollama takes a blob only from another host than the one that it asked.
  middleware: { storage: [{ name: 'redirect', options: { baseurl: `http://${layout.nodeAddress}:${blobsPort}` } }] },
  http: { addr: `${layout.nodeAddress}:${registryPort}` },
});
