import { type Comparison, compareWithParser, errorOf, truthWithRuntime } from '../ci/testing/memory-truth.ts';
import { say } from '../ci/tools/progress.ts';
import { type GpuType, gpus } from '../generator/gpus.ts';
import { gpuReserve } from '../generator/memory/fit.ts';
import { publishedModels } from '../generator/memory/published.ts';
import { verdictOf } from '../generator/memory/verdicts.ts';
import { MiB } from '../generator/memory.ts';
import { atMost, type Benchmark, type Figure } from './measure.ts';
import { planFigures } from './plan-cost.ts';

/** What the plan is right about, how near its packings are to what none is cheaper than, and how long it takes. */
export const plan: Benchmark = {
  purpose: 'how far the figures of the plan are from what others find and from the least cost, and how long it takes',
  async run(): Promise<Figure[]> {
    return [...(await memory()), ...(await planFigures())];
  },
};

/** Memory against gguf-parser-go: the largest error of each model over its grid, and GPUs that hold a model in our opinion alone. */
async function memory(): Promise<Figure[]> {
  say('bench: memory against gguf-parser-go');
  const models = [...(await publishedModels()).values()];
  const comparisons = await compareWithParser(models);
  const of = Map.groupBy(comparisons, ({ model }) => model.facts.name);
  const errors = [...of].map(([name, all]) => {
    const asked = all.filter(({ place }) => place === 'GPU' || place === 'CPU');
    const percent = (list: Comparison[]) =>
      Number((100 * Math.max(...list.map((one) => Math.abs(errorOf(one))))).toFixed(2));
    return atMost(5, {
      what: `memory of ${name}, error at most, of ${asked.length} ways on GPU and CPU`,
      value: percent(asked),
      unit: '%',
    });
  });
  const others = comparisons.filter(({ place }) => place !== 'GPU' && place !== 'CPU');
  const worst = Math.max(...others.map((one) => Math.abs(errorOf(one))));
  return [
    ...errors,
    {
      what: `memory of all, error at most, of ${others.length} ways with split layers`,
      value: Number((100 * worst).toFixed(2)),
      unit: '%',
    },
    atMost(0, {
      what: 'ways to run a model that a GPU is said to hold and does not',
      value: falseFits(comparisons),
      unit: '',
    }),
    {
      what: 'ways that a GPU is said not to hold and does, with 1 GiB free',
      value: falseRefusals(comparisons),
      unit: '',
    },
  ];
}

/** Each way to run a model on each GPU: whether it is said to hold it, and the bytes that are left by gguf-parser-go. */
function onEachGpu(comparisons: Comparison[]): { fits: boolean; leftBytes: number }[] {
  return comparisons
    .filter(({ place }) => place === 'GPU')
    .flatMap((comparison) =>
      (Object.keys(gpus) as GpuType[]).map((type) => {
        const { kind } = verdictOf(comparison.model.facts, comparison.shape, type);
        const leftBytes = gpus[type].memoryMiB * MiB - truthWithRuntime(comparison)[0]!;
        return { fits: kind === 'alone' || kind === 'shared', leftBytes };
      }),
    );
}

/** Ways to run a model that a GPU is said to hold, and does not by gguf-parser-go. */
export const falseFits = (comparisons: Comparison[]) =>
  onEachGpu(comparisons).filter(({ fits, leftBytes }) => fits && leftBytes < 0).length;

/** Ways that a GPU is said not to hold, and would with all that has to stay free. */
export const falseRefusals = (comparisons: Comparison[]) =>
  onEachGpu(comparisons).filter(({ fits, leftBytes }) => !fits && leftBytes >= gpuReserve).length;
