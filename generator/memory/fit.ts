import type { ModelFacts } from '../model.ts';
import type { CacheShape } from './cache.ts';
import { allLayers, type Estimate, estimate, totalBytes } from './estimate.ts';
import { GiB } from './units.ts';

/**
 * What llama.cpp leaves free of each GPU (`--fit-target`, 1024 MiB unless LLAMA_ARG_FIT_TARGET says otherwise): where it could
 * not, it takes layers off the GPU without a word. So a model fits that leaves as much.
 */
export const gpuReserve = GiB;

/** What loaded models take together at the same time, each a process of its own. */
export interface Need {
  /** Bytes of the GPU that takes most, what has to stay free included; 0 without a GPU. */
  gpu: number;
  /** Bytes of the pod's memory. */
  host: number;
  estimates: Estimate[];
}

/** What models (of different weights) take on so many GPUs, all layers of each, or on none. */
export function needOf(models: ModelFacts[], shape: CacheShape, gpuCount: number): Need {
  const estimates = models.map((facts) => estimate(facts, shape, gpuCount > 0 ? allLayers(facts) : 0, gpuCount));
  const host = estimates.reduce((sum, one) => sum + totalBytes(one.host), 0);
  const gpus = Array.from({ length: gpuCount }, (_, index) =>
    estimates.reduce((sum, one) => sum + totalBytes(one.gpus[index]!), gpuReserve),
  );
  return { gpu: Math.max(0, ...gpus), host, estimates };
}

/** Where models run: GPUs of so much memory each, and the pod's own, in bytes. */
export interface Place {
  gpuBytes: number;
  gpuCount: number;
  hostBytes: number;
}

export function fits({ gpu, host }: Pick<Need, 'gpu' | 'host'>, place: Place): boolean {
  return gpu <= place.gpuBytes && host <= place.hostBytes;
}
