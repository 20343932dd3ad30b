import { readFileSync } from 'node:fs';
import path from 'node:path';
import { parseAllDocuments } from 'yaml';
import type { Cluster } from '../../ci/cluster/cluster.ts';
import { type FakePurchase, type Karpenter, startKarpenter } from '../../ci/cluster/karpenter.ts';
import { newNamespace } from '../../ci/cluster/namespace.ts';
import { until } from '../../ci/cluster/wait.ts';
import { fullSize, held } from '../../ci/testing/full-size.ts';
import { root } from '../../ci/tools/paths.ts';
import type { ValuesOverrides } from '../../generator/environment.ts';
import { loadEnvironments } from '../../generator/environments.ts';
import { instanceTypes } from '../../generator/plan/instance-types.ts';
import { type NodePlan, planOf } from '../../generator/plan/plan.ts';
import { listPrices, type Prices } from '../../generator/plan/prices.ts';
import { add, hoursPerMonth, type Range, range, times, usdPerHour } from '../../generator/plan/purchase.ts';
import { releaseOf } from '../../generator/plan/workload.ts';
import { loadRegistry } from '../../generator/registry.ts';

/** Nodes for the same pods: those that the plan foretold, and those that Karpenter bought. */
export interface Purchase {
  /** What the fleet was asked to be. */
  when: string;
  foretold: NodeSum;
  bought: NodeSum;
}

export interface NodeSum {
  /** `2 × m7i.2xlarge spot`, most first. */
  words: string;
  nodes: number;
  /** US dollars a month, from spot alone to a tenth of the time on demand. */
  usd: Range;
}

/**
 * Models from images: a volume of the embedded cluster is bound to its node by the node's name, and Karpenter's fakes have another one as
 * their label. What a pod asks for is the same.
 */
const withoutVolumes: ValuesOverrides = {
  serverDefaults: { cache: { mode: 'image', image: { reference: 'example.com/models:1' } } },
};

/** The pools that the plan has for production, as they are committed. */
const nodePools = (): object[] =>
  parseAllDocuments(readFileSync(path.join(root, 'environments/production/nodes/karpenter.yaml'), 'utf8')).map(
    (document) => document.toJS(),
  );

/**
 * Installs production at full size on a cluster and lets Karpenter buy its nodes: for the fewest pods, for the most, again for
 * the most and the fewest once it has given back what is not needed, and once more after each spot node was taken back. What takes Karpenter ten minutes of a node being emptier takes it none
 * here (`consolidateAfter`); all else is as the plan wrote it.
 */
export async function purchases(cluster: Cluster, say: (what: string) => void): Promise<Purchase[]> {
  const prices = listPrices();
  const environments = await loadEnvironments();
  const release = releaseOf(await loadRegistry(), 'production', environments.production!);
  const { minimum, maximum } = (await planOf(release, prices)).nodes.spot;
  await using karpenter = await startKarpenter(cluster, instanceTypes(prices), nodePools());
  await using namespace = await newNamespace(cluster);
  using production = fullSize(namespace);
  const made: Purchase[] = [];
  const note = async (when: string, plan: NodePlan) => {
    const purchase = { when, foretold: foretold(plan, prices), bought: bought(await karpenter.nodes(), prices) };
    made.push(purchase);
    say(`${when}: bought ${purchase.bought.words}; foretold ${purchase.foretold.words}`);
  };
  await production.settled('min', await production.deploy(withoutVolumes, held('min')));
  await note('fewest pods', minimum);
  await production.settled('max', await production.deploy(withoutVolumes, held('max')));
  await note('most pods', maximum);
  await karpenter.consolidateAfter('0s');
  await atRest(karpenter);
  await production.settled('max', 0);
  await note('most pods, consolidated', maximum);
  await production.settled('min', await production.deploy(withoutVolumes, held('min')));
  await atRest(karpenter);
  await production.settled('min', 0);
  await note('fewest pods, consolidated', minimum);
  for (const { name, type } of (await karpenter.nodes()).filter(({ capacity }) => capacity === 'spot')) {
    const start = performance.now();
    await karpenter.takenBack(name);
    const { seconds } = await production.settled('min', start);
    say(`${type} taken back: all pods ready again after ${seconds} s`);
  }
  await note('fewest pods, each spot node taken back once', minimum);
  return made;
}

/** Waits until Karpenter has changed no node for a while: it looks every 10 s, and waits 15 s before it does what it has in mind. */
async function atRest(karpenter: Karpenter): Promise<void> {
  let last = '';
  let since = performance.now();
  const rests = await until(15 * 60_000, 2000, async () => {
    const names = (await karpenter.nodes()).map(({ name }) => name).sort();
    if (names.join() !== last) since = performance.now();
    last = names.join();
    return performance.now() - since > 60_000;
  });
  if (!rests) throw new Error('karpenter: does not come to rest within 15 minutes');
}

function foretold({ nodes }: NodePlan, prices: Prices): NodeSum {
  return sumOf(
    nodes.map(({ offer, purchase }) => ({
      type: offer.type,
      capacity: purchase === 'spot' ? 'spot' : 'on-demand',
    })),
    prices,
  );
}

const bought = (nodes: FakePurchase[], prices: Prices): NodeSum => sumOf(nodes, prices);

function sumOf(nodes: Pick<FakePurchase, 'type' | 'capacity'>[], prices: Prices): NodeSum {
  const usdOf = ({ type, capacity }: (typeof nodes)[number]) =>
    usdPerHour(prices.instances[type]!, capacity === 'spot' ? 'spot' : 'onDemand', prices);
  const kinds = Map.groupBy(nodes, ({ type, capacity }) => `${type} ${capacity}`);
  return {
    nodes: nodes.length,
    usd: times(nodes.map(usdOf).reduce(add, range(0)), hoursPerMonth),
    words: [...kinds].map(([kind, same]) => `${same.length} × ${kind}`).join(', '),
  };
}
