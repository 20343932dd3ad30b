import { type kinds, shareOf } from './capacity.ts';
import type { PackedNode } from './pack.ts';
import type { Prices } from './prices.ts';
import {
  add,
  type BoughtNode,
  buy,
  hoursPerMonth,
  type Purchase,
  purchases,
  type Range,
  range,
  systemDiskGiB,
  times,
  usdOf,
} from './purchase.ts';
import { quietWeek } from './week.ts';
import { type Release, secondGateway, type Workload } from './workload.ts';

const hoursPerWeek = 168;

/** What the registry and the prices do not say. */
export interface Assumptions {
  /** Hours a week for which every server has its most pods; for the rest it has its fewest, or what its schedule has then. */
  busyHours: number;
  /** Gigabytes a month between clients and models: text, in and out. */
  trafficGB: number;
}

export const assumed: Assumptions = { busyHours: 40, trafficGB: 100 };

/** How large the fleet is: its fewest pods, its most, or so many hours of either, with what windows of its schedule ask for. */
export const sizes = ['minimum', 'average', 'maximum'] as const;
export type Size = (typeof sizes)[number];

/** Nodes with their pods, and what they cost. */
export interface NodePlan {
  nodes: BoughtNode[];
  usdPerHour: Range;
  /** What it costs more than the bound that no packing is cheaper than, in percent of that; the bound itself at the same prices. */
  gapPercent: number;
  lowerBoundUsdPerHour: number;
}

/** US dollars a month, part by part. */
export interface Bill {
  nodes: Range;
  volumes: Range;
  controlPlane: Range;
  loadBalancers: Range;
  crossZone: Range;
  total: Range;
}

/** Hours of a week outside of its busy ones, the release as it is asked for then, and its nodes. */
interface QuietStretch {
  hours: number;
  release: Release;
  plans: Record<Purchase, NodePlan>;
}

export interface Plan {
  environment: string;
  release: Release;
  assumptions: Assumptions;
  nodes: Record<Purchase, Record<'minimum' | 'maximum', NodePlan>>;
  bills: Record<Purchase, Record<Size, Bill>>;
  /** Nodes on demand for the second gateway of a deployment with two colours, where the others have no room left. */
  secondGateway: Record<'minimum' | 'maximum', NodePlan>;
  /** The nodes' cost on demand by who causes it; a node's is divided by the largest share that each pod takes of it. */
  servers: { workload: Workload; usd: Record<Size, number> }[];
  models: { model: string; server: string; usd: Record<Size, number> }[];
}

/** Plans a release: its nodes at either end, for every way to pay, and what that comes to. Throws where a pod fits no node. */
export async function planOf(release: Release, prices: Prices, assumptions: Assumptions = assumed): Promise<Plan> {
  const nodes = {} as Plan['nodes'];
  for (const purchase of ['onDemand', 'spot'] as const) {
    nodes[purchase] = {
      minimum: await nodesOf(release, 'min', prices, purchase),
      maximum: await nodesOf(release, 'max', prices, purchase),
    };
  }
  // A commitment takes the same part off every price: what is cheapest without is so with it.
  const { minimum, maximum } = nodes.onDemand;
  nodes.commitment = { minimum: committed(minimum, prices), maximum: committed(maximum, prices) };
  const quiet: QuietStretch[] = [];
  for (const { hours, workloads } of quietWeek(release, assumptions.busyHours)) {
    const asEver = workloads.every(({ pods }, at) => pods.min === release.workloads[at]!.pods.min);
    const own = { ...release, workloads };
    const plans = {} as QuietStretch['plans'];
    for (const purchase of ['onDemand', 'spot'] as const) {
      plans[purchase] = asEver ? nodes[purchase].minimum : await nodesOf(own, 'min', prices, purchase);
    }
    plans.commitment = committed(plans.onDemand, prices);
    quiet.push({ hours, release: own, plans });
  }
  const bills = {} as Plan['bills'];
  for (const purchase of purchases) {
    bills[purchase] = billsOf(release, nodes[purchase], quiet, purchase, prices, assumptions);
  }
  const servers = byWorkload(release, nodes.onDemand, quiet, assumptions);
  const second = secondGateway(release);
  return {
    ...{ environment: release.environment, release, assumptions, nodes, bills, servers, models: byModel(servers) },
    secondGateway: {
      minimum: await nodesOf(second, 'min', prices, 'onDemand'),
      maximum: await nodesOf(second, 'max', prices, 'onDemand'),
    },
  };
}

async function nodesOf(release: Release, end: 'min' | 'max', prices: Prices, purchase: Purchase): Promise<NodePlan> {
  const { nodes, usdPerHour, lowerBound } = await buy(release.workloads, end, prices, purchase);
  return {
    nodes,
    usdPerHour: usdOf(nodes, prices),
    lowerBoundUsdPerHour: lowerBound,
    gapPercent: lowerBound > 0 ? 100 * Math.max(0, usdPerHour / lowerBound - 1) : 0,
  };
}

function committed(plan: NodePlan, prices: Prices): NodePlan {
  const nodes = plan.nodes.map((node) => ({ ...node, purchase: 'commitment' as const }));
  const bound = plan.lowerBoundUsdPerHour * (1 - prices.commitment.savingsPercent.low / 100);
  return { ...plan, nodes, usdPerHour: usdOf(nodes, prices), lowerBoundUsdPerHour: bound };
}

