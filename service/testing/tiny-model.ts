import { numbersFrom } from '../../ci/testing/random.ts';

/**
 * A llama of 0.4 MB with random weights, as a GGUF file: whatever it says is nonsense, but Ollama serves it as it does a
 * real one, in no time. The format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
 */

const alignment = 32;
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

type Value =
  | { type: 'u32' | 'f32'; value: number }
  | { type: 'string'; value: string }
  | { type: 'strings'; value: string[] }
  | { type: 'f32s' | 'i32s'; value: number[] };

const u32 = (value: number): Value => ({ type: 'u32', value });
const string = (value: string): Value => ({ type: 'string', value });

const metadata: Record<string, Value> = {
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

const tensors: [string, number[]][] = [
  ['token_embd.weight', [width, tokens.length]],
  ...Array.from({ length: layers }, (_, n) => block(n)).flat(),
  ['output_norm.weight', [width]],
  ['output.weight', [width, tokens.length]],
];

/** The file. The same seed makes the same model, another one makes another. One that embeds does nothing else. */
export function tinyModel(seed = 1, { embeds = false } = {}): Buffer<ArrayBuffer> {
  const random = numbersFrom(seed);
  const all = embeds ? { ...metadata, 'llama.pooling_type': u32(1) } : metadata;
  const sizes = tensors.map(([, shape]) => 4 * shape.reduce((a, b) => a * b));
  const header = [Buffer.from('GGUF'), int(3), long(tensors.length), long(Object.keys(all).length)];
  for (const [key, value] of Object.entries(all)) header.push(text(key), encode(value));
  let offset = 0;
  for (const [index, [name, shape]] of tensors.entries()) {
    header.push(text(name), int(shape.length), ...shape.map(long), int(0), long(offset));
    offset += padded(sizes[index]!);
  }
  const parts = [pad(Buffer.concat(header))];
  for (const [index, [name]] of tensors.entries()) {
    const values = new Float32Array(sizes[index]! / 4);
    // Without weight for the control tokens, of which one ends the answer, none of them is ever the likeliest: at
    // temperature 0 the model says as much as it is asked for.
    const from = name === 'output.weight' ? 3 * width : 0;
    for (let at = from; at < values.length; at++) values[at] = name.includes('norm') ? 1 : (random() - 0.5) / 4;
    parts.push(pad(Buffer.from(values.buffer)));
  }
  return Buffer.concat(parts);
}

const padded = (size: number) => Math.ceil(size / alignment) * alignment;
const pad = (buffer: Buffer) => Buffer.concat([buffer, Buffer.alloc(padded(buffer.length) - buffer.length)]);

function int(value: number): Buffer {
  const buffer = Buffer.alloc(4);
  buffer.writeUInt32LE(value);
  return buffer;
}

function long(value: number): Buffer {
  const buffer = Buffer.alloc(8);
  buffer.writeBigUInt64LE(BigInt(value));
  return buffer;
}

function float(value: number): Buffer {
  const buffer = Buffer.alloc(4);
  buffer.writeFloatLE(value);
  return buffer;
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([long(bytes.length), bytes]);
}

function encode({ type, value }: Value): Buffer {
  const list = (element: number, items: Buffer[]) =>
    Buffer.concat([int(9), int(element), long(items.length), ...items]);
  switch (type) {
    case 'u32':
      return Buffer.concat([int(4), int(value)]);
    case 'f32':
      return Buffer.concat([int(6), float(value)]);
    case 'string':
      return Buffer.concat([int(8), text(value)]);
    case 'strings':
      return list(8, value.map(text));
    case 'f32s':
      return list(6, value.map(float));
    case 'i32s':
      return list(5, value.map(int));
  }
}
