import type { ModelFacts } from '../model.ts';
import { batch, type CacheShape, cacheTokens, cacheTypeOf } from './cache.ts';
import { bytesOf } from './ggml.ts';
import { MiB } from './units.ts';
import { largestTensors } from './weights.ts';

/**
 * Buffers that a runner computes in, with flash attention. What is alive at the same time while a batch goes through a layer
 * was read from llama.cpp's allocator by gguf-parser-go (file_estimate__llamacpp.go, v0.28.1); these are its figures for models
 * whose layers are all of attention, dense or a mixture of experts.
 *
 * Where llama.cpp differs: until June 2026 it had room on the GPU for the likelihoods of all tokens of a batch (vocabulary × 512 × 4
 * bytes, 251 MiB for llama3), since then for those of one token of each request
 * (https://github.com/ggml-org/llama.cpp/pull/23861). gguf-parser-go counts those of all on the host, twice, and so does this:
 * that leaves room for the larger batches that Ollama takes where it sees memory to spare, and a pod's limit is not to be found
 * too low. What fits a GPU has a GiB left (see fit.ts).
 */

const f32 = (...shape: number[]) => 4 * shape.reduce((a, b) => a * b, 1);
const f16 = (...shape: number[]) => 2 * shape.reduce((a, b) => a * b, 1);

/** Tokens that go through a layer at once. */
const tokensOf = (shape: CacheShape) => Math.min(batch, cacheTokens(shape));

/** Bytes of the cache of one layer with full attention. */
function layerCache(facts: ModelFacts, shape: CacheShape): number {
  const width = facts.kvHeads * (facts.headDim + (facts.valueHeadDim ?? facts.headDim));
  return bytesOf(cacheTypeOf(shape), width * cacheTokens(shape));
}

/**
 * Bytes that a GPU computes in. `split`: some layers stay on the host, whose weights and cache go to the GPU one layer at a time
 * whenever a batch is large.
 */
export function gpuComputeBytes(facts: ModelFacts, shape: CacheShape, split: boolean): number {
  const { embedding, heads, kvHeads, headDim, valueHeadDim = headDim, slidingWindow } = facts;
  const tokens = tokensOf(shape);
  const cached = cacheTokens(shape);
  const residual = f32(embedding.width, tokens);
  const query = f32(headDim * heads, tokens);
  const keysAndValues = f32((headDim + valueHeadDim) * kvHeads, tokens);
  const mask = f16(cached, tokens) * (slidingWindow ? 2 : 1);
  // A cache that is quantised is unpacked to f16 for the layer that reads it.
  const unpacked = cacheTypeOf(shape) === 'F16' ? 0 : f16((headDim + valueHeadDim) * kvHeads, cached);
  const attended = f32(valueHeadDim * heads, tokens) + unpacked;
  const staged = split ? stagedOf(facts, shape, keysAndValues) : undefined;
  const atAttention =
    3 * residual +
    query +
    keysAndValues +
    mask +
    attended +
    (staged ? staged.cache + staged.attention + keysAndValues : 0);
  const atFeedForward =
    4 * residual +
    query +
    mask +
    (facts.experts ? expertActivations(facts, tokens, staged) : denseActivations(facts, tokens, residual, staged)) +
    (slidingWindow ? attended : 0);
  return inputBytes(facts, shape) + Math.max(atAttention, atFeedForward);
}

/** What is copied from the host for one of its layers. */
interface Staged {
  cache: number;
  keysAndValues: number;
  attention: number;
  feedForward: number;
}

function stagedOf(facts: ModelFacts, shape: CacheShape, keysAndValues: number): Staged {
  return { cache: layerCache(facts, shape), keysAndValues, ...largestTensors(facts) };
}

/** What the copies leave unused beneath a row of activations, each at most that row. */
const stranded = ({ cache, attention, feedForward }: Staged, row: number) =>
  Math.min(cache, row) + Math.min(attention, row) + 2 * Math.min(feedForward, row);

function denseActivations({ feedForward }: ModelFacts, tokens: number, residual: number, staged?: Staged): number {
  const row = f32(feedForward, tokens);
  if (!staged) return 3 * row;
  const atDown = row + staged.feedForward + staged.attention + residual + staged.keysAndValues;
  return Math.max(3 * row + stranded(staged, row), atDown);
}

function expertActivations({ experts, embedding, feedForward }: ModelFacts, tokens: number, staged?: Staged): number {
  const { count, used } = experts!;
  const row = f32(feedForward, used, tokens);
  const down = f32(embedding.width, used, tokens);
  const rows = 3 * row + (down > 2 * row ? down : 0);
  const router = f32(count, embedding.width) + f32(count, tokens);
  if (!staged) return router + rows;
  const atDown = row + staged.feedForward + staged.attention + down + staged.keysAndValues;
  return router + Math.max(rows + stranded(staged, row), atDown);
}

/** What comes into the graph with each batch: embeddings, positions, and which token sees which. */
function inputBytes({ embedding }: ModelFacts, shape: CacheShape): number {
  const tokens = tokensOf(shape);
  return f32(embedding.width, tokens) + f32(tokens) + f32(cacheTokens(shape), tokens);
}

/** Bytes of a word of the vocabulary on the host: its text, its number, and the pairs that it is merged from. */
const perWord = 400;

/**
 * Bytes that the host computes in, beside what any runner takes: vocabulary, graph, likelihoods of a batch. With layers on a GPU,
 * it computes a batch of the others as well.
 */
export function hostComputeBytes(facts: ModelFacts, shape: CacheShape, gpuLayers: number): number {
  const { embedding, feedForward, experts } = facts;
  const tokens = tokensOf(shape);
  const likelihoods = f32(embedding.width + embedding.vocabulary, tokens);
  const graph = 12 * MiB + embedding.vocabulary * perWord;
  const routed = experts
    ? f32(experts.count, embedding.width) + f32(experts.count, tokens) + f32(embedding.width, experts.used, tokens)
    : f32(2 * feedForward, tokens);
  const layer = layerCache(facts, shape) + (gpuLayers > 0 ? routed + f32(2 * embedding.width, tokens) : 0);
  return graph + likelihoods + inputBytes(facts, shape) + f32(tokens) + Math.max(layer, likelihoods);
}

/** Copies of what comes in that several GPUs in turn keep, so that none waits for another; fewer for a mixture of experts. */
export function pipelineBytes(facts: ModelFacts, shape: CacheShape): number {
  return (facts.experts ? 1 : 3) * inputBytes(facts, shape);
}
