import path from 'node:path';
import type { GgmlType } from '../../generator/memory/ggml.ts';
import type { PublishedModel } from '../../generator/memory/published.ts';
import { divides } from '../../generator/memory/weights.ts';
import type { ModelFacts } from '../../generator/model.ts';
import { type GgufValue, string, type Tensor, u32, writeHollow } from './gguf.ts';

/**
 * Published models as GGUF files without data: the metadata and the tensors (names, shapes, types) that llama.cpp's converter and
 * quantiser give them (convert_hf_to_gguf.py, llama-quant.cpp), in a file as long as the real one that takes a few MB on the disk.
 */

export interface HollowModel {
  /** Path of the model, and of what reads images for it. */
  file: string;
  projector?: string;
  /** Length of the two together in bytes: what is downloaded. */
  bytes: number;
}

/** Writes a published model into a folder. */
export async function writeHollowModel(folder: string, model: PublishedModel): Promise<HollowModel> {
  const name = model.facts.name.replace(':', '-');
  const file = path.join(folder, `${name}.gguf`);
  const bytes = await writeHollow(file, metadataOf(model), tensorsOf(model));
  if (!model.facts.vision) return { file, bytes };
  const projector = path.join(folder, `${name}-mmproj.gguf`);
  const seeing = await writeHollow(projector, siglip.metadata, siglipTensors(model.facts.embedding.width));
  return { file, projector, bytes: bytes + seeing };
}

function metadataOf({ architecture, facts }: PublishedModel): Record<string, GgufValue> {
  const { embedding, experts, slidingWindow } = facts;
  const own: Record<string, number> = {
    context_length: facts.trainedContext,
    embedding_length: embedding.width,
    block_count: facts.layers,
    feed_forward_length: facts.feedForward,
    'attention.head_count': facts.heads,
    'attention.head_count_kv': facts.kvHeads,
    'attention.key_length': facts.headDim,
    'attention.value_length': facts.valueHeadDim ?? facts.headDim,
    vocab_size: embedding.vocabulary,
    ...(experts && {
      expert_count: experts.count,
      expert_used_count: experts.used,
      expert_feed_forward_length: facts.feedForward,
    }),
    ...(slidingWindow && { 'attention.sliding_window': slidingWindow.tokens }),
  };
  const words = Array.from({ length: embedding.vocabulary }, (_, id) => `word${id}`);
  return {
    'general.architecture': string(architecture),
    'general.name': string(facts.name),
    'general.license': string(facts.licence),
    'general.file_type': u32(fileTypes[facts.quantisation]!),
    ...Object.fromEntries(Object.entries(own).map(([key, value]) => [`${architecture}.${key}`, u32(value)])),
    'tokenizer.ggml.model': string('gpt2'),
    'tokenizer.ggml.tokens': { type: 'strings', value: words },
    // Each word but the letters is merged of two; what most vocabularies come to.
    'tokenizer.ggml.merges': { type: 'strings', value: words.map((word) => `${word} x`) },
  };
}

/** Numbers of `general.file_type` (llama_ftype in llama.h). */
const fileTypes: Partial<Record<ModelFacts['quantisation'], number>> = { Q4_0: 2, Q8_0: 7, Q4_K_M: 15, MXFP4: 38 };

function tensorsOf(model: PublishedModel): Tensor[] {
  const { embedding } = model.facts;
  const table = [embedding.width, embedding.vocabulary];
  return [
    { name: 'token_embd.weight', shape: table, type: embedding.input },
    ...Array.from({ length: model.facts.layers }, (_, layer) => layerOf(model, layer)).flat(),
    { name: 'output_norm.weight', shape: [embedding.width], type: 'F32' },
    ...(embedding.output ? [{ name: 'output.weight', shape: table, type: embedding.output }] : []),
  ];
}

