import type { Commands } from '../commands.ts';
import { type Check, type Finding, note, ok } from '../finding.ts';
import { conditionOf, type Node } from '../kubernetes.ts';
import type { Look } from '../look.ts';
import { counted, listed, oneLine } from '../words.ts';

/** Whether the cluster's version is at least 1.`minor`. */
export function atLeast(version: string, minor: number): boolean {
  const [, major = '0', found = '0'] = /^v?(\d+)\.(\d+)/.exec(version) ?? [];
  return Number(major) > 1 || Number(found) >= minor;
}

const kubernetes: Check = {
  name: 'Kubernetes',
  group: 'cluster',
  judge: (look) => {
    const { version, commands } = look;
    if (!atLeast(version, 29)) {
      const why = 'the agents are native sidecars, which are on from 1.29';
      return [
        {
          level: 'problem',
          what: `${version}: the chart needs 1.29 or later`,
          why,
          fixes: [{ to: 'see which versions the nodes have, and upgrade', run: commands.cluster('get', 'nodes') }],
        },
      ];
    }
    return [ok(`${version}; the chart needs 1.29 or later`), ...imageVolumes(look), ...scaleToNone(look)];
  },
};

/** The cache mode `image` on a cluster that may not know such volumes. */
function imageVolumes({ version, servers, commands }: Look): Finding[] {
  if (atLeast(version, 35)) return [];
  const names = servers.filter(({ cache }) => cache === 'image').map(({ name }) => name);
  if (names.length === 0) return [];
  return [
    {
      level: 'problem',
      what: `${listed(names)}: cache.mode image needs Kubernetes 1.35 or later, and this is ${version}`,
      why: 'the pods cannot mount the image that holds their models',
      fixes: [
        {
          to: 'pull the models to a claim instead',
          run: commands.set([['servers', names[0]!, 'cache', 'mode'], 'ephemeral']),
        },
      ],
    },
  ];
}

/** Servers that may have no pod need something that brings the first one back. */
function scaleToNone({ version, servers, apiGroups, commands }: Look): Finding[] {
  const names = servers.filter(({ min, autoscaler }) => min === 0 && !autoscaler).map(({ name }) => name);
  if (names.length === 0 || apiGroups.includes('keda.sh')) return [];
  return [
    {
      level: 'warning',
      what: `${listed(names)}: replicas.min is 0, and no scaler is there`,
      why: 'without pods, their requests wait until somebody scales them up by hand',
      fixes: [
        {
          to: atLeast(version, 37)
            ? 'make a HorizontalPodAutoscaler for it, or install KEDA'
            : `install KEDA; a HorizontalPodAutoscaler goes to none from Kubernetes 1.37, and this is ${version}`,
          run: commands.install('keda', 'keda', 'https://kedacore.github.io/charts', 'keda'),
        },
        { to: 'or keep a pod', run: commands.set([['servers', names[0]!, 'replicas', 'min'], 1]) },
      ],
      more: 'docs/operations.md#servers-that-scale-to-none',
    },
  ];
}

const pressures = ['MemoryPressure', 'DiskPressure', 'PIDPressure'];

const nodes: Check = {
  name: 'nodes',
  group: 'cluster',
  needs: ['nodes'],
  judge: (look) => {
    const all = look.list('nodes');
    const { commands } = look;
    const isReady = (node: Node) => conditionOf(node.status.conditions, 'Ready')?.status === 'True';
    const ready = all.filter(isReady);
    const findings: Finding[] = all
      .filter((node) => !isReady(node))
      .map((node) => {
        const condition = conditionOf(node.status.conditions, 'Ready');
        return {
          level: 'warning',
          what: `${node.metadata.name} is not ready: ${oneLine(condition?.message ?? 'it says nothing')}`,
          why: 'its pods are not served, and after five minutes they are made anew elsewhere, with their downloads and loads',
          fixes: [{ to: 'see what it says', run: commands.cluster('describe', 'node', node.metadata.name) }],
        };
      });
    for (const node of ready) {
      const under = pressures.filter((type) => conditionOf(node.status.conditions, type)?.status === 'True');
      if (under.length === 0) continue;
      findings.push({
        level: 'warning',
        what: `${node.metadata.name} is short of resources: ${under.join(', ')}`,
        why: 'it takes no new pods, and evicts some that it has',
        fixes: [{ to: 'see what uses them', run: commands.cluster('describe', 'node', node.metadata.name) }],
      });
    }
    const cordoned = all.filter(({ spec }) => spec.unschedulable).map(({ metadata }) => metadata.name);
    const rest = cordoned.length > 0 ? `; ${listed(cordoned)} cordoned, which takes no new pods` : '';
    if (ready.length === 0) {
      return [
        ...findings,
        {
          level: 'problem',
          what: 'no node is ready',
          why: 'no pod can run',
          fixes: [{ to: 'see them', run: commands.cluster('get', 'nodes') }],
        },
      ];
    }
    return [ok(`${ready.length} of ${all.length} ready${rest}`), ...findings];
  },
};

