import { describe, expect, it } from 'vitest';
import { model, registryOf } from '../ci/testing/registry.ts';
import { fleetOf, weightsGB } from './fleet.ts';

const named = (name: string, ...rest: [Parameters<typeof model>[0]?, Parameters<typeof model>[1]?]) =>
  model({ name, ...rest[0] }, rest[1]);

describe('the fleet', () => {
  it('has a server for each model, by its key and in the order of names', () => {
    const fleet = fleetOf(registryOf({ b: named('b:1b'), a: named('a:1b') }));
    expect(fleet.map(({ name, models }) => [name, models.map(({ alias }) => alias)])).toEqual([
      ['ollama-a', ['a']],
      ['ollama-b', ['b']],
    ]);
  });

  it('has a packed server in place of those of its models', () => {
    const fleet = fleetOf(registryOf({ a: named('a:1b'), b: named('b:1b'), c: named('c:1b') }, { shared: ['c', 'a'] }));
    expect(fleet.map(({ name, models }) => [name, models.map(({ alias }) => alias)])).toEqual([
      ['ollama-b', ['b']],
      ['shared', ['c', 'a']],
    ]);
  });
});

describe('a packed server', () => {
  const pack = (...models: ReturnType<typeof model>[]) => {
    const entries = models.map((definition, index) => [`m${index}`, definition] as const);
    const [server] = fleetOf(registryOf(Object.fromEntries(entries), { pack: entries.map(([alias]) => alias) }));
    return server!;
  };

  it('has the widest context, CPU and range of replicas of its models, and the memory of all', () => {
    const { serving } = pack(
      named('a', {}, { context: 4096, parallel: 1, cpu: 2, memoryGB: 6, replicas: { min: 2, max: 3 } }),
      named('b', {}, { context: 2048, parallel: 2, cpu: 4, memoryGB: 7, replicas: { min: 1, max: 9 } }),
    );
    expect(serving).toEqual({
      context: 4096,
      parallel: 2,
      cpu: 4,
      memoryGB: 13,
      replicas: { min: 2, max: 9 },
      kvCacheType: 'f16',
    });
  });

  it('has more memory than its models were given when the widest context takes more', () => {
    // Each loads 1 GB of weights and 0.65 GB of runtime and buffers; 32 KiB a token: 0.134 GB of 4096, 4.3 GB of 8192 × 16,
    // and 0.4 GB for which of them a batch sees, and one layer's cache once more.
    const narrow = { context: 4096, parallel: 1, memoryGB: 3 };
    const wide = { context: 8192, parallel: 16, memoryGB: 7 };
    expect(pack(named('a', {}, narrow), named('b', {}, wide)).serving.memoryGB).toBe(13);
    expect(pack(named('a', {}, narrow), named('b', {}, narrow)).serving.memoryGB).toBe(6);
  });

  it('has the memory of one model for all of the same weights, which Ollama loads as one', () => {
    // As above: 1.8 GB of 4096 tokens, 6.4 GB of 8192 × 16.
    const given = (memoryGB: number) => named('same', {}, { context: 4096, parallel: 1, memoryGB });
    expect(pack(given(3), given(5), given(4)).serving.memoryGB).toBe(5);
    expect(pack(given(3), given(5), named('other', {}, { memoryGB: 4 })).serving.memoryGB).toBe(9);
    const wide = named('same', {}, { context: 8192, parallel: 16, memoryGB: 3 });
    expect(pack(given(3), wide).serving.memoryGB).toBe(7);
  });

  it('counts the weights that its models share once', () => {
    expect(weightsGB(pack(named('a', { sizeGB: 2 }), named('a', { sizeGB: 2 }), named('b', { sizeGB: 3 })))).toBe(5);
  });
});
