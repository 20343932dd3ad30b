import { startCluster, stopCluster } from '../ci/cluster/cluster.ts';
import { say } from '../ci/tools/progress.ts';
import { type Purchase, purchases } from './karpenter/purchases.ts';
import { atMost, type Benchmark, type Figure } from './measure.ts';

/** Percent by which the plan may be off. */
const tolerance = 10;

/** What a real Karpenter buys for production, beside what the plan foretold, on a cluster of its own. */
export const karpenter: Benchmark = {
  purpose: 'what Karpenter buys for production on fake nodes, and what the plan foretold (10 minutes)',
  async run(): Promise<Figure[]> {
    const name = `bench-${process.pid}`;
    try {
      const cluster = await startCluster(name);
      return figuresOf(await purchases(cluster, (what) => say(`bench: ${what}`)));
    } finally {
      await stopCluster(name);
    }
  },
};

/** How far off the plan was, in nodes and in their price. */
export function figuresOf(made: Purchase[]): Figure[] {
  return made.flatMap(({ when, foretold, bought }) => {
    const off = (of: number, from: number) => Number((100 * Math.abs(of / from - 1)).toFixed(1));
    const usd = (sum: typeof bought) => `$${Math.round(sum.usd.low)} – ${Math.round(sum.usd.high)}`;
    return [
      atMost(tolerance, {
        what: `${when}: nodes, ${bought.nodes} bought, ${foretold.nodes} foretold`,
        value: off(bought.nodes, foretold.nodes),
        unit: '%',
      }),
      atMost(tolerance, {
        what: `${when}: a month, ${usd(bought)} bought, ${usd(foretold)} foretold`,
        value: off(bought.usd.high, foretold.usd.high),
        unit: '%',
      }),
    ];
  });
}
