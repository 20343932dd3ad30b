import { describe, expect, it } from 'vitest';
import { model, registryOf } from '../ci/testing/registry.ts';
import { hostBytesBesideGpu } from './memory/estimate.ts';
import { GB, MiB } from './memory.ts';
import { loadRegistry } from './registry.ts';
import { valuesOf } from './values.ts';

const values = (...definitions: ReturnType<typeof model>[]) =>
  valuesOf(registryOf(Object.fromEntries(definitions.map((definition, index) => [`m${index}`, definition]))));
/** 1 GB of weights, 4096 tokens of 32 KiB, 457 MiB, and 163 of buffers, in MiB and rounded up. */
const memoryMiB = 954 + 128 + 457 + 163;
const server = (...rest: Parameters<typeof model>) => values(model(...rest)).servers['ollama-m0']!;

describe('the values', () => {
  it('have what the design asks of each server', async () => {
    const { servers } = valuesOf(await loadRegistry());
    const asked = Object.entries(servers).map(([name, { models, replicas, resources }]) => [
      name,
      models,
      resources!.cpu,
      resources!.memory,
      resources!.gpu ?? 0,
      `${replicas!.min}–${replicas!.max}`,
    ]);
    expect(asked).toEqual([
      ['ollama-gpt-oss', ['gpt-oss'], '2', '22G', 1, '1–5'],
      ['ollama-legal-analysis', ['legal-analysis'], '2', '8G', 0, '2–8'],
      ['ollama-llama', ['llama'], '4', '40G', 1, '1–4'],
      ['ollama-qwen', ['qwen'], '2', '20G', 1, '1–5'],
      ['ollama-recommendations', ['recommendations'], '2', '6G', 0, '2–6'],
      ['ollama-risk-assessment', ['risk-assessment'], '2', '6G', 0, '2–8'],
      ['ollama-summary', ['summary'], '1', '4G', 0, '2–10'],
    ]);
  });

  it('serve weights of others under their own name, and what is built here under its key', () => {
    const { models } = values(model({ name: 'tiny:1b' }), model({ name: 'tiny:3b' }, {}, { system: 'Be brief.' }));
    expect(models.m0).toEqual({ name: 'tiny:1b', pull: 'tiny:1b', priority: 'standard', memoryMiB });
    expect(models.m1).toEqual({ name: 'm1', pull: 'tiny:3b', system: 'Be brief.', priority: 'standard', memoryMiB });
  });

  it('hand on a digest and the parameters of a Modelfile', () => {
    const digest = `sha256:${'0'.repeat(64)}`;
    const parameters = { temperature: 0.2, stop: ['END', '###'] };
    const { models } = values(model({ digest }, {}, { system: '', parameters }));
    expect(models.m0).toMatchObject({ digest, parameters });
  });

  it('hand on what a model has for itself, and nothing that it leaves unsaid', () => {
    const own = {
      aliases: ['gpt-4o-mini'],
      fallbacks: ['m1'],
      canary: { model: 'm1', percent: 5 },
      keepAlive: '-1',
      runnerOptions: 'refuse',
      queue: { depth: 0 },
    } as const;
    const serving = { ...own, aliases: [...own.aliases], fallbacks: [...own.fallbacks] };
    const { models } = values(model({}, serving), model({ name: 'other' }));
    expect(models.m0).toMatchObject(own);
    for (const key of Object.keys(own)) expect(models.m1).not.toHaveProperty(key);
  });

  it('say how much memory a model takes with the context of its server', () => {
    // 12288 tokens more than 4096 of 32 KiB each, and which of them 512 tokens of a batch see (f32).
    const models = { a: model({ name: 'a' }), b: model({ name: 'b' }, { context: 8192, parallel: 2, memoryGB: 6 }) };
    const packed = valuesOf(registryOf(models, { pack: ['a', 'b'] }));
    expect([packed.models.a!.memoryMiB, packed.models.b!.memoryMiB]).toEqual([
      memoryMiB + 384 + 24,
      memoryMiB + 384 + 24,
    ]);
    expect(valuesOf(registryOf(models)).models.a!.memoryMiB).toBe(memoryMiB);
  });

  it('say how much memory of each GPU a server has for models', () => {
    expect(server({}, { gpu: { type: 'L4', count: 2 } }).resources).toMatchObject({
      gpu: 2,
      gpuMemoryMiB: 22_558 - 1024,
    });
  });

  it('say nothing of a server that is a default', () => {
    expect(server().ollama).not.toHaveProperty('kvCacheType');
    expect(server().resources).not.toHaveProperty('gpu');
    expect(server({}, { kvCacheType: 'q8_0' }).ollama!.kvCacheType).toBe('q8_0');
    expect(server({}, { gpu: { type: 'L4', count: 2 } }).resources!.gpu).toBe(2);
  });

  it('hand on settings of a server that nothing is derived from', () => {
    const scheduling = { runtimeClassName: 'nvidia' };
    expect(server({}, { server: { scheduling } }).scheduling).toEqual(scheduling);
  });

  it('give the shared claim room for every set of weights once', () => {
    const one = values(model({ name: 'a', sizeGB: 10 })).sharedCache.size;
    const two = values(model({ name: 'a', sizeGB: 10 }), model({ name: 'b', sizeGB: 10 })).sharedCache.size;
    const same = values(
      model({ name: 'a', sizeGB: 10 }, {}, { system: 'x' }),
      model({ name: 'a', sizeGB: 10 }, {}, { system: 'y' }),
    ).sharedCache.size;
    expect([one, two, same]).toEqual(['13Gi', '24Gi', '13Gi']);
  });
});

describe('the prompt cache', () => {
  it('is half of what a model on CPUs leaves', () => {
    // 4 GB in MiB − what the model takes.
    expect(server({}, { memoryGB: 4 }).ollama!.promptCacheMiB).toBe(Math.floor((3814 - memoryMiB) / 2));
  });

  it('is none when nothing is left', () => {
    expect(server({ sizeGB: 4 }, { memoryGB: 4 }).ollama!.promptCacheMiB).toBe(0);
  });

  it("is never more than Ollama's own 8 GiB", () => {
    expect(server({}, { memoryGB: 400 }).ollama!.promptCacheMiB).toBe(8192);
  });

  it('is shared by the models of a packed server', () => {
    const models = { a: model({ name: 'a' }, { memoryGB: 4 }), b: model({ name: 'b' }, { memoryGB: 4 }) };
    const { servers } = valuesOf(registryOf(models, { pack: ['a', 'b'] }));
    expect(servers.pack!.ollama!.promptCacheMiB).toBe(Math.floor((2 * 3814 - 2 * memoryMiB) / 4));
  });

  it('leaves out weights and context where a GPU holds them', () => {
    const gpu = { type: 'L4', count: 1 } as const;
    const runner = hostBytesBesideGpu(model({ sizeGB: 20 }).facts, { context: 4096, parallel: 1 });
    expect(runner).toBeLessThan(GB);
    expect(server({ sizeGB: 20 }, { memoryGB: 4, gpu }).ollama!.promptCacheMiB).toBe(
      Math.floor((4 * GB - runner) / 2 / MiB),
    );
  });
});