const dns: Check = {
  name: 'DNS',
  group: 'cluster',
  judge: ({ dns: found, commands }) => {
    if (!found) return [{ level: 'unknown', what: 'not looked at: you may not read kube-system' }];
    if (!found.service) return [note('kube-system has no Service kube-dns: another DNS is not looked at')];
    if (found.ready > 0) return [ok(`kube-dns has ${counted(found.ready, 'ready endpoint')}`)];
    return [
      {
        level: 'problem',
        what: 'kube-dns has no ready endpoint',
        why: 'gateways find no server, and downloads no registry',
        fixes: [
          { to: 'see its pods', run: commands.cluster('-n', 'kube-system', 'get', 'pods', '-l', 'k8s-app=kube-dns') },
          {
            to: 'and their log',
            run: commands.cluster('-n', 'kube-system', 'logs', '-l', 'k8s-app=kube-dns', '--tail=20'),
          },
        ],
      },
    ];
  },
};

const metricsApi: Check = {
  name: 'metrics API',
  group: 'cluster',
  judge: (look) => {
    if (!look.problemOf('podmetrics')) return [ok('metrics.k8s.io answers')];
    const service = look.list('apiservices').find(({ metadata }) => metadata.name === 'v1beta1.metrics.k8s.io');
    const condition = conditionOf(service?.status?.conditions, 'Available');
    const scaled = look.ours('horizontalpodautoscalers').map(({ metadata }) => metadata.name);
    const what = service
      ? `metrics.k8s.io does not answer: ${oneLine(condition?.message ?? 'its APIService says nothing')}`
      : 'nothing serves metrics.k8s.io';
    if (scaled.length === 0) return [note(`${what}; no autoscaler needs it, but memory is not looked at`)];
    return [
      {
        level: 'problem',
        what,
        why: `the autoscalers of ${listed(scaled)} do nothing`,
        fixes: [
          service
            ? {
                to: 'see what serves it',
                run: look.commands.cluster('-n', 'kube-system', 'get', 'pods', '-l', 'k8s-app=metrics-server'),
              }
            : {
                to: 'install metrics-server',
                run: look.commands.install(
                  'metrics-server',
                  'metrics-server',
                  'https://kubernetes-sigs.github.io/metrics-server',
                  'kube-system',
                ),
              },
          {
            to: 'or do without autoscaling',
            run: look.commands.set(
              [['serverDefaults', 'autoscaling', 'enabled'], false],
              [['gateway', 'autoscaling', 'enabled'], false],
            ),
          },
        ],
      },
    ];
  },
};

/** An operator that the release may use: whether its kinds are there, and whether they are needed. */
function operator(
  name: string,
  group: string,
  install: (commands: Commands) => string,
  needed: (look: Look) => string | undefined,
): Check {
  return {
    name,
    group: 'cluster',
    judge: (look) => {
      const by = needed(look);
      if (look.apiGroups.includes(group)) return [ok(`its kinds (${group}) are there${by ? `, for ${by}` : ''}`)];
      if (!by) return [note('not there, and nothing of the release needs it')];
      return [
        {
          level: 'problem',
          what: `its kinds (${group}) are not there, and ${by} needs them`,
          why: 'what the release makes of these kinds cannot be made',
          fixes: [{ to: 'install it', run: install(look.commands) }],
        },
      ];
    },
  };
}

/** Whether the release has an object of a group, by the manifest that Helm keeps. */
const madeOf = (look: Look, group: string): string | undefined => {
  const object = look.helm?.objects.find(({ apiVersion }) => apiVersion.startsWith(`${group}/`));
  return object && `${object.kind} ${object.metadata.name}`;
};

export const clusterChecks: Check[] = [
  kubernetes,
  nodes,
  dns,
  metricsApi,
  operator(
    'Prometheus operator',
    'monitoring.coreos.com',
    (commands) =>
      commands.install(
        'prometheus',
        'kube-prometheus-stack',
        'https://prometheus-community.github.io/helm-charts',
        'monitoring',
      ),
    (look) => madeOf(look, 'monitoring.coreos.com'),
  ),
  operator(
    'External Secrets',
    'external-secrets.io',
    (commands) =>
      commands.install(
        'external-secrets',
        'external-secrets',
        'https://charts.external-secrets.io',
        'external-secrets',
      ),
    (look) => madeOf(look, 'external-secrets.io'),
  ),
  operator(
    'inference gateway',
    'inference.networking.k8s.io',
    (commands) =>
      commands.cluster(
        'apply',
        '-f',
        'https://github.com/kubernetes-sigs/gateway-api-inference-extension/releases/latest/download/manifests.yaml',
      ),
    (look) => (look.values.inferencePool?.enabled ? 'inferencePool.enabled' : undefined),
  ),
];
