import type { ModelFacts, Serving } from '../model.ts';
import { bytesOf, type GgmlType } from './ggml.ts';

/** The choices that the size of a cache follows from: context of one request, requests at the same time, type. */
export type CacheShape = Pick<Serving, 'context' | 'parallel' | 'kvCacheType'>;

/**
 * Tokens that the runner takes at once. Ollama starts it with as many (`num_batch`); where there is room to spare on a GPU it
 * may take up to four times that, which therefore decides on nothing (automaticGenerationBatch in Ollama's server/sched.go).
 */
export const batch = 512;

export const cacheTypes = { f16: 'F16', q8_0: 'Q8_0', q4_0: 'Q4_0' } as const satisfies Record<string, GgmlType>;

/** The type of a shape's cache; f16 unless it says otherwise. */
export const cacheTypeOf = ({ kvCacheType = 'f16' }: CacheShape): GgmlType => cacheTypes[kvCacheType];

/** Flash attention, which is on wherever the generator decides, works on this many tokens at a time. */
const cells = 256;
const padded = (tokens: number) => Math.ceil(tokens / cells) * cells;

/** Tokens that a cache of full attention has room for, of all requests together. */
export const cacheTokens = ({ context, parallel }: CacheShape) => padded(context * parallel);

/** Whether a layer looks back over a window alone. The layer that sees all of the context closes each group. */
export function isWindowed({ slidingWindow }: Pick<ModelFacts, 'slidingWindow'>, layer: number): boolean {
  return slidingWindow !== undefined && layer % slidingWindow.every < slidingWindow.every - 1;
}

/**
 * Tokens that the cache of a windowed layer has room for: the window and a batch, for each request, which llama.cpp keeps apart
 * (llama-kv-cache-iswa.cpp, without --kv-unified). gguf-parser-go takes one batch for all requests together: at parallel 4
 * it is 1,536 tokens short for gemma3.
 */
function windowTokens(window: number, shape: CacheShape): number {
  return Math.min(cacheTokens(shape), padded(window + batch) * shape.parallel);
}

export type CacheFacts = Pick<ModelFacts, 'layers' | 'kvHeads' | 'headDim' | 'valueHeadDim' | 'slidingWindow'>;

/**
 * Bytes of the key-value cache of some layers of a model, of all unless they are named: KV heads × (width of a key's head + of a
 * value's) × bytes of an element × tokens, which are context × parallel, or a window for layers that look no further.
 */
export function kvCacheBytes(facts: CacheFacts, shape: CacheShape, from = 0, to = facts.layers): number {
  const type = cacheTypeOf(shape);
  const perToken = facts.kvHeads * (facts.headDim + (facts.valueHeadDim ?? facts.headDim));
  let tokens = 0;
  for (let layer = from; layer < to; layer++) {
    tokens += isWindowed(facts, layer) ? windowTokens(facts.slidingWindow!.tokens, shape) : cacheTokens(shape);
  }
  return bytesOf(type, perToken * tokens);
}
