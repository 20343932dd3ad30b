import { describe, expect, it } from 'vitest';
import { type GgufValue, ggufHeader, string, type Tensor, tensorBytes, u32 } from '../../ci/testing/gguf.ts';
import { publishedModels } from '../memory/published.ts';
import { factsOf } from './facts.ts';
import { readHeader } from './header.ts';
import { firstServing } from './serving.ts';

const published = await publishedModels();

const tensors: Tensor[] = [
  { name: 'token_embd.weight', shape: [256, 1000], type: 'Q4_K' },
  { name: 'blk.0.ffn_up.weight', shape: [256, 512], type: 'Q4_K' },
];
const metadata: Record<string, GgufValue> = {
  'general.architecture': string('llama'),
  'llama.context_length': u32(4096),
  'llama.embedding_length': u32(256),
  'llama.block_count': u32(1),
  'llama.feed_forward_length': u32(512),
  'llama.attention.head_count': u32(4),
};

async function factsWith(change: Record<string, GgufValue>, { cut = 0, without = '', more = [] as Tensor[] } = {}) {
  const all = Object.fromEntries(Object.entries({ ...metadata, ...change }).filter(([key]) => key !== without));
  const header = ggufHeader(all, [...tensors, ...more]);
  const data = [...tensors, ...more].reduce((sum, tensor) => sum + tensorBytes(tensor), 0);
  const bytes = Buffer.concat([header, Buffer.alloc(data)]);
  const source = {
    size: bytes.length - cut,
    read: async (from: number, length: number) => bytes.subarray(from, from + length),
    async [Symbol.asyncDispose]() {},
  };
  return factsOf(await readHeader(source));
}

describe('facts', () => {
  it('that a header leaves out are what llama.cpp takes for them', async () => {
    expect(await factsWith({})).toMatchObject({
      kvHeads: 4,
      headDim: 64,
      quantisation: 'IQ4_XS',
      embedding: { input: 'Q4_K' },
    });
  });

  it('of layers that differ are those of the largest', async () => {
    const heads: GgufValue = { type: 'i32s', value: [1, 2, 4] };
    expect(await factsWith({ 'llama.attention.head_count_kv': heads })).toMatchObject({ kvHeads: 4 });
  });

  it('tell which layers look back over a window, by period or one by one', async () => {
    const windowed = { 'llama.attention.sliding_window': u32(512) };
    expect(await factsWith(windowed)).not.toHaveProperty('slidingWindow');
    const period = { 'llama.attention.sliding_window_pattern': u32(4) };
    expect(await factsWith({ ...windowed, ...period })).toMatchObject({ slidingWindow: { tokens: 512, every: 4 } });
  });

  it('count what reads images in the same file', async () => {
    const seeing: Tensor = { name: 'v.blk.0.attn_q.weight', shape: [1024, 1024], type: 'F16' };
    expect(await factsWith({}, { more: [seeing] })).toMatchObject({ vision: { sizeGB: 0.0021, computeMiB: 1024 } });
  });

  it.each<[string, Record<string, GgufValue>, Parameters<typeof factsWith>[1], RegExp]>([
    [
      'a part of a model',
      { 'split.count': u32(3) },
      {},
      /^is one of 3 parts, and Ollama wants one file: join them with llama-gguf-split --merge$/,
    ],
    ['an adapter', { 'general.type': string('adapter') }, {}, /^is an adapter/],
    ['a model that embeds', { 'llama.pooling_type': u32(1) }, {}, /^embeds texts/],
    ['a model that keeps a state', { 'llama.ssm.state_size': u32(16) }, {}, /^keeps a state instead of a cache/],
    [
      'a model that compresses its cache',
      { 'llama.attention.kv_lora_rank': u32(512) },
      {},
      /^keeps a compressed cache/,
    ],
    ['a model without an architecture', {}, { without: 'general.architecture' }, /^does not say which architecture/],
    ['a model without layers', {}, { without: 'llama.block_count' }, /^has no llama\.block_count/],
    ['a model that says 0', { 'llama.embedding_length': u32(0) }, {}, /^has no llama\.embedding_length/],
    ['a download that broke off', {}, { cut: 1000 }, /^is cut off: it has \d+ bytes of \d+: download it again$/],
  ])('are refused of %s', async (_what, change, options, problem) => {
    await expect(factsWith(change, options)).rejects.toThrow(problem);
  });
});

describe('a new model is served to begin with', () => {
  const serving = (name: string) => firstServing(published.get(name)!.facts);

  it('on CPUs where it is small, else on the smallest GPU that holds it', () => {
    expect(serving('llama3.2:3b')).toMatchObject({ context: 8192, memoryGB: 5 });
    expect(serving('llama3.2:3b')).not.toHaveProperty('gpu');
    expect(serving('gpt-oss:20b')).toMatchObject({ gpu: { type: 'T4', count: 1 } });
    expect(serving('llama3:70b')).toMatchObject({ gpu: { type: 'L40S', count: 1 } });
  });

  it('on as few GPUs as hold it where one does not, and refused where eight do not', () => {
    const large = (sizeGB: number) => ({ ...published.get('llama3:70b')!.facts, sizeGB });
    expect(firstServing(large(140))).toMatchObject({ gpu: { type: 'A100', count: 2 } });
    expect(() => firstServing(large(900))).toThrow(/^takes more than eight of the largest GPUs have/);
  });
});
