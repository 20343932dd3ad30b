import { marks, ofOurPods, on, ours } from './promql.ts';
import type { RecordingRule, RuleGroup } from './rules.ts';

/** Labels by which clouds and Karpenter mark nodes of which they can take the machine back, and what they say then. */
export const spotLabels: Record<string, string> = {
  'karpenter.sh/capacity-type': 'spot',
  'eks.amazonaws.com/capacityType': 'SPOT',
  'cloud.google.com/gke-spot': 'true',
  'kubernetes.azure.com/scalesetpriority': 'spot',
};

/** A label as kube-state-metrics writes it: in snake case, and anything but letters and digits as a dash at the bottom. */
export const labelOfMetric = (label: string) =>
  `label_${label
    .replace(/([a-z])([A-Z])/g, '$1_$2')
    .toLowerCase()
    .replace(/[^a-z0-9]/g, '_')}`;

const spotNodes = Object.entries(spotLabels)
  .map(([label, value]) => `kube_node_labels{${labelOfMetric(label)}="${value}"}`)
  .join(' or ');

const resources = 'resource=~"cpu|memory|nvidia_com_gpu"';

/** What the pods of a node ask for. Sidecars count as well, and of all init containers ours is the one that is known to be one. */
const requested =
  `sum by (node, resource) ((kube_pod_container_resource_requests{${resources}}` +
  ` or kube_pod_init_container_resource_requests{${resources},container="agent"})` +
  ' * on (namespace, pod) group_left () max by (namespace, pod) (kube_pod_status_phase{phase=~"Pending|Running"} == 1))';

const podsByServer = (nodes: string) =>
  `count by (namespace, release, server) (${ours('pod:node:info', 'component="server"')} and on (node) (${nodes}))`;

/** On which nodes the pods are, and how much of these is asked for. */
export const nodes: RuleGroup<RecordingRule> = {
  name: 'model-management-nodes',
  rules: [
    {
      record: 'pod:node:info',
      expr: ofOurPods(`max by (namespace, pod, node) (kube_pod_info{namespace="${marks.namespace}",node!=""})`),
      what: 'The node of each pod; 1',
      by: ['component', 'server', 'pod', 'node'],
      needs: ['kube-state-metrics'],
    },
    {
      record: 'node:requested:ratio',
      expr:
        `label_replace(label_replace((${requested} / on (node, resource) max by (node, resource) (kube_node_status_allocatable{${resources}}))` +
        ` and on (node) ${ours('pod:node:info')}, "namespace", "${marks.namespace}", "", ""), "release", "${marks.release}", "", "")`,
      what: 'What all pods ask of a node on which there are some of ours (resource: cpu, memory, nvidia_com_gpu), of what it has for pods, 0 to 1',
      by: ['node', 'resource'],
      needs: ['kube-state-metrics'],
    },
    {
      record: 'server:pods_on_spot:ratio',
      // No label that kube-state-metrics tells of is none that says spot.
      expr:
        `(${podsByServer(spotNodes)} or 0 * ${podsByServer('kube_node_labels')})` +
        ` / ${on('server')} ${podsByServer('kube_node_labels')}`,
      what: 'Pods on nodes that the cloud can take back, of those whose nodes are known, 0 to 1',
      by: ['server'],
      needs: ['kube-state-metrics'],
    },
  ],
};
