import type { SystemTool } from './packages.ts';

/**
 * Every tool of the project that is not one of its npm packages, by the family that is built together. Versions are those
 * of each family's go.mod (or requirements.txt, or package-lock.json): they are stated nowhere else.
 */

export interface Tool {
  /** Where the family's build leaves it, from the family's folder in the cache. */
  file: string;
  /** The module (or package of Python or npm) whose version it has. */
  module: string;
}

interface FamilyBase {
  /** Minutes a build takes on two cores from empty caches: what the progress line announces. */
  minutes: number;
  tools: Record<string, Tool>;
}

export interface GoFamily extends FamilyBase {
  kind: 'go';
  /** What `go build` gets, beside the tools that go.mod names. */
  packages: readonly string[];
  /** Build tags: of what a tool can do, that which is needed here. */
  tags?: readonly string[];
  cgo: boolean;
  /** The C libraries that it is linked with, and what finds them. */
  libraries?: readonly SystemTool[];
  /** Linker variables; `{module}` stands for the version of that module in go.mod. */
  variables?: Record<string, string>;
  /** What `go build` names otherwise than we do: from → to. */
  renames?: Record<string, string>;
  /** Further names of one file, for what acts by the name it is called by. */
  links?: Record<string, readonly string[]>;
  /** GOEXPERIMENT, of what does not build without. */
  experiment?: string;
}

export interface PythonFamily extends FamilyBase {
  kind: 'python';
}

export interface NpmFamily extends FamilyBase {
  kind: 'npm';
}

export type Family = GoFamily | PythonFamily | NpmFamily;

const kube = ['kube-apiserver', 'kube-controller-manager', 'kube-scheduler', 'kubelet', 'kube-proxy', 'kubectl'];
const kubernetes = 'k8s.io/kubernetes';
const kubeVersion = 'k8s.io/component-base/version';

const bin = (name: string, module: string): Record<string, Tool> => ({ [name]: { file: `bin/${name}`, module } });

