import type { ModelFacts, Serving } from '../model.ts';
import { type CacheShape, kvCacheBytes } from './cache.ts';
import { gpuComputeBytes, hostComputeBytes, pipelineBytes } from './compute.ts';
import { MiB } from './units.ts';
import { weightsOf } from './weights.ts';

/** Bytes in one place (a GPU, or the host) by what they are for. */
export interface Part {
  weights: number;
  cache: number;
  compute: number;
  /** Of the process and its libraries, whatever the model. */
  runtime: number;
}

/** What a loaded model takes: on each of its GPUs, and in the memory of its pod. */
export interface Estimate {
  gpus: Part[];
  host: Part;
}

/**
 * Bytes that a runner takes before it has a model. On a GPU the context of CUDA: 457 MiB, what Ollama itself reckons with. The
 * host is granted as much for the processes: of Ollama 0.11.4 with a tiny model on a CPU they take 87 MiB, but a limit on memory
 * has to hold the libraries of CUDA, prompts and what an allocator does not give back as well.
 */
const gpuRuntime = 457 * MiB;
const hostRuntime = 457 * MiB;

/** Layers of a model as a runner counts those for a GPU: one more than it has, for what makes tokens of the last. */
export const allLayers = ({ layers }: Pick<ModelFacts, 'layers'>) => layers + 1;

/**
 * What one loaded model takes with so many layers on so many GPUs: all of them (`allLayers`), none, or the last ones, the
 * output first. Accurate to 5% of what gguf-parser-go says of the same model (`npm run bench -- plan`).
 */
export function estimate(facts: ModelFacts, shape: CacheShape, gpuLayers: number, gpuCount = 1): Estimate {
  const weights = weightsOf(facts);
  // The output is the first to go to a GPU, and the layers before it follow from the last to the first.
  const onGpu = Math.max(0, Math.min(gpuLayers - 1, facts.layers));
  const first = facts.layers - onGpu;
  const perLayer = weights.layers / facts.layers;
  const gpus: Part[] = [];
  if (gpuLayers > 0) {
    for (let index = 0; index < gpuCount; index++) {
      // llama.cpp gives a GPU the layers whose place in the sequence, the output's included, is in its share.
      const share = (part: number) => Math.min(first + Math.ceil((part * (onGpu + 1)) / gpuCount), facts.layers);
      const [from, to] = [share(index), share(index + 1)];
      const last = index === gpuCount - 1;
      gpus.push({
        weights: (to - from) * perLayer + (last ? weights.output : 0) + (index === 0 ? weights.vision : 0),
        cache: kvCacheBytes(facts, shape, from, to),
        compute:
          gpuComputeBytes(facts, shape, onGpu < facts.layers) +
          (gpuCount > 1 ? pipelineBytes(facts, shape) : 0) +
          (index === 0 ? (facts.vision?.computeMiB ?? 0) * MiB : 0),
        runtime: gpuRuntime,
      });
    }
  }
  const hostWeights = gpuLayers > 0 ? weights.input + first * perLayer : weights.file;
  const host: Part = {
    weights: hostWeights,
    cache: kvCacheBytes(facts, shape, 0, first),
    compute: hostComputeBytes(facts, shape, gpuLayers) + (gpuLayers > 0 ? 0 : (facts.vision?.computeMiB ?? 0) * MiB),
    runtime: hostRuntime,
  };
  return { gpus, host };
}

export const totalBytes = ({ weights, cache, compute, runtime }: Part) => weights + cache + compute + runtime;

/**
 * Bytes that one loaded model takes where it computes: on all of its GPUs together, or in the pod's memory where it has none.
 */
export function loadedBytes(facts: ModelFacts, serving: CacheShape & Pick<Serving, 'gpu'>): number {
  if (!serving.gpu) return totalBytes(estimate(facts, serving, 0).host);
  const { gpus } = estimate(facts, serving, allLayers(facts), serving.gpu.count);
  return gpus.reduce((sum, part) => sum + totalBytes(part), 0);
}

/** Bytes of the pod's memory that a loaded model needs which is whole on its GPUs. The weights in it are read once, and not kept. */
export function hostBytesBesideGpu(facts: ModelFacts, shape: CacheShape): number {
  return totalBytes(estimate(facts, shape, allLayers(facts)).host);
}
