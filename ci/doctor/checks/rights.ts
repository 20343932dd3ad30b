import { type Check, ok } from '../finding.ts';
import type { Source } from '../sources.ts';

/** What is in no namespace, by the API group that it is of. */
const clusterWide: Partial<Record<Source, string>> = {
  nodes: '',
  storageclasses: 'storage.k8s.io',
  ingressclasses: 'networking.k8s.io',
  apiservices: 'apiregistration.k8s.io',
  clusterissuers: 'cert-manager.io',
};

/** The groups of the others that are not of the core. */
const groupOf: Partial<Record<Source, string>> = {
  deployments: 'apps',
  jobs: 'batch',
  endpointslices: 'discovery.k8s.io',
  horizontalpodautoscalers: 'autoscaling',
  poddisruptionbudgets: 'policy',
  ingresses: 'networking.k8s.io',
  roles: 'rbac.authorization.k8s.io',
  rolebindings: 'rbac.authorization.k8s.io',
  certificates: 'cert-manager.io',
  podmetrics: 'metrics.k8s.io',
};

const resource = (source: Source, group: string | undefined) => {
  const name = source === 'podmetrics' ? 'pods' : source;
  return group ? `${name}.${group}` : name;
};

/** What whoever asks may not see. The rest was looked at all the same. */
export const rights: Check = {
  name: 'rights',
  group: 'cluster',
  judge: ({ refused, commands, namespace }) => {
    // Whoever has it may run commands in every pod of the node: nobody is to ask for it for the sake of one line.
    const sources = [...refused.keys()].filter((source) => source !== 'nodes/proxy').sort();
    if (sources.length === 0) return [ok('you may read all that is looked at')];
    const wide = sources.filter((source) => Object.hasOwn(clusterWide, source));
    const narrow = sources.filter((source) => !Object.hasOwn(clusterWide, source));
    const grant = (kind: 'clusterrole' | 'role', names: Source[]) => {
      const resources = names.map((source) => resource(source, clusterWide[source] ?? groupOf[source])).join(',');
      const verbs = '--verb=get,list';
      const call = kind === 'role' ? commands.kubectl.bind(commands) : commands.cluster.bind(commands);
      const binding = kind === 'role' ? 'rolebinding' : 'clusterrolebinding';
      return `${call('create', kind, 'doctor', verbs, `--resource=${resources}`)} && ${call('create', binding, 'doctor', `--${kind}=doctor`, '--user=WHO')}`;
    };
    return [
      {
        level: 'unknown',
        what: `you may not read ${sources.join(', ')}`,
        why: 'what they would show is not looked at',
        fixes: [
          ...(wide.length > 0
            ? [{ to: 'whoever administers the cluster can allow it', run: grant('clusterrole', wide) }]
            : []),
          ...(narrow.length > 0 ? [{ to: `and for the namespace ${namespace}`, run: grant('role', narrow) }] : []),
        ],
      },
    ];
  },
};