export const families = {
  cluster: {
    kind: 'go',
    minutes: 12,
    packages: ['./kube', './provisioner', './blobs', 'tool'],
    // Prometheus finds its targets by Kubernetes and DNS: the libraries of every cloud would take as long to build as all the rest.
    tags: ['remove_all_sd', 'enable_kubernetes_sd', 'enable_dns_sd'],
    cgo: false,
    variables: {
      [`${kubeVersion}.gitVersion`]: `{${kubernetes}}`,
      [`${kubeVersion}.gitMajor`]: `{${kubernetes}:major}`,
      [`${kubeVersion}.gitMinor`]: `{${kubernetes}:minor}`,
      [`${kubeVersion}.gitTreeState`]: 'clean',
      'helm.sh/helm/v4/internal/version.version': '{helm.sh/helm/v4}',
    },
    renames: { server: 'etcd' },
    links: { kube },
    tools: {
      ...Object.assign({}, ...kube.map((name) => bin(name, kubernetes))),
      ...bin('helm', 'helm.sh/helm/v4'),
      ...bin('etcd', 'go.etcd.io/etcd/server/v3'),
      ...bin('containerd', 'github.com/containerd/containerd/v2'),
      ...bin('containerd-shim-runc-v2', 'github.com/containerd/containerd/v2'),
      ...bin('ctr', 'github.com/containerd/containerd/v2'),
      ...bin('coredns', 'github.com/coredns/coredns'),
      ...bin('metrics-server', 'sigs.k8s.io/metrics-server'),
      ...bin('prometheus', 'github.com/prometheus/prometheus'),
      ...bin('promtool', 'github.com/prometheus/prometheus'),
      ...bin('registry', 'github.com/distribution/distribution/v3'),
      ...bin('provisioner', 'sigs.k8s.io/sig-storage-lib-external-provisioner/v13'),
      ...bin('blobs', 'model-management/ci/tools/cluster'),
      ...bin('pause', 'model-management/ci/tools/cluster'),
    },
  },
  helm3: {
    kind: 'go',
    minutes: 5,
    packages: ['tool'],
    cgo: false,
    variables: {
      'helm.sh/helm/v3/internal/version.version': '{helm.sh/helm/v3}',
      // Without these Helm 3 takes every chart for one that is rendered for Kubernetes 1.20.
      'helm.sh/helm/v3/pkg/chartutil.k8sVersionMajor': '1',
      'helm.sh/helm/v3/pkg/chartutil.k8sVersionMinor': '{k8s.io/client-go:minor}',
      'helm.sh/helm/v3/pkg/lint/rules.k8sVersionMajor': '1',
      'helm.sh/helm/v3/pkg/lint/rules.k8sVersionMinor': '{k8s.io/client-go:minor}',
      'github.com/helm/chart-testing/v3/ct/cmd.Version': '{github.com/helm/chart-testing/v3}',
      'github.com/databus23/helm-diff/v3/cmd.Version': '{github.com/databus23/helm-diff/v3}',
    },
    renames: { helm: 'helm3' },
    tools: {
      ...bin('helm3', 'helm.sh/helm/v3'),
      ...bin('ct', 'github.com/helm/chart-testing/v3'),
      ...bin('helm-diff', 'github.com/databus23/helm-diff/v3'),
    },
  },
  // What watches the cluster and does not build with its libraries. They are those of helm3: Go builds them but once.
  monitoring: {
    kind: 'go',
    minutes: 2,
    packages: ['tool'],
    cgo: false,
    tools: {
      ...bin('kube-state-metrics', 'k8s.io/kube-state-metrics/v2'),
      ...bin('alertmanager', 'github.com/prometheus/alertmanager'),
      ...bin('amtool', 'github.com/prometheus/alertmanager'),
    },
  },
  // Nodes that are not there, for what the scheduler does with a fleet of full size.
  nodes: {
    kind: 'go',
    minutes: 2,
    packages: ['tool'],
    cgo: false,
    tools: bin('kwok', 'sigs.k8s.io/kwok'),
  },
  // What buys such nodes for pods that have none. It does not build with the libraries of any other family.
  karpenter: {
    kind: 'go',
    minutes: 3,
    packages: ['tool'],
    cgo: false,
    renames: { kwok: 'karpenter-kwok' },
    tools: bin('karpenter-kwok', 'sigs.k8s.io/karpenter'),
  },
  // It gives what Prometheus records to autoscalers, as external metrics.
  adapter: {
    kind: 'go',
    minutes: 4,
    packages: ['tool'],
    cgo: false,
    renames: { adapter: 'prometheus-adapter' },
    tools: bin('prometheus-adapter', 'sigs.k8s.io/prometheus-adapter'),
  },
  // What reads NetworkPolicies and says who reaches whom, and what enforces them on the cluster. Their libraries are those of helm3.
  policies: {
    kind: 'go',
    minutes: 2,
    packages: ['./reach', 'tool'],
    cgo: false,
    tools: {
      ...bin('reach', 'github.com/mattfenwick/cyclonus'),
      ...bin('kube-router', 'github.com/cloudnativelabs/kube-router/v2'),
    },
  },
  // Instead of the adapter, where ScaledObjects are wanted. For extended tests alone, for it takes long.
  keda: {
    kind: 'go',
    minutes: 13,
    packages: ['tool'],
    cgo: false,
    variables: { 'github.com/kedacore/keda/v2/version.Version': '{github.com/kedacore/keda/v2:plain}' },
    renames: { operator: 'keda-operator', adapter: 'keda-adapter' },
    tools: {
      ...bin('keda-operator', 'github.com/kedacore/keda/v2'),
      ...bin('keda-adapter', 'github.com/kedacore/keda/v2'),
    },
  },
  // Who makes Secrets of what a store has. For extended tests alone.
  'external-secrets': {
    kind: 'go',
    minutes: 12,
    packages: ['tool'],
    cgo: false,
    tools: bin('external-secrets', 'github.com/external-secrets/external-secrets'),
  },
  // Who serves Ingresses and HTTPRoutes. For extended tests alone.
  runtime: {
    kind: 'go',
    minutes: 1,
    packages: ['tool'],
    tags: ['seccomp'],
    cgo: true,
    libraries: ['/usr/include/seccomp.h', 'pkg-config'],
    tools: bin('runc', 'github.com/opencontainers/runc'),
  },
  'oauth2-proxy': {
    kind: 'go',
    minutes: 3,
    packages: ['tool'],
    cgo: false,
    tools: bin('oauth2-proxy', 'github.com/oauth2-proxy/oauth2-proxy/v7'),
  },
  traefik: {
    kind: 'go',
    minutes: 12,
    packages: ['tool'],
    cgo: false,
    variables: { 'github.com/traefik/traefik/v3/pkg/version.Version': '{github.com/traefik/traefik/v3:plain}' },
    tools: bin('traefik', 'github.com/traefik/traefik/v3'),
  },
  ollama: {
    kind: 'go',
    minutes: 3,
    packages: ['tool'],
    cgo: true,
    variables: { 'github.com/ollama/ollama/version.Version': '{github.com/ollama/ollama:plain}' },
    tools: bin('ollama', 'github.com/ollama/ollama'),
  },
  python: {
    kind: 'python',
    minutes: 1,
    tools: { ...bin('yamllint', 'yamllint'), ...bin('yamale', 'yamale') },
  },
  bench: {
    kind: 'go',
    minutes: 1,
    packages: ['./fake-ollama', './stream-load', 'tool'],
    cgo: false,
    variables: { 'main.Version': '{github.com/tsenart/vegeta/v12}' },
    tools: {
      ...bin('vegeta', 'github.com/tsenart/vegeta/v12'),
      ...bin('fake-ollama', 'model-management/ci/tools/bench'),
      ...bin('stream-load', 'model-management/ci/tools/bench'),
    },
  },
  // What brings the project to a cluster without Helm's own commands, and judges its workflows.
  delivery: {
    kind: 'go',
    minutes: 1,
    packages: ['tool'],
    cgo: false,
    variables: {
      'sigs.k8s.io/kustomize/api/provenance.version': '{sigs.k8s.io/kustomize/kustomize/v5}',
      'github.com/rhysd/actionlint.version': '{github.com/rhysd/actionlint:plain}',
    },
    tools: {
      ...bin('kustomize', 'sigs.k8s.io/kustomize/kustomize/v5'),
      ...bin('actionlint', 'github.com/rhysd/actionlint'),
    },
  },
  // What signs a release. For extended tests and workflows alone, for it takes long.
  signing: {
    kind: 'go',
    minutes: 8,
    packages: ['tool'],
    cgo: false,
    tools: bin('cosign', 'github.com/sigstore/cosign/v3'),
  },
  // What looks for mistakes in configuration and images. For extended tests and workflows alone, for it takes long.
  trivy: {
    kind: 'go',
    minutes: 25,
    packages: ['tool'],
    cgo: false,
    variables: { 'github.com/aquasecurity/trivy/pkg/version/app.ver': '{github.com/aquasecurity/trivy:plain}' },
    experiment: 'jsonv2',
    tools: bin('trivy', 'github.com/aquasecurity/trivy'),
  },
  // What backups are made with, where it is not an image of its own.
  backup: {
    kind: 'go',
    minutes: 2,
    packages: ['tool'],
    cgo: false,
    variables: { 'main.version': '{github.com/restic/restic:plain}' },
    tools: bin('restic', 'github.com/restic/restic'),
  },
  // Where backups go to, but for a claim: what serves S3, and what stands for Google's storage.
  stores: {
    kind: 'go',
    minutes: 3,
    packages: ['./rclone', 'tool'],
    cgo: false,
    tools: {
      ...bin('rclone', 'github.com/rclone/rclone'),
      ...bin('fake-gcs-server', 'github.com/fsouza/fake-gcs-server'),
    },
  },
  // What stands for Azure's storage.
  azurite: {
    kind: 'npm',
    minutes: 2,
    tools: { azurite: { file: 'node_modules/.bin/azurite-blob', module: 'azurite' } },
  },
  // What the planner's figures of memory are held against.
  gguf: {
    kind: 'go',
    minutes: 1,
    packages: ['./estimate'],
    cgo: false,
    renames: { estimate: 'gguf-estimate' },
    tools: bin('gguf-estimate', 'github.com/gpustack/gguf-parser-go'),
  },
  litellm: {
    kind: 'python',
    minutes: 2,
    tools: bin('litellm', 'litellm'),
  },
  // Packages for scripts of python3, in the folder `lib` of the family: no commands.
  clients: {
    kind: 'python',
    minutes: 1,
    tools: {},
  },
  // Started as a module of python3: it has no command of its own.
  checkov: {
    kind: 'python',
    minutes: 1,
    tools: {},
  },
  // A client that is larger than all of the project's own packages, for one test.
  continue: {
    kind: 'npm',
    minutes: 1,
    tools: { cn: { file: 'node_modules/.bin/cn', module: '@continuedev/cli' } },
  },
} as const satisfies Record<string, Family>;

export type FamilyName = keyof typeof families;
export const familyNames = Object.keys(families) as FamilyName[];

/** The family that a tool is of. */
export function familyOf(tool: string): FamilyName {
  const name = familyNames.find((family) => Object.hasOwn(families[family].tools, tool));
  if (name) return name;
  const known = familyNames.flatMap((family) => Object.keys(families[family].tools)).sort();
  throw new Error(`${tool}: no such tool: it is one of ${known.join(', ')}`);
}