/** What a load balancer does in an hour, in units of its price: hardly anything, or two. */
const unitsPerHour = { low: 0, high: 2 };
/** With three zones, a request meets its pod in another one two times in three; either end pays. */
const crossingShare = 2 / 3;

/** The bill of a month in which a release stays at its fewest or most pods. `usdPerHour` is what the nodes cost. */
export function billOf(
  release: Release,
  end: 'min' | 'max',
  plan: { nodes: PackedNode[]; usdPerHour: Range },
  prices: Prices,
  { trafficGB }: Assumptions,
): Bill {
  const { storage, loadBalancer } = prices;
  const ownGiB = release.workloads.reduce((sum, { volumeGiB, pods }) => sum + volumeGiB * pods[end], 0);
  const diskGiB = ownGiB + systemDiskGiB * plan.nodes.length;
  const balancer = (units: number) => loadBalancer.usdPerHour + units * loadBalancer.usdPerUnitHour;
  const parts = {
    nodes: times(plan.usdPerHour, hoursPerMonth),
    volumes: range(diskGiB * storage.volumeUsdPerGiBMonth + release.sharedGiB * storage.sharedUsdPerGiBMonth),
    controlPlane: range(prices.controlPlaneUsdPerHour * hoursPerMonth),
    loadBalancers: times(
      range(balancer(unitsPerHour.low), balancer(unitsPerHour.high)),
      release.loadBalancers * hoursPerMonth,
    ),
    crossZone: range(0, 2 * prices.crossZoneUsdPerGB * crossingShare * trafficGB),
  };
  return { ...parts, total: Object.values(parts).reduce(add) };
}

function billsOf(
  release: Release,
  nodes: Record<'minimum' | 'maximum', NodePlan>,
  quiet: QuietStretch[],
  purchase: Purchase,
  prices: Prices,
  assumptions: Assumptions,
): Record<Size, Bill> {
  const minimum = billOf(release, 'min', nodes.minimum, prices, assumptions);
  const maximum = billOf(release, 'max', nodes.maximum, prices, assumptions);
  const parts = [
    { hours: assumptions.busyHours, bill: maximum },
    ...quiet.map(({ hours, release, plans }) => ({
      hours,
      bill: billOf(release, 'min', plans[purchase], prices, assumptions),
    })),
  ];
  const average = Object.fromEntries(
    (Object.keys(minimum) as (keyof Bill)[]).map((part) => [
      part,
      parts.map(({ hours, bill }) => times(bill[part], hours / hoursPerWeek)).reduce(add),
    ]),
  );
  return { minimum, average: average as unknown as Bill, maximum };
}

/** What each workload causes of the cost of nodes, US dollars a month. */
function byWorkload(
  { workloads }: Release,
  plans: Record<'minimum' | 'maximum', NodePlan>,
  quiet: QuietStretch[],
  { busyHours }: Assumptions,
): Plan['servers'] {
  const needs = new Map(workloads.map(({ name, need }) => [name, need]));
  const costs = ({ nodes }: NodePlan) => {
    const usd = new Map<string, number>();
    for (const { offer, pods } of nodes) {
      const shares = pods.map((name) => shareOf(needs.get(name)!, offer.room));
      const all = shares.reduce((sum, share) => sum + share, 0);
      for (const [index, name] of pods.entries()) {
        usd.set(name, (usd.get(name) ?? 0) + (offer.usdPerHour * hoursPerMonth * shares[index]!) / all);
      }
    }
    return usd;
  };
  const low = costs(plans.minimum);
  const high = costs(plans.maximum);
  const stretches = quiet.map(({ hours, plans }) => ({ hours, usd: costs(plans.onDemand) }));
  return workloads.map((workload) => {
    const minimum = low.get(workload.name) ?? 0;
    const maximum = high.get(workload.name) ?? 0;
    const average = stretches.reduce(
      (sum, { hours, usd }) => sum + ((usd.get(workload.name) ?? 0) * hours) / hoursPerWeek,
      (maximum * busyHours) / hoursPerWeek,
    );
    return { workload, usd: { minimum, average, maximum } };
  });
}

/** The models of a server share its cost evenly: which of them is asked more, only use can tell. */
function byModel(servers: Plan['servers']): Plan['models'] {
  return servers.flatMap(({ workload: { models, name }, usd }) =>
    models.map((model) => ({
      model,
      server: name,
      usd: Object.fromEntries(sizes.map((size) => [size, usd[size] / models.length])) as Record<Size, number>,
    })),
  );
}

/** What nodes have that pods do not use, in percent of each resource, over all nodes. */
export function idlePercent(nodes: PackedNode[], workloads: Workload[]): Record<(typeof kinds)[number], number> {
  const needs = new Map(workloads.map(({ name, need }) => [name, need]));
  const of = (kind: (typeof kinds)[number]) => {
    const have = nodes.reduce((sum, { offer }) => sum + offer.room[kind], 0);
    const used = nodes.reduce((sum, { pods }) => sum + pods.reduce((all, pod) => all + needs.get(pod)![kind], 0), 0);
    return have === 0 ? 0 : 100 * (1 - used / have);
  };
  return { cpu: of('cpu'), memory: of('memory'), gpus: of('gpus'), pods: of('pods') };
}
