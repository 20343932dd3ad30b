import { type GgufValue, ggufHeader, pad, string, type Tensor, tensorBytes, u32 } from '../../ci/testing/gguf.ts';
import { numbersFrom } from '../../ci/testing/random.ts';

/**
 * A llama of 0.4 MB with random weights, as a GGUF file: whatever it says is nonsense, but Ollama serves it as it does a
 * real one, in no time.
 */

const width = 64;
const heads = 4;
const layers = 2;
const feedForward = 128;

const words = ['▁the', '▁answer', '▁is', '▁a', '▁model', '▁and', '▁of', '▁it'];

/** Vocabulary: three control tokens, every byte, and a few words. */
const tokens = [
  ...['<unk>', '<s>', '</s>'],
  ...Array.from({ length: 256 }, (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`),
  ...words,
];
const tokenTypes = tokens.map((_, id) => (id === 0 ? 2 : id < 3 ? 3 : id < 259 ? 6 : 1));

const metadata: Record<string, GgufValue> = {
  'general.architecture': string('llama'),
  'general.file_type': u32(0),
  'llama.vocab_size': u32(tokens.length),
  'llama.context_length': u32(2048),
  'llama.embedding_length': u32(width),
  'llama.block_count': u32(layers),
  'llama.feed_forward_length': u32(feedForward),
  'llama.rope.dimension_count': u32(width / heads),
  'llama.attention.head_count': u32(heads),
  'llama.attention.head_count_kv': u32(heads),
  'llama.attention.layer_norm_rms_epsilon': { type: 'f32', value: 1e-5 },
  'tokenizer.ggml.model': string('llama'),
  'tokenizer.ggml.tokens': { type: 'strings', value: tokens },
  'tokenizer.ggml.scores': { type: 'f32s', value: tokens.map((_, id) => (id < 259 ? 0 : -1)) },
  'tokenizer.ggml.token_type': { type: 'i32s', value: tokenTypes },
  'tokenizer.ggml.unknown_token_id': u32(0),
  'tokenizer.ggml.bos_token_id': u32(1),
  'tokenizer.ggml.eos_token_id': u32(2),
};

const block = (n: number): [string, number[]][] => [
  [`blk.${n}.attn_norm.weight`, [width]],
  [`blk.${n}.attn_q.weight`, [width, width]],
  [`blk.${n}.attn_k.weight`, [width, width]],
  [`blk.${n}.attn_v.weight`, [width, width]],
  [`blk.${n}.attn_output.weight`, [width, width]],
  [`blk.${n}.ffn_norm.weight`, [width]],
  [`blk.${n}.ffn_gate.weight`, [width, feedForward]],
  [`blk.${n}.ffn_up.weight`, [width, feedForward]],
  [`blk.${n}.ffn_down.weight`, [feedForward, width]],
];

const tensors: Tensor[] = [
  ['token_embd.weight', [width, tokens.length]] as const,
  ...Array.from({ length: layers }, (_, n) => block(n)).flat(),
  ['output_norm.weight', [width]] as const,
  ['output.weight', [width, tokens.length]] as const,
].map(([name, shape]) => ({ name, shape: [...shape], type: 'F32' }));

/** The file. The same seed makes the same model, another one makes another. One that embeds does nothing else. */
export function tinyModel(seed = 1, { embeds = false } = {}): Buffer<ArrayBuffer> {
  const random = numbersFrom(seed);
  const all = embeds ? { ...metadata, 'llama.pooling_type': u32(1) } : metadata;
  const parts = [ggufHeader(all, tensors)];
  for (const tensor of tensors) {
    const { name } = tensor;
    const values = new Float32Array(tensorBytes(tensor) / 4);
    // Without weight for the control tokens, of which one ends the answer, none of them is ever the likeliest: at
    // temperature 0 the model says as much as it is asked for.
    const from = name === 'output.weight' ? 3 * width : 0;
    for (let at = from; at < values.length; at++) values[at] = name.includes('norm') ? 1 : (random() - 0.5) / 4;
    parts.push(pad(Buffer.from(values.buffer)));
  }
  return Buffer.concat(parts);
}
