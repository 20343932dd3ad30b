import { type GpuType, gpus } from '../gpus.ts';
import { fits, needOf } from '../memory/fit.ts';
import { GB, MiB } from '../memory/units.ts';
import type { ModelFacts, Serving } from '../model.ts';

/** Context that a model is given to begin with, as far as it was trained on as much. */
const firstContext = 8192;
/** The largest model that is served on CPUs unless somebody decides otherwise, in GB with all it takes. */
const onCpus = 8;

/**
 * How a new model is served to begin with: on CPUs where it is small, else on the smallest GPU that holds it, or on the fewest of the
 * largest. Whoever adds it goes on from there. Throws in one line where no GPUs that there are hold it.
 */
export function firstServing(facts: ModelFacts): Serving {
  const shape = { context: Math.min(firstContext, facts.trainedContext), parallel: 1 };
  const rest = { replicas: { min: 1, max: 2 }, cpu: 2, priority: 'standard' } as const;
  const alone = Math.ceil(needOf([facts], shape, 0).host / GB);
  if (alone <= onCpus) return { ...shape, ...rest, memoryGB: alone };
  for (const count of [1, 2, 4, 8]) {
    const need = needOf([facts], shape, count);
    const types = Object.keys(gpus) as GpuType[];
    const type = types.find((name) =>
      fits(need, { gpuBytes: gpus[name].memoryMiB * MiB, gpuCount: count, hostBytes: Number.POSITIVE_INFINITY }),
    );
    // Its weights pass through the page cache, which the limit on memory counts too.
    const memoryGB = Math.ceil(Math.max(need.host / GB, Math.min(facts.sizeGB, 2 * onCpus)));
    if (type) return { ...shape, ...rest, memoryGB, gpu: { type, count } };
  }
  throw new Error(`takes more than eight of the largest GPUs have (${facts.sizeGB} GB of weights)`);
}