function layerOf({ architecture, facts, tensors: others = {} }: PublishedModel, layer: number): Tensor[] {
  const { heads, kvHeads, headDim, feedForward, experts } = facts;
  const { width } = facts.embedding;
  const [queries, keys] = [heads * headDim, kvHeads * headDim];
  const tensors: Tensor[] = [];
  const add = (kind: string, shape: number[]) => {
    const name = `blk.${layer}.${kind}`;
    const type = others[kind.split('.')[0]!] ?? typeOf(kind, shape, layer, facts);
    tensors.push({ name, shape, type: shape.length === 1 ? 'F32' : type });
  };
  const weight = (kind: string, ...shape: number[]) => add(`${kind}.weight`, shape);
  const bias = (kind: string, ...shape: number[]) => add(`${kind}.bias`, shape);

  weight('attn_norm', width);
  if (architecture === 'phi3') {
    weight('attn_qkv', width, queries + 2 * keys);
  } else {
    for (const [kind, out] of [
      ['attn_q', queries],
      ['attn_k', keys],
      ['attn_v', keys],
    ] as const) {
      weight(kind, width, out);
      if (architecture === 'qwen2' || architecture === 'gpt-oss') bias(kind, out);
    }
  }
  if (architecture.startsWith('qwen3') || architecture === 'gemma3') {
    weight('attn_q_norm', headDim);
    weight('attn_k_norm', headDim);
  }
  weight('attn_output', queries, width);
  if (architecture === 'gpt-oss') {
    bias('attn_output', width);
    weight('attn_sinks', heads);
  }
  if (architecture === 'gemma3' || architecture === 'gpt-oss') weight('post_attention_norm', width);
  if (architecture !== 'gpt-oss') weight('ffn_norm', width);
  if (architecture === 'gemma3') weight('post_ffw_norm', width);

  if (experts) {
    weight('ffn_gate_inp', width, experts.count);
    if (architecture === 'gpt-oss') bias('ffn_gate_inp', experts.count);
    for (const [kind, from, to] of [
      ['ffn_gate_exps', width, feedForward],
      ['ffn_up_exps', width, feedForward],
      ['ffn_down_exps', feedForward, width],
    ] as const) {
      weight(kind, from, to, experts.count);
      if (architecture === 'gpt-oss') bias(kind, to, experts.count);
    }
  } else if (architecture === 'phi3') {
    weight('ffn_up', width, 2 * feedForward);
    weight('ffn_down', feedForward, width);
  } else {
    weight('ffn_gate', width, feedForward);
    weight('ffn_up', width, feedForward);
    weight('ffn_down', feedForward, width);
  }
  return tensors;
}

/** The type that a mix gives to a tensor of a layer (llama_tensor_get_type in llama-quant.cpp). */
function typeOf(kind: string, [row]: number[], layer: number, { quantisation, layers }: ModelFacts): GgmlType {
  if (kind.startsWith('ffn_gate_inp') || kind.endsWith('.bias')) return 'F32';
  switch (quantisation) {
    case 'MXFP4':
      return kind.includes('_exps') ? 'MXFP4' : 'BF16';
    case 'Q4_0':
    case 'Q8_0':
      return quantisation;
    case 'Q4_K_M':
      return fallback(mixedQ4(kind, layer, layers), row!);
    default:
      throw new Error(`${quantisation}: no model of it is published here`);
  }
}

/** More bits for what errors tell in most: values and the way down, in the first and last eighth and in each third layer between. */
function mixedQ4(kind: string, layer: number, layers: number): GgmlType {
  if (kind === 'attn_qkv.weight') return 'Q5_K';
  const eighth = Math.floor(layers / 8);
  const more = layer < eighth || layer >= Math.floor((7 * layers) / 8) || (layer - eighth) % 3 === 2;
  return more && /^(attn_v|ffn_down)/.test(kind) ? 'Q6_K' : 'Q4_K';
}

/** What is taken where rows cannot be cut into blocks of 256. */
function fallback(type: GgmlType, row: number): GgmlType {
  if (divides(type, row)) return type;
  return type === 'Q6_K' ? 'Q8_0' : 'Q5_0';
}

/** SigLIP in F16 with 4,096 patches of 14 × 14 pixels, as google/gemma-3-12b-it has it (vision_config of its config.json). */
const siglip = {
  width: 1152,
  feedForward: 4304,
  layers: 27,
  metadata: {
    'general.architecture': string('clip'),
    'clip.has_vision_encoder': { type: 'bool', value: 1 },
    'clip.projector_type': string('gemma3'),
    'clip.vision.image_size': u32(896),
    'clip.vision.patch_size': u32(14),
    'clip.vision.embedding_length': u32(1152),
    'clip.vision.feed_forward_length': u32(4304),
    'clip.vision.block_count': u32(27),
    'clip.vision.attention.head_count': u32(16),
    'clip.vision.projection_dim': u32(1152),
    'clip.vision.projector.scale_factor': u32(4),
  } satisfies Record<string, GgufValue>,
};

function siglipTensors(textWidth: number): Tensor[] {
  const { width, feedForward, layers } = siglip;
  const tensors: Tensor[] = [];
  const add = (name: string, ...shape: number[]) =>
    tensors.push({ name, shape, type: shape.length === 1 || name.includes('embd') ? 'F32' : 'F16' });
  add('v.patch_embd.weight', 14, 14, 3, width);
  add('v.patch_embd.bias', width);
  add('v.position_embd.weight', width, 4096);
  for (let layer = 0; layer < layers; layer++) {
    const linear = (kind: string, from: number, to: number) => {
      add(`v.blk.${layer}.${kind}.weight`, from, to);
      add(`v.blk.${layer}.${kind}.bias`, to);
    };
    for (const kind of ['attn_q', 'attn_k', 'attn_v', 'attn_out']) linear(kind, width, width);
    linear('ffn_down', width, feedForward);
    linear('ffn_up', feedForward, width);
    for (const kind of ['ln1', 'ln2']) {
      add(`v.blk.${layer}.${kind}.weight`, width);
      add(`v.blk.${layer}.${kind}.bias`, width);
    }
  }
  add('v.post_ln.weight', width);
  add('v.post_ln.bias', width);
  add('mm.input_projection.weight', textWidth, width);
  add('mm.soft_emb_norm.weight', width);
  return tensors;
}
