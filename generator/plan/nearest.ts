import { registryMistakes } from '../checks.ts';
import type { Environment } from '../environment.ts';
import type { GpuType } from '../gpus.ts';
import type { Registry } from '../registry.ts';
import { type Assumptions, type Bill, billOf } from './plan.ts';
import type { Prices } from './prices.ts';
import { add, type BoughtNode, buy, type Purchase, purchases, times, usdOf } from './purchase.ts';
import { type Release, releaseOf, type Workload, withFewest } from './workload.ts';

/** A choice that saves money, and what it costs otherwise. */
interface GivenUp {
  what: string;
  /** How much it hurts: 1 is hardly seen by clients, 2 makes some wait, 3 leaves no second pod where one fails. */
  weight: number;
}

export interface NearPlan {
  purchase: Purchase;
  givesUp: string[];
  bill: Bill;
  nodes: BoughtNode[];
}

interface Choice {
  workloads: Workload[];
  givesUp: GivenUp[];
}

/**
 * The plan that holds a budget (US dollars a month, at the fewest pods) and gives up least for it; where none does, the cheapest.
 * Every combination is tried: how nodes are paid for; for models on CPUs, a pod less or one server for all; for each server with
 * GPUs, the cheapest GPU that holds it with a smaller cache type, and no pod outside of busy hours; a gateway less. The middle of what a
 * plan costs decides.
 */
export async function nearestPlan(
  registry: Registry,
  name: string,
  environment: Environment,
  prices: Prices,
  budgetUsd: number,
  assumptions: Assumptions,
): Promise<NearPlan> {
  const release = releaseOf(registry, name, environment);
  const groups = [
    onCpu(release, registry, name, environment),
    ...release.workloads
      .filter(({ gpuType }) => gpuType)
      .map((workload) => onGpu(workload, release, registry, name, environment, prices)),
    gateways(release),
  ];
  const packed = new Map<string, Promise<BoughtNode[]>>();
  /** What choices have in common is packed once: each type of GPU by itself, as the packing does. */
  const packOnce = async (workloads: Workload[], purchase: Purchase): Promise<BoughtNode[]> => {
    const parts = [...Map.groupBy(workloads, ({ gpuType }) => gpuType).values()].map((some) => {
      const key = JSON.stringify([purchase, some]);
      if (!packed.has(key))
        packed.set(
          key,
          buy(some, 'min', prices, purchase).then(({ nodes }) => nodes),
        );
      return packed.get(key)!;
    });
    return (await Promise.all(parts)).flat();
  };

  let best: (NearPlan & { weight: number; middle: number }) | undefined;
  const ways: [Purchase, GivenUp[]][] = purchases.map((purchase) => [purchase, purchaseCosts[purchase]]);
  const kept = release.workloads.filter(({ onDemand }) => onDemand.min > 0).map(({ name }) => name);
  if (kept.length > 0)
    ways.push(['spot', [...purchaseCosts.spot, { what: `nodes on demand for ${kept.join(', ')}`, weight: 2 }]]);
  for (const [way, [purchase, costs]] of ways.entries()) {
    for (const combination of combinations(groups)) {
      const choice =
        way < purchases.length ? combination : { ...combination, workloads: combination.workloads.map(onSpotWhole) };
      const awake = choice.workloads.map(({ sleeps: _, ...workload }) => workload);
      const asleep = choice.workloads.filter(({ sleeps }) => !sleeps);
      const nodes = await packOnce(awake, purchase);
      const busy = assumptions.busyHours / 168;
      const usd = choice.workloads.some(({ sleeps }) => sleeps)
        ? add(times(usdOf(nodes, prices), busy), times(usdOf(await packOnce(asleep, purchase), prices), 1 - busy))
        : usdOf(nodes, prices);
      const bill = billOf({ ...release, workloads: awake }, 'min', { nodes, usdPerHour: usd }, prices, assumptions);
      const givesUp = [...costs, ...choice.givesUp];
      const weight = givesUp.reduce((sum, given) => sum + given.weight, 0);
      const middle = (bill.total.low + bill.total.high) / 2;
      if (!best || better({ weight, middle }, best, budgetUsd)) {
        best = { purchase, givesUp: givesUp.map(({ what }) => what), bill, nodes, weight, middle };
      }
    }
  }
  const { weight: _, middle: __, ...plan } = best!;
  return plan;
}

function better(
  one: { weight: number; middle: number },
  other: { weight: number; middle: number },
  budget: number,
): boolean {
  const holds = one.middle <= budget;
  if (holds !== other.middle <= budget) return holds;
  if (!holds) return one.middle < other.middle;
  return one.weight < other.weight || (one.weight === other.weight && one.middle < other.middle);
}

const purchaseCosts: Record<Purchase, GivenUp[]> = {
  onDemand: [],
  commitment: [{ what: 'a commitment of a year to what runs now', weight: 2 }],
  spot: [{ what: 'nodes that are taken away at two minutes’ notice (spot)', weight: 1 }],
};

/** A workload, and whether it has no pod outside of busy hours. */
type Sleeper = Workload & { sleeps?: true };
type SleeperChoice = Omit<Choice, 'workloads'> & { workloads: Sleeper[] };

