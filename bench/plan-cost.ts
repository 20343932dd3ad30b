import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { loadEnvironments } from '../generator/environments.ts';
import { packs } from '../generator/packs.ts';
import { planOf } from '../generator/plan/plan.ts';
import { listPrices } from '../generator/plan/prices.ts';
import { purchases } from '../generator/plan/purchase.ts';
import { releaseOf } from '../generator/plan/workload.ts';
import { loadRegistry, type Registry, registryFolder } from '../generator/registry.ts';
import { fillRegistry } from './large-registry.ts';
import { atMost, type Figure, medianFigure, seconds } from './measure.ts';

/** How long production's plan takes from 7 models to 1,000, and how far its packings are from what none is cheaper than. */
export async function planFigures(): Promise<Figure[]> {
  const environments = await loadEnvironments();
  const figures: Figure[] = [];
  for (const [count, limit] of [
    [7, 0.3],
    [1000, 5],
  ] as const) {
    const registry = await registryOf(count);
    const plan = () => planOf(releaseOf(registry, 'production', environments.production!), listPrices());
    figures.push(atMost(limit, medianFigure(`plan, ${count} models`, await seconds(plan))));
    const { nodes } = await plan();
    const gaps = purchases.flatMap((purchase) => Object.values(nodes[purchase]).map(({ gapPercent }) => gapPercent));
    const worst = Number(Math.max(...gaps).toFixed(2));
    figures.push(
      atMost(5, {
        what: `packing above its lower bound, ${count} models, worst of ${gaps.length}`,
        value: worst,
        unit: '%',
      }),
    );
  }
  return figures;
}

/** The registry, filled up to so many models in a copy of its folder, which has to be beside what its files import. */
async function registryOf(count: number): Promise<Registry> {
  const folder = await mkdtemp(path.join(tmpdir(), 'plan-'));
  try {
    const generator = path.dirname(registryFolder);
    await cp(generator, path.join(folder, 'generator'), {
      recursive: true,
      filter: (file) => !file.endsWith('.test.ts'),
    });
    await cp(path.join(generator, '..', 'schema'), path.join(folder, 'schema'), { recursive: true });
    const copy = path.join(folder, 'generator', 'registry');
    await fillRegistry(copy, count);
    return await loadRegistry(copy, packs);
  } finally {
    await rm(folder, { recursive: true });
  }
}
