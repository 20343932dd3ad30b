import { describe, expect, it } from 'vitest';
import type { ModelFacts } from '../model.ts';
import gptOss from '../registry/gpt-oss.ts';
import llama from '../registry/llama.ts';
import qwen from '../registry/qwen.ts';
import { kvCacheBytes } from './cache.ts';
import { publishedModels } from './published.ts';
import { GiB, MiB } from './units.ts';

const published = await publishedModels();
const KiB = 1024;
const everywhere = ({ slidingWindow: _none, ...facts }: ModelFacts) => facts;

describe('the key-value cache', () => {
  // What these models take by published measurements, in KiB of f16 for a token.
  it.each([
    ['llama3:70b', llama.facts, 320],
    ['qwen2.5:32b', qwen.facts, 256],
    ['gpt-oss:20b, as far as it sees it all', everywhere(gptOss.facts), 48],
  ])('of %s takes as many bytes for a token as are known of it', (_name, facts, kib) => {
    expect(kvCacheBytes(facts, { context: 4096, parallel: 1 })).toBe(kib * KiB * 4096);
  });

  it('grows with context and with parallel alike', () => {
    const at = (context: number, parallel: number) => kvCacheBytes(llama.facts, { context, parallel });
    expect(at(8192, 1)).toBe(2.5 * GiB);
    expect(at(4096, 2)).toBe(at(8192, 1));
    expect(at(8192, 4)).toBe(4 * at(8192, 1));
  });

  it('has room for whole steps of 256 tokens', () => {
    const at = (context: number) => kvCacheBytes(llama.facts, { context, parallel: 1 });
    expect([at(1), at(257)]).toEqual([at(256), at(512)]);
  });

  it('is a little more than a half in q8_0, and than a quarter in q4_0', () => {
    const as = (kvCacheType: 'f16' | 'q8_0' | 'q4_0') =>
      kvCacheBytes(llama.facts, { context: 4096, parallel: 1, kvCacheType });
    expect(as('q8_0') / as('f16')).toBeCloseTo(0.53125, 10);
    expect(as('q4_0') / as('f16')).toBeCloseTo(0.28125, 10);
  });

  it('counts the heads of keys and of values each in their own width', () => {
    const narrow = { ...llama.facts, valueHeadDim: 64 };
    expect(kvCacheBytes(narrow, { context: 4096, parallel: 1 })).toBe(240 * KiB * 4096);
  });

  it('keeps a window and a batch in layers that look no further, for each request', () => {
    // 12 layers with all of the context and 12 with 128 + 512 tokens, 640 in steps of 256; 2 KiB a token and layer.
    const at = (context: number, parallel: number) => kvCacheBytes(gptOss.facts, { context, parallel }) / (2 * KiB);
    expect(at(8192, 1)).toBe(12 * 8192 + 12 * 768);
    expect(at(8192, 4)).toBe(12 * 32_768 + 12 * 4 * 768);
    expect(at(512, 1)).toBe(24 * 512);
  });

  it('of gemma3 has all of the context in each sixth layer alone', () => {
    const { facts } = published.get('gemma3:27b')!;
    // 62 layers make 10 whole groups of six; 16 heads of 128 make 8 KiB of keys and values a token.
    expect(kvCacheBytes(facts, { context: 32_768, parallel: 1 })).toBe((10 * 32_768 + 52 * 1536) * 8 * KiB);
  });

  it('of some layers is what those have', () => {
    const shape = { context: 8192, parallel: 1 };
    expect(kvCacheBytes(gptOss.facts, shape, 0, 12) + kvCacheBytes(gptOss.facts, shape, 12, 24)).toBe(
      kvCacheBytes(gptOss.facts, shape),
    );
    expect(kvCacheBytes(gptOss.facts, shape, 1, 2)).toBe(16 * MiB);
  });
});
