import { type GpuType, gpus } from '../gpus.ts';
import type { ModelFacts } from '../model.ts';
import type { CacheShape } from './cache.ts';
import { fits, needOf, type Place } from './fit.ts';
import { type Quantisation, quantisations } from './quantisations.ts';
import { GB, MiB } from './units.ts';
import { divides } from './weights.ts';

/** What does not fit: the models of a server, how they are served, and where. */
export interface Misfit {
  models: ModelFacts[];
  shape: CacheShape;
  gpu?: { type: GpuType; count: number };
  memoryGB: number;
}

/**
 * Changes of which each alone would make it fit, the one that takes least away first: a smaller cache (flash attention, which it
 * needs, is on wherever the generator decides), less context, fewer requests at a time, coarser weights, a larger machine.
 * In words that fit behind `: `. Empty where no single change helps.
 */
export function changesThatFit(misfit: Misfit): string[] {
  return [smallerCache, lessContext, lessParallel, coarserWeights, largerMachine].flatMap((change) => {
    const found = change(misfit);
    return found === undefined ? [] : [found];
  });
}

function placeOf({ gpu, memoryGB }: Pick<Misfit, 'gpu' | 'memoryGB'>): Place {
  return {
    gpuBytes: gpu ? gpus[gpu.type].memoryMiB * MiB : 0,
    gpuCount: gpu?.count ?? 0,
    hostBytes: memoryGB * GB,
  };
}

/** Whether it would fit with some of it changed. */
function would(misfit: Misfit, change: Partial<Misfit>): boolean {
  const changed = { ...misfit, ...change };
  return fits(needOf(changed.models, changed.shape, changed.gpu?.count ?? 0), placeOf(changed));
}

const withShape = ({ shape }: Misfit, change: Partial<CacheShape>) => ({ shape: { ...shape, ...change } });

function smallerCache(misfit: Misfit): string | undefined {
  if ((misfit.shape.kvCacheType ?? 'f16') !== 'f16') return undefined;
  const widths = misfit.models.flatMap(({ headDim, valueHeadDim = headDim }) => [headDim, valueHeadDim]);
  if (!widths.every((width) => divides('Q8_0', width))) return undefined;
  return would(misfit, withShape(misfit, { kvCacheType: 'q8_0' })) ? "set kvCacheType to 'q8_0'" : undefined;
}

function lessContext(misfit: Misfit): string | undefined {
  const step = 1024;
  for (let context = Math.ceil(misfit.shape.context / step) * step - step; context >= step; context -= step) {
    if (would(misfit, withShape(misfit, { context }))) return `lower context to ${context}`;
  }
  return undefined;
}

function lessParallel(misfit: Misfit): string | undefined {
  for (let parallel = misfit.shape.parallel - 1; parallel >= 1; parallel--) {
    if (would(misfit, withShape(misfit, { parallel }))) return `lower parallel to ${parallel}`;
  }
  return undefined;
}

/** Others of the usual steps between quality and size; not of what was trained in few bits, which has no others. */
const steps: Quantisation[] = ['Q8_0', 'Q6_K', 'Q5_K_M', 'Q4_K_M', 'Q3_K_M', 'Q2_K'];

function coarserWeights(misfit: Misfit): string | undefined {
  const [facts, ...others] = misfit.models;
  if (!facts || others.length > 0 || facts.quantisation === 'MXFP4') return undefined;
  for (const step of steps) {
    if (quantisations[step].bits >= quantisations[facts.quantisation].bits) continue;
    const coarser = asQuantised(facts, step);
    if (would(misfit, { models: [coarser] })) return `pull it in ${step} (about ${Math.ceil(coarser.sizeGB)} GB)`;
  }
  return undefined;
}

/** A model in another quantisation, as far as that can be guessed: its size by the bits of a weight on average. */
function asQuantised(facts: ModelFacts, quantisation: Quantisation): ModelFacts {
  const ratio = quantisations[quantisation].bits / quantisations[facts.quantisation].bits;
  const { input: _input, output, ...table } = facts.embedding;
  const { widest } = quantisations[quantisation];
  return {
    ...facts,
    quantisation,
    sizeGB: facts.sizeGB * ratio,
    embedding: { ...table, input: widest, ...(output && { output: widest }) },
  };
}

function largerMachine(misfit: Misfit): string | undefined {
  const { gpu, memoryGB } = misfit;
  const need = needOf(misfit.models, misfit.shape, gpu?.count ?? 0);
  const enough = Math.max(memoryGB, Math.ceil(need.host / GB));
  const raise = enough > memoryGB ? `raise memoryGB to ${enough}` : '';
  if (!gpu || need.gpu <= placeOf(misfit).gpuBytes) return raise;
  const also = raise && ` and ${raise}`;
  const larger = (Object.keys(gpus) as GpuType[]).find((type) =>
    would(misfit, { gpu: { type, count: gpu.count }, memoryGB: enough }),
  );
  if (larger) return `take gpu.type '${larger}'${also}`;
  const counts = [2, 4, 8].filter((count) => count > gpu.count);
  for (const count of counts) {
    if (would(misfit, { gpu: { ...gpu, count }, memoryGB: enough })) return `take ${count} GPUs${also}`;
  }
  return undefined;
}
