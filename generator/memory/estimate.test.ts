import { describe, expect, it } from 'vitest';
import { bases } from '../bases.ts';
import llama from '../registry/llama.ts';
import { loadRegistry } from '../registry.ts';
import { estimate, loadedBytes, totalBytes } from './estimate.ts';
import { ggmlTypes } from './ggml.ts';
import { publishedModels } from './published.ts';
import { quantisations } from './quantisations.ts';
import { GB, MiB } from './units.ts';
import { weightsOf } from './weights.ts';

const published = await publishedModels();
const shape = { context: 8192, parallel: 1 };

describe('weights', () => {
  it('of a model with an output of its own leave the table of embeddings on the host', () => {
    const { gpus, host } = estimate(llama.facts, shape, 81);
    const table = (128_256 * 8192 * 18) / 32;
    expect(host.weights).toBe(table);
    expect(gpus[0]!.weights).toBeCloseTo(40 * GB - table, 0);
  });

  it('of a model that makes tokens with its table of embeddings are whole on the GPU, and the table on the host too', () => {
    const facts = bases['llama3.2:1b'];
    const { gpus, host } = estimate(facts, shape, 17);
    expect(gpus[0]!.weights).toBeCloseTo(1.3 * GB, 0);
    expect(host.weights).toBe(weightsOf(facts).input);
    expect(estimate(facts, shape, 0).host.weights).toBe(1.3 * GB);
  });

  it('and cache of split layers add up to those of all, wherever they are', () => {
    const whole = estimate(llama.facts, shape, 81);
    for (const layers of [1, 2, 40, 80]) {
      const { gpus, host } = estimate(llama.facts, shape, layers);
      expect(gpus[0]!.weights + host.weights).toBeCloseTo(whole.gpus[0]!.weights + whole.host.weights, -1);
      expect(gpus[0]!.cache + host.cache).toBe(whole.gpus[0]!.cache);
    }
  });

  it('are spread over several GPUs, none of which gets more than a layer above its share', () => {
    const facts = published.get('gpt-oss:120b')!.facts;
    const { gpus } = estimate(facts, shape, 37, 4);
    const whole = estimate(facts, shape, 37).gpus[0]!;
    const sum = (of: 'weights' | 'cache') => gpus.reduce((total, part) => total + part[of], 0);
    expect([gpus.length, sum('cache')]).toEqual([4, whole.cache]);
    expect(sum('weights')).toBeCloseTo(whole.weights, -1);
    for (const { weights } of gpus) expect(weights).toBeLessThan(whole.weights / 4 + weightsOf(facts).layers / 36);
  });
});

describe('a loaded model', () => {
  it('takes weights, cache, buffers and 457 MiB of runtime where it computes', () => {
    const [part] = estimate(llama.facts, shape, 81).gpus;
    expect(part!.runtime).toBe(457 * MiB);
    expect(totalBytes(part!)).toBe(part!.weights + part!.cache + part!.compute + 457 * MiB);
    expect(loadedBytes(llama.facts, { ...shape, gpu: { type: 'L40S', count: 1 } })).toBe(totalBytes(part!));
    expect(loadedBytes(llama.facts, shape)).toBe(totalBytes(estimate(llama.facts, shape, 0).host));
  });
});

describe('facts', () => {
  const known = [...published.values()].map(({ facts }) => facts);

  it('of a model in the registry are those of the published one, where there is one', async () => {
    const { models } = await loadRegistry();
    const named = [...Object.values(bases), ...Object.values(models).map(({ facts }) => facts)];
    const both = named.filter(({ name }) => published.has(name));
    expect(both.length).toBeGreaterThan(0);
    for (const facts of both) expect(facts).toEqual(published.get(facts.name)!.facts);
  });

  it('of every published model name types that there are, and where its figures stand', () => {
    for (const { name, source, quantisation, embedding } of known) {
      expect(source).toMatch(`https://ollama.com/library/${name}; config.json of `);
      expect(Object.keys(quantisations)).toContain(quantisation);
      expect(Object.keys(ggmlTypes)).toEqual(expect.arrayContaining([embedding.input, embedding.output ?? 'F32']));
    }
  });
});