function* combinations(groups: SleeperChoice[][]): Generator<SleeperChoice> {
  const [first, ...others] = groups;
  if (!first) {
    yield { workloads: [], givesUp: [] };
    return;
  }
  for (const choice of first) {
    for (const rest of combinations(others)) {
      yield { workloads: [...choice.workloads, ...rest.workloads], givesUp: [...choice.givesUp, ...rest.givesUp] };
    }
  }
}

const onSpotWhole = <T extends Workload>(workload: T): T => ({ ...workload, onDemand: { min: 0, max: 0 } });

/** The servers on CPUs: as they are, with one pod each, or all models on one server. */
function onCpu(release: Release, registry: Registry, name: string, environment: Environment): SleeperChoice[] {
  const servers = release.workloads.filter(({ gpuType, models }) => !gpuType && models.length > 0);
  const choices: SleeperChoice[] = [{ workloads: servers, givesUp: [] }];
  if (servers.some(({ pods }) => pods.min > 1)) {
    choices.push({
      workloads: servers.map((server) => withFewest(server, Math.min(1, server.pods.min))),
      givesUp: [{ what: 'a second pod of each server on CPUs at the minimum', weight: 3 }],
    });
  }
  const aliases = servers.flatMap(({ models }) => models);
  if (servers.length < 2 || environment.registry) return choices;
  const one = 'ollama-packed';
  const own = Object.fromEntries(
    Object.entries(environment.values.servers ?? {}).filter(([server]) => !servers.some(({ name }) => name === server)),
  );
  const packedRelease = releaseOf({ ...registry, packs: { ...registry.packs, [one]: aliases } }, name, {
    ...environment,
    values: { ...environment.values, servers: own },
  });
  const packed = packedRelease.workloads.find(({ name }) => name === one);
  if (!packed) return choices;
  const together = `servers of their own for ${aliases.join(', ')}: they share one, and wait for each other`;
  choices.push({ workloads: [withFewest(packed, 2)], givesUp: [{ what: together, weight: 2 }] });
  choices.push({
    workloads: [withFewest(packed, 1)],
    givesUp: [
      { what: together, weight: 2 },
      { what: 'a second pod of that server', weight: 3 },
    ],
  });
  return choices;
}

/** A server with GPUs: as it is or on the cheapest that holds it with a smaller cache; always there, or in busy hours alone. */
function onGpu(
  workload: Workload,
  release: Release,
  registry: Registry,
  name: string,
  environment: Environment,
  prices: Prices,
): SleeperChoice[] {
  const cheaper = onCheaperGpu(workload, registry, name, environment, prices);
  const kept: SleeperChoice[] = [{ workloads: [workload], givesUp: [] }, ...(cheaper ? [cheaper] : [])];
  if (workload.pods.min === 0 || release.workloads.length === 0) return kept;
  return kept.flatMap((choice) => [
    choice,
    {
      workloads: choice.workloads.map((one) => ({ ...one, sleeps: true as const })),
      givesUp: [
        ...choice.givesUp,
        {
          what: `${workload.models.join(', ')} outside of busy hours, or minutes of waiting for its first pod then`,
          weight: 2,
        },
      ],
    },
  ]);
}

function onCheaperGpu(
  workload: Workload,
  registry: Registry,
  name: string,
  environment: Environment,
  prices: Prices,
): SleeperChoice | undefined {
  const [alias] = workload.models;
  const model = alias === undefined ? undefined : registry.models[alias];
  if (!model?.serving.gpu || workload.models.length > 1) return undefined;
  const usd = (type: string | undefined) =>
    Math.min(
      ...Object.values(prices.instances)
        .filter(({ gpu }) => gpu?.type === type)
        .map(({ usdPerHour, gpu }) => usdPerHour / gpu!.count),
    );
  const types = [...new Set(Object.values(prices.instances).flatMap(({ gpu }) => gpu?.type ?? []))] as GpuType[];
  const now = usd(workload.gpuType);
  for (const type of types.filter((one) => usd(one) < now).sort((a, b) => usd(a) - usd(b))) {
    const serving = { ...model.serving, gpu: { ...model.serving.gpu, type }, kvCacheType: 'q8_0' as const };
    const tried: Registry = { ...registry, models: { ...registry.models, [alias!]: { ...model, serving } } };
    if (registryMistakes(tried).length > 0) continue;
    const found = releaseOf(tried, name, environment).workloads.find((one) => one.name === workload.name);
    if (!found) continue;
    return {
      workloads: [found],
      givesUp: [
        {
          what: `${workload.gpuType} for ${alias}: ${type} with a cache of q8_0, which is slower and less precise`,
          weight: 1,
        },
      ],
    };
  }
  return undefined;
}

/** The gateway, as it is or with two pods, and what else is no server. */
function gateways({ workloads }: Release): SleeperChoice[] {
  const gateway = workloads.filter(({ models }) => models.length === 0);
  const isMany = ({ pods }: Workload) => pods.min > 2;
  const fewer = gateway.some(isMany);
  return [
    { workloads: gateway, givesUp: [] },
    ...(fewer
      ? [
          {
            workloads: gateway.map((one) => (isMany(one) ? withFewest(one, 2) : one)),
            givesUp: [{ what: 'a gateway for each of three zones', weight: 1 }],
          },
        ]
      : []),
  ];
}
