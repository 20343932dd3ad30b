import type { ModelFacts, Serving } from './model.ts';

export const MiB = 2 ** 20;
export const GiB = 2 ** 30;
export const GB = 1e9;

/** Bytes of one cached element. q8_0 keeps 32 values in 34 bytes and q4_0 in 18 (ggml's block formats). */
const elementBytes = { f16: 2, q8_0: 34 / 32, q4_0: 18 / 32 } as const;

/** What a runner takes beside weights and cache: ~457 MiB of runtime and ~1 GiB of compute buffers. */
export const runnerOverheadBytes = 457 * MiB + GiB;

/**
 * Bytes of the key-value cache of one loaded model: 2 (keys and values) × layers × KV heads × head dimension × bytes of an
 * element × context × parallel. An upper bound for models that use a sliding window in some layers.
 */
export function kvCacheBytes(
  facts: Pick<ModelFacts, 'layers' | 'kvHeads' | 'headDim'>,
  serving: Pick<Serving, 'context' | 'parallel' | 'kvCacheType'>,
): number {
  const element = elementBytes[serving.kvCacheType ?? 'f16'];
  return 2 * facts.layers * facts.kvHeads * facts.headDim * element * serving.context * serving.parallel;
}

/** Bytes that one loaded model takes in all: weights, key-value cache, runtime and compute buffers. */
export function loadedBytes(facts: ModelFacts, serving: Serving): number {
  return facts.sizeGB * GB + kvCacheBytes(facts, serving) + runnerOverheadBytes;
}
