import type { ModelFacts } from '../model.ts';
import { bytesOf, type GgmlType, ggmlTypes } from './ggml.ts';
import { quantisations } from './quantisations.ts';
import { GB } from './units.ts';

/** Bytes of a model's weights by the part of it that they are of. */
export interface Weights {
  /** The table of embeddings. It stays in the host's memory. */
  input: number;
  /** All layers together. */
  layers: number;
  /** What makes tokens of the last layer; a second copy of the input where the model has none of its own. */
  output: number;
  /** What reads images, or 0. */
  vision: number;
  /** The size on disk, in which a model without an output of its own has its input once. */
  file: number;
}

export function weightsOf({ sizeGB, embedding, vision }: ModelFacts): Weights {
  const elements = embedding.width * embedding.vocabulary;
  const input = bytesOf(embedding.input, elements);
  const own = embedding.output ? bytesOf(embedding.output, elements) : 0;
  const seeing = (vision?.sizeGB ?? 0) * GB;
  const file = sizeGB * GB;
  return { input, output: own || input, vision: seeing, layers: file - input - own - seeing, file };
}

/** Bytes of the largest tensors of a layer: what is copied to the GPU, one layer at a time, where the host keeps some of them. */
export function largestTensors(facts: ModelFacts): { attention: number; feedForward: number } {
  const { embedding, heads, headDim, feedForward, experts, quantisation } = facts;
  const { widest } = quantisations[quantisation];
  // Experts apart, a mixture that was trained in MXFP4 has its tensors in BF16.
  const ofAttention: GgmlType = quantisation === 'MXFP4' ? 'BF16' : widest;
  return {
    attention: bytesOf(ofAttention, embedding.width * heads * headDim),
    feedForward: bytesOf(widest, embedding.width * feedForward * (experts?.count ?? 1)),
  };
}

/** Whether so many elements in a row can be stored as a type. */
export const divides = (type: GgmlType, row: number) => row % ggmlTypes[type].block === 0;
