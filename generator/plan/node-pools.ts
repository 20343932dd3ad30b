import { stringify } from 'yaml';
import { type GpuType, gpus } from '../gpus.ts';
import { fitsInto, roomOf } from './capacity.ts';
import type { Plan } from './plan.ts';
import type { Instance, Prices } from './prices.ts';
import { purchases, systemDiskGiB } from './purchase.ts';

const documents = (head: string[], objects: object[]) =>
  `${head.map((line) => `# ${line}`).join('\n')}\n\n${objects.map((object) => stringify(object, { lineWidth: 0 })).join('---\n')}`;

/** The types of nodes that a plan has for some way to pay, at its minimum or its maximum, of one type of GPUs or without any. */
function typesOf(plan: Plan, gpuType?: string): string[] {
  const nodes = purchases.flatMap((purchase) => Object.values(plan.nodes[purchase]).flatMap(({ nodes }) => nodes));
  const types = nodes.filter(({ offer }) => offer.gpuType === gpuType).map(({ offer }) => offer.type);
  return [...new Set(types)].sort();
}

/** The types of GPUs that a plan has, those first whose nodes cost least for each of them. */
function gpuTypesOf({ release }: Plan, prices: Prices): GpuType[] {
  const types = new Set(release.workloads.flatMap(({ gpuType }) => gpuType ?? []));
  const least = (type: GpuType) =>
    Math.min(
      ...Object.values(prices.instances).map((instance) => (instance.gpu?.type === type ? perGpu(instance) : Infinity)),
    );
  return [...types].sort((a, b) => least(a) - least(b));
}

const perGpu = ({ usdPerHour, gpu }: Instance) => usdPerHour / gpu!.count;

/**
 * The types that hold a pod of the plan, of one type of GPUs or without any: the more there are, the more often one is to be had on
 * spot. Karpenter buys as few nodes as hold the pods: types with more GPUs than any pod asks for are left out where they cost more for each.
 */
function fittingTypes({ release }: Plan, prices: Prices, gpuType?: GpuType): string[] {
  const workloads = release.workloads.filter((workload) => workload.gpuType === gpuType);
  const fitting = Object.entries(prices.instances).filter(
    ([_, instance]) => instance.gpu?.type === gpuType && workloads.some(({ need }) => fitsInto(need, roomOf(instance))),
  );
  if (!gpuType) return fitting.map(([type]) => type);
  const most = Math.ceil(Math.max(...workloads.map(({ need }) => need.gpus)));
  const least = Math.min(...fitting.map(([_, instance]) => perGpu(instance)));
  return fitting
    .filter(([_, instance]) => instance.gpu!.count <= most || perGpu(instance) <= least)
    .map(([type]) => type);
}

/**
 * What the pods of a plan's maximum need at the most, over all ways to pay, and a GPU more for rollouts. Of cores it is twice as much: each
 * node that Karpenter orders counts as the largest that it may become, and what is over the limit waits, or goes to a pool that is dearer.
 */
function limitsOf(plan: Plan, prices: Prices, gpuType?: string): Record<string, string> {
  const most = (of: (instance: Instance) => number) =>
    Math.max(
      ...purchases.map((purchase) =>
        plan.nodes[purchase].maximum.nodes
          .filter(({ offer }) => offer.gpuType === gpuType)
          .reduce((sum, { offer }) => sum + of(prices.instances[offer.type]!), 0),
      ),
    );
  return gpuType
    ? { 'nvidia.com/gpu': String(most(({ gpu }) => gpu!.count) + 1) }
    : { cpu: String(2 * most(({ cpu }) => cpu)) };
}

/**
 * NodePools and an EC2NodeClass for Karpenter: types that hold the plan's pods, spot before on demand, no more than its maximum.
 *
 * Each type of GPUs has a pool of its own, whose nodes say how much memory they have: pods with `gpu.matchMemory` go to those that
 * have enough. In one pool for all, Karpenter would put a large model on a smaller GPU wherever the node is cheaper. Of several pools
 * that would do it takes the one of the highest weight, and does not compare what they cost.
 */
export function karpenterYaml(plan: Plan, prices: Prices, madeBy: string): string {
  const pool = (name: string, gpu?: { type: GpuType; weight: number }) => ({
    apiVersion: 'karpenter.sh/v1',
    kind: 'NodePool',
    metadata: { name },
    spec: {
      ...(gpu && { weight: gpu.weight }),
      template: {
        ...(gpu && { metadata: { labels: { 'nvidia.com/gpu.memory': String(gpus[gpu.type].memoryMiB) } } }),
        spec: {
          nodeClassRef: { group: 'karpenter.k8s.aws', kind: 'EC2NodeClass', name: 'model-management' },
          requirements: [
            {
              key: 'node.kubernetes.io/instance-type',
              operator: 'In',
              values: fittingTypes(plan, prices, gpu?.type),
            },
            { key: 'karpenter.sh/capacity-type', operator: 'In', values: ['spot', 'on-demand'] },
          ],
          ...(gpu && { taints: [{ key: 'nvidia.com/gpu', value: 'true', effect: 'NoSchedule' }] }),
        },
      },
      limits: limitsOf(plan, prices, gpu?.type),
      // A pod costs a download and a load: nodes are given back when they are emptier for a while, one after the other.
      disruption: {
        consolidationPolicy: 'WhenEmptyOrUnderutilized',
        consolidateAfter: '10m',
        budgets: [{ nodes: '1' }],
      },
    },
  });
  const types = gpuTypesOf(plan, prices);
  const pools = [
    pool('model-management'),
    ...types.map((type, index) =>
      pool(`model-management-${type.toLowerCase()}`, { type, weight: types.length - index }),
    ),
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
  const types = [undefined, ...gpuTypesOf(plan, prices)].flatMap((gpuType) => typesOf(plan, gpuType));
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
