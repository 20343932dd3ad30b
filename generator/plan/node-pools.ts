import { stringify } from 'yaml';
import { fitsInto, roomOf } from './capacity.ts';
import { type Plan, systemDiskGiB } from './plan.ts';
import type { Prices } from './prices.ts';
import { purchases } from './purchase.ts';

const documents = (head: string[], objects: object[]) =>
  `${head.map((line) => `# ${line}`).join('\n')}\n\n${objects.map((object) => stringify(object, { lineWidth: 0 })).join('---\n')}`;

/** The types of nodes that a plan has for some way to pay, at its minimum or its maximum. */
function typesOf(plan: Plan, withGpus: boolean): string[] {
  const nodes = purchases.flatMap((purchase) => Object.values(plan.nodes[purchase]).flatMap(({ nodes }) => nodes));
  const types = nodes.filter(({ offer }) => (offer.gpuType !== undefined) === withGpus).map(({ offer }) => offer.type);
  return [...new Set(types)].sort();
}

/** The types that hold a pod of the plan, with its GPUs or without any: the more there are, the more often one is to be had on spot. */
function fittingTypes({ release }: Plan, prices: Prices, withGpus: boolean): string[] {
  const workloads = release.workloads.filter(({ gpuType }) => (gpuType !== undefined) === withGpus);
  return Object.entries(prices.instances).flatMap(([type, instance]) =>
    workloads.some(({ need, gpuType }) => gpuType === instance.gpu?.type && fitsInto(need, roomOf(instance)))
      ? [type]
      : [],
  );
}

/** The most that the pods of a plan's maximum need, over all ways to pay, and a node more for rollouts. */
function limitsOf(plan: Plan, prices: Prices, withGpus: boolean) {
  const sums = purchases.map((purchase) => {
    const nodes = plan.nodes[purchase].maximum.nodes.filter(({ offer }) => (offer.gpuType !== undefined) === withGpus);
    const have = nodes.map(({ offer }) => prices.instances[offer.type]!);
    const largest = Math.max(0, ...have.map(({ cpu }) => cpu));
    return {
      cpu: have.reduce((sum, { cpu }) => sum + cpu, largest),
      gpus: have.reduce((sum, { gpu }) => sum + (gpu?.count ?? 0), withGpus ? 1 : 0),
    };
  });
  const most = (of: 'cpu' | 'gpus') => Math.max(...sums.map((sum) => sum[of]));
  return { cpu: String(most('cpu')), ...(withGpus && { 'nvidia.com/gpu': String(most('gpus')) }) };
}

/** NodePools and an EC2NodeClass for Karpenter: types that hold the plan's pods, spot before on demand, no more than its maximum. */
export function karpenterYaml(plan: Plan, prices: Prices, madeBy: string): string {
  const pool = (name: string, withGpus: boolean) => ({
    apiVersion: 'karpenter.sh/v1',
    kind: 'NodePool',
    metadata: { name },
    spec: {
      template: {
        spec: {
          nodeClassRef: { group: 'karpenter.k8s.aws', kind: 'EC2NodeClass', name: 'model-management' },
          requirements: [
            { key: 'node.kubernetes.io/instance-type', operator: 'In', values: fittingTypes(plan, prices, withGpus) },
            { key: 'karpenter.sh/capacity-type', operator: 'In', values: ['spot', 'on-demand'] },
          ],
          ...(withGpus && { taints: [{ key: 'nvidia.com/gpu', value: 'true', effect: 'NoSchedule' }] }),
        },
      },
      limits: limitsOf(plan, prices, withGpus),
      // A pod costs a download and a load: nodes are given back when they are emptier for a while, one after the other.
      disruption: {
        consolidationPolicy: 'WhenEmptyOrUnderutilized',
        consolidateAfter: '10m',
        budgets: [{ nodes: '1' }],
      },
    },
  });
  const pools = [
    pool('model-management', false),
    ...(typesOf(plan, true).length > 0 ? [pool('model-management-gpu', true)] : []),
  ];
  const nodeClass = {
    apiVersion: 'karpenter.k8s.aws/v1',
    kind: 'EC2NodeClass',
    metadata: { name: 'model-management' },
    spec: {
      role: 'KarpenterNodeRole-CLUSTER',
      amiSelectorTerms: [{ alias: 'al2023@latest' }],
      subnetSelectorTerms: [{ tags: { 'karpenter.sh/discovery': 'CLUSTER' } }],
      securityGroupSelectorTerms: [{ tags: { 'karpenter.sh/discovery': 'CLUSTER' } }],
      blockDeviceMappings: [
        { deviceName: '/dev/xvda', ebs: { volumeType: 'gp3', volumeSize: `${systemDiskGiB}Gi`, encrypted: true } },
      ],
    },
  };
  const head = [
    madeBy,
    'Nodes for this environment from Karpenter on EKS. Put the name of your cluster where CLUSTER stands.',
  ];
  return documents(head, [...pools, nodeClass]);
}

/**
 * The configuration of the cluster-autoscaler's priority expander: of the groups of nodes that would do, spot before on demand, each
 * cheaper types first. It goes by the names of groups, which are to have the type with dashes in them, and `spot` where they are spot.
 */
export function priorityExpanderYaml(plan: Plan, prices: Prices, madeBy: string): string {
  const types = [...typesOf(plan, false), ...typesOf(plan, true)];
  // By what a core or a GPU for pods costs: what is dear because it is large comes no later.
  const rate = (type: string) => {
    const instance = prices.instances[type]!;
    return instance.usdPerHour / (instance.gpu?.count ?? roomOf(instance).cpu / 1000);
  };
  const dearestFirst = types.toSorted((a, b) => rate(b) - rate(a)).map((type) => type.replaceAll('.', '-'));
  // Numbers as keys, which an object has not.
  const priorities = new Map<number, string[]>([
    [1, ['.*']],
    ...dearestFirst.map((type, index): [number, string[]] => [10 + index, [`.*${type}.*`]]),
    ...dearestFirst.map((type, index): [number, string[]] => [100 + index, [`.*spot.*${type}.*`, `.*${type}.*spot.*`]]),
  ]);
  return documents(
    [madeBy, 'For the cluster-autoscaler with --expander=priority, where there is no Karpenter.'],
    [
      {
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: { name: 'cluster-autoscaler-priority-expander', namespace: 'kube-system' },
        data: { priorities: stringify(priorities) },
      },
    ],
  );
}
