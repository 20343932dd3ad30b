import { describe, expect, it } from 'vitest';
import { model } from '../ci/testing/registry.ts';
import { bases } from './bases.ts';
import { gpus } from './gpus.ts';
import { GB, GiB, kvCacheBytes, loadedBytes, MiB } from './memory.ts';
import gptOss from './registry/gpt-oss.ts';
import llama from './registry/llama.ts';
import qwen from './registry/qwen.ts';

const KiB = 1024;
const oneToken = { context: 1, parallel: 1 };

describe('the key-value cache', () => {
  // What these models take by published measurements, in KiB of f16 for a token.
  it.each([
    ['llama3:70b', llama.facts, 320],
    ['qwen2.5:32b', qwen.facts, 256],
    ['gpt-oss:20b', gptOss.facts, 48],
    ['gpt-oss:120b', { layers: 36, kvHeads: 8, headDim: 64 }, 72],
  ])('of %s takes as many bytes for a token as are known of it', (_name, facts, kib) => {
    expect(kvCacheBytes(facts, oneToken)).toBe(kib * KiB);
  });

  it('grows with context and with parallel alike', () => {
    const at = (context: number, parallel: number) => kvCacheBytes(llama.facts, { context, parallel });
    expect(at(8192, 1)).toBe(2.5 * GiB);
    expect(at(4096, 2)).toBe(at(8192, 1));
    expect(at(8192, 4)).toBe(4 * at(8192, 1));
  });

  it('is a little more than a half in q8_0, and than a quarter in q4_0', () => {
    const as = (kvCacheType: 'f16' | 'q8_0' | 'q4_0') => kvCacheBytes(llama.facts, { ...oneToken, kvCacheType });
    expect(as('q8_0') / as('f16')).toBeCloseTo(0.53125, 10);
    expect(as('q4_0') / as('f16')).toBeCloseTo(0.28125, 10);
  });
});

describe('a loaded model', () => {
  it('takes its weights, its cache, 457 MiB of runtime and 1 GiB of buffers', () => {
    const { facts, serving } = model({ sizeGB: 2, layers: 1, kvHeads: 1, headDim: 1 }, { context: 1000 });
    expect(loadedBytes(facts, serving)).toBe(2 * GB + 4000 + 457 * MiB + GiB);
  });

  // What is known of which GPU holds what: FACTS of the requirements, at the least useful context.
  const fits = (facts: typeof llama.facts, gpu: keyof typeof gpus, count = 1) =>
    loadedBytes(facts, model({}, { context: 2048 }).serving) <= gpus[gpu].memoryMiB * MiB * count;

  it('of 70b fits 48 GB and not 24, of 32b fits 24 and not 16, of gpt-oss:20b fits 16', () => {
    expect([fits(llama.facts, 'L40S'), fits(llama.facts, 'L4')]).toEqual([true, false]);
    expect([fits(qwen.facts, 'L4'), fits(qwen.facts, 'A10G'), fits(qwen.facts, 'T4')]).toEqual([true, true, false]);
    expect([fits(gptOss.facts, 'T4'), fits(gptOss.facts, 'V100')]).toEqual([true, true]);
  });

  it('of gpt-oss:120b fits 80 GB and four of 24, and not 48', () => {
    const big = { ...gptOss.facts, sizeGB: 65, layers: 36 };
    expect([fits(big, 'A100'), fits(big, 'H100'), fits(big, 'L4', 4), fits(big, 'L40S')]).toEqual([
      true,
      true,
      true,
      false,
    ]);
  });
});

it('knows of every base where its figures stand', () => {
  for (const facts of Object.values(bases)) expect(facts.source).toMatch(/^https:\/\/ollama\.com\/library\//);
});
