import { describe, expect, it } from 'vitest';
import { model, registryOf } from '../ci/testing/registry.ts';
import { registryMistakes } from './checks.ts';
import type { GpuType } from './gpus.ts';
import type { ModelDefinition } from './model.ts';
import { loadRegistry } from './registry.ts';

const mistakesOf = (definition: ModelDefinition, alias = 'tiny') =>
  registryMistakes(registryOf({ [alias]: definition }));

it('finds nothing wrong with the registry as it is', async () => {
  expect(registryMistakes(await loadRegistry())).toEqual([]);
});

describe('a model', () => {
  it('passes when every figure is at its bound', () => {
    const least = model(
      { sizeGB: 0.1 },
      { context: 1, parallel: 1, replicas: { min: 0, max: 1 }, cpu: 1, memoryGB: 2 },
    );
    expect(mistakesOf(least)).toEqual([]);
    expect(mistakesOf(model({ trainedContext: 4096 }, { context: 4096, replicas: { min: 3, max: 3 } }))).toEqual([]);
  });

  it('is refused when min is above max', () => {
    expect(mistakesOf(model({}, { replicas: { min: 3, max: 2 } }))).toEqual([
      "generator/registry/tiny.ts: model 'tiny': replicas.min 3 is above replicas.max 2: raise max to 3 or lower min to 2",
    ]);
  });

  it('is refused when its context is over what it was trained on', () => {
    expect(mistakesOf(model({ trainedContext: 4096 }, { context: 4097 }))).toEqual([
      "generator/registry/tiny.ts: model 'tiny': context 4097 is over the 4096 tokens that tiny:1b was trained on: " +
        'lower context to 4096',
    ]);
  });

  it.each([
    ['context', model({}, { context: 0 })],
    ['parallel', model({}, { parallel: 1.5 })],
    ['replicas.max', model({}, { replicas: { min: 0, max: 0 } })],
    ['replicas.min', model({}, { replicas: { min: -1, max: 1 } })],
    ['cpu', model({}, { cpu: 0.5 })],
    ['memoryGB', model({}, { memoryGB: 4.5 })],
    ['gpu.count', model({}, { gpu: { type: 'L4', count: 0 } })],
    ['layers', model({ layers: 0 })],
    ['kvHeads', model({ kvHeads: Number.NaN })],
    ['headDim', model({ headDim: 64.5 })],
    ['trainedContext', model({ trainedContext: Number.POSITIVE_INFINITY })],
    ['sizeGB', model({ sizeGB: 0 })],
  ])('is refused when %s is not what can be counted', (name, definition) => {
    const [mistake, ...others] = mistakesOf(definition);
    expect(mistake).toMatch(`generator/registry/tiny.ts: model 'tiny': ${name} is `);
    expect(mistake).toMatch(/: set [^:]+$/);
    expect(others).toEqual([]);
  });

  it.each(['Tiny', 'tiny.1b', 'tiny_1b', '-tiny', 'tiny-', 't'.repeat(57)])(
    'is refused when its file is %s.ts',
    (alias) => {
      expect(mistakesOf(model(), alias)).toEqual([expect.stringContaining(`generator/registry/${alias}.ts: `)]);
    },
  );

  it.each(['t', '1b', 't'.repeat(56)])('passes when its file is %s.ts', (alias) => {
    expect(mistakesOf(model(), alias)).toEqual([]);
  });
});

describe('names', () => {
  const of = (name: string) => model({ name });
  const custom = (name: string) => model({ name }, {}, { system: 'Be brief.' });

  it.each([
    ['two models pull the same name', { a: of('tiny:1b'), b: of('tiny:1b') }],
    ['names differ in case alone', { a: of('tiny:1b'), b: of('Tiny:1B') }],
    ['a name without a tag meets its `latest`', { a: of('tiny'), b: of('tiny:latest') }],
    ['a key is what another model is called', { tiny: of('other:1b'), b: of('tiny') }],
    ['a name says what Ollama fills in', { a: of('tiny:1b'), b: of('registry.ollama.ai/library/tiny:1b') }],
  ])('are refused when %s', (_when, models) => {
    const mistakes = registryMistakes(registryOf(models));
    expect(mistakes).toHaveLength(1);
    expect(mistakes[0]).toMatch(
      /^generator\/registry\/b\.ts: model 'b': is called '.+' like the one of generator\/registry\/.+\.ts: remove/,
    );
  });

  it.each([
    ['two models are built on one base', { a: custom('tiny:1b'), b: custom('tiny:1b') }],
    ['tags differ', { a: of('tiny:1b'), b: of('tiny:3b') }],
    ['a model is called like its own key', { tiny: of('tiny') }],
    ['a host has a port', { a: of('host:5000/tiny'), b: of('host:5001/tiny') }],
    ['a namespace is another', { a: of('tiny:1b'), b: of('team/tiny:1b') }],
  ])('pass when %s', (_when, models) => {
    expect(registryMistakes(registryOf(models))).toEqual([]);
  });
});

describe('aliases', () => {
  const of = (name: string, aliases?: string[]) => model({ name }, aliases ? { aliases } : {});

  it.each([
    ['the key of another model', { a: of('a:1b', ['c']), c: of('c:1b') }, 'a', 'c', 'c'],
    [
      'the name of another model, as Ollama reads it',
      { a: of('a:1b', ['library/C:1B']), c: of('c:1b') },
      'a',
      'library/C:1B',
      'c',
    ],
    ['an alias of another model', { a: of('a:1b', ['x']), c: of('c:1b', ['y', 'x:latest']) }, 'c', 'x:latest', 'a'],
  ])('are refused when one is %s', (_when, models, alias, further, owner) => {
    expect(registryMistakes(registryOf(models))).toEqual([
      `generator/registry/${alias}.ts: model '${alias}': its alias '${further}' is a name of the one of ` +
        `generator/registry/${owner}.ts too: take another`,
    ]);
  });

  it.each([
    ['they are new', { a: of('a:1b', ['x', 'c:2b']), c: of('c:1b', ['y', 'team/x']) }],
    ["one is the model's own key or name", { a: of('a:1b', ['a', 'a:1b']), c: of('c:1b') }],
  ])('pass when %s', (_when, models) => {
    expect(registryMistakes(registryOf(models))).toEqual([]);
  });
});

describe('fallbacks', () => {
  const of = (name: string, fallbacks: string[]) => model({ name }, { fallbacks });

  it('are refused when one does not exist', () => {
    const mistakes = registryMistakes(registryOf({ a: of('a:1b', ['b', 'd']), b: of('b:1b', []), c: of('c:1b', []) }));
    expect(mistakes).toEqual([
      "generator/registry/a.ts: model 'a': fallback 'd' does not exist: name one of b, c, or add generator/registry/d.ts",
    ]);
  });

  it('are refused when one is the model itself', () => {
    expect(registryMistakes(registryOf({ a: of('a:1b', ['a']) }))).toEqual([
      "generator/registry/a.ts: model 'a': fallback 'a' is the model itself: name another, or none",
    ]);
  });

  it('pass when two models fall back on each other, since only one step is taken', () => {
    expect(registryMistakes(registryOf({ a: of('a:1b', ['b']), b: of('b:1b', ['a']) }))).toEqual([]);
  });
});

describe('a canary', () => {
  const of = (name: string, next?: string) => model({ name }, next ? { canary: { model: next, percent: 5 } } : {});

  it.each([
    ['does not exist', 'd', "canary 'd' does not exist: add generator/registry/d.ts, or take canary away"],
    ['is the model itself', 'a', "canary 'a' is the model itself: name its next version"],
    ['has one itself', 'b', "canary 'b' has a canary itself: take that away in generator/registry/b.ts"],
    ['is on the same server', 'c', "canary 'c' is on the server 'pack' too: take it out of generator/packs.ts"],
  ])('is refused when it %s', (_what, next, problem) => {
    const models = { a: of('a:1b', next), b: of('b:1b', 'c'), c: of('c:1b') };
    expect(registryMistakes(registryOf(models, { pack: ['a', 'c'] }))).toContain(
      `generator/registry/a.ts: model 'a': ${problem}`,
    );
  });

  it('passes on a server of its own', () => {
    expect(registryMistakes(registryOf({ a: of('a:1b', 'b'), b: of('b:1b') }))).toEqual([]);
  });
});

describe('a pack', () => {
  const models = { a: model({ name: 'a:1b' }), b: model({ name: 'b:1b' }) };

  it('passes when its models exist and are of one kind', () => {
    expect(registryMistakes(registryOf(models, { 'ollama-both': ['a', 'b'] }))).toEqual([]);
    expect(registryMistakes(registryOf(models, { 'ollama-a': ['a', 'b'] }))).toEqual([]);
  });

  it.each([
    [
      'it names a model that does not exist',
      { 'ollama-both': ['a', 'c'] },
      "server 'ollama-both': model 'c' does not exist: name one of a, b, or add generator/registry/c.ts",
    ],
    ['it has no model', { 'ollama-none': [] }, "server 'ollama-none': has no model: name one, or remove the server"],
    [
      'two have the same model',
      { one: ['a'], two: ['a', 'b'] },
      "model 'a': is on server 'one' and on server 'two': leave it on one of them",
    ],
    [
      "it has the name of another model's server",
      { 'ollama-b': ['a'] },
      "server 'ollama-b': has the name of a model's own server: give the pack another name",
    ],
  ])('is refused when %s', (_when, packs, problem) => {
    expect(registryMistakes(registryOf(models, packs))).toEqual([`generator/packs.ts: ${problem}`]);
  });

  it('is refused when it mixes GPUs and none', () => {
    const mixed = { ...models, c: model({ name: 'c:1b' }, { gpu: { type: 'L4', count: 1 } }) };
    expect(registryMistakes(registryOf(mixed, { both: ['a', 'c'] }))).toEqual([
      "generator/packs.ts: server 'both': its models ask for no GPU and L4: pack models of one kind together",
    ]);
  });
});

describe('memory', () => {
  // 1 GB of weights, 4096 tokens of 32 KiB, runtime and buffers: 1.0 + 0.134 + 0.479 + 0.171 = 1.784 GB.
  it('suffices when it holds weights, context, buffers and runtime', () => {
    expect(mistakesOf(model({}, { memoryGB: 2 }))).toEqual([]);
  });

  it('is refused when it is too small for weights and context, with how much it takes and what would do', () => {
    expect(mistakesOf(model({}, { memoryGB: 1 }))).toEqual([
      "generator/registry/tiny.ts: model 'tiny': memoryGB 1 is 0.9 GiB, 1.7 GiB are needed (weights 0.9 GiB, " +
        'context 0.1 GiB (4096 tokens × 1), buffers 0.2 GiB, runtime 0.4 GiB): raise memoryGB to 2',
    ]);
  });

  it('passes with any of the changes that a refusal names, and not with less of them', () => {
    const tight = { context: 8192, parallel: 10, memoryGB: 4 };
    const [refusal] = mistakesOf(model({}, tight));
    const named =
      /: set kvCacheType to 'q8_0', or lower context to (\d+), or lower parallel to (\d+), or raise memoryGB to (\d+)$/;
    const [context, parallel, memoryGB] = named.exec(refusal!)!.slice(1).map(Number) as [number, number, number];
    const passes = (change: object) => mistakesOf(model({}, { ...tight, ...change })).length === 0;
    expect([{ kvCacheType: 'q8_0' }, { context }, { parallel }, { memoryGB }].map(passes)).toEqual([
      true,
      true,
      true,
      true,
    ]);
    expect([{ context: context + 1024 }, { parallel: parallel + 1 }, { memoryGB: memoryGB - 1 }].map(passes)).toEqual([
      false,
      false,
      false,
    ]);
  });

  const big = { sizeGB: 40, layers: 80, heads: 64, headDim: 128, trainedContext: 131_072 };
  const on = (type: GpuType, serving: object = {}, count = 1) =>
    mistakesOf(model(big, { memoryGB: 40, gpu: { type, count }, ...serving }));

  it('of a GPU is refused when it is too small, with one that is not', () => {
    expect(on('L4')).toEqual([
      expect.stringMatching(
        /1 × L4 has 22\.0 GiB of memory, 4\d\.\d GiB are needed \(.+, to stay free 1\.0 GiB\): take gpu\.type 'L40S'$/,
      ),
    ]);
    expect(on('L40S')).toEqual([]);
  });

  it('of several GPUs is that of each, with its share of the layers', () => {
    expect(on('L4', {}, 2)).toEqual([]);
    expect(on('T4', {}, 2)).toEqual([
      expect.stringMatching(/2 × T4 has 14\.6 GiB of memory each, .+: take gpu\.type 'L4'$/),
    ]);
  });

  it('of a GPU that lacks little is had by a smaller cache or less context first', () => {
    expect(on('L40S', { context: 32_768 })).toEqual([
      expect.stringMatching(
        /: set kvCacheType to 'q8_0', or lower context to \d+, or pull it in Q3_K_M \(about \d+ GB\), or take gpu\.type 'A100'$/,
      ),
    ]);
  });

  it('of a model that no GPU holds is had by several of the same', () => {
    expect(mistakesOf(model({ ...big, sizeGB: 120 }, { memoryGB: 40, gpu: { type: 'A100', count: 1 } }))).toEqual([
      expect.stringMatching(/: pull it in Q2_K \(about \d+ GB\), or take 2 GPUs$/),
    ]);
    expect(mistakesOf(model({ ...big, sizeGB: 900 }, { memoryGB: 40, gpu: { type: 'A100', count: 1 } }))).toEqual([
      expect.stringMatching(/: take a smaller model: no single change makes it fit$/),
    ]);
  });

  it('of a pod with a GPU is refused when it is too small for what the runner keeps there', () => {
    expect(on('L40S', { memoryGB: 1, context: 65_536 / 8 })).toEqual([]);
    const wordy = { ...big, embedding: { width: 4096, vocabulary: 262_144, input: 'F16' as const } };
    expect(mistakesOf(model(wordy, { memoryGB: 2, gpu: { type: 'L40S', count: 1 } }))).toEqual([
      expect.stringMatching(/memoryGB 2 is 1\.9 GiB, \d\.\d GiB are needed .+: raise memoryGB to 4$/),
    ]);
  });

  it('is not had by a smaller cache that cannot store the heads of the model', () => {
    const narrow = { headDim: 80, layers: 64 };
    const tight = { context: 8192, parallel: 8, memoryGB: 8 };
    expect(mistakesOf(model(narrow, tight))).toEqual([expect.stringMatching(/: lower context to \d+, or /)]);
    expect(mistakesOf(model(narrow, { kvCacheType: 'q8_0' }))).toEqual([
      "generator/registry/tiny.ts: model 'tiny': kvCacheType 'q8_0' cannot store heads of width 80: leave it at 'f16'",
    ]);
    expect(mistakesOf(model({ headDim: 96 }, { kvCacheType: 'q8_0' }))).toEqual([]);
  });

  it('of a pack on GPUs has to hold all of its models at once', () => {
    const gpu = { type: 'L4', count: 1 } as const;
    const models = {
      a: model({ name: 'a:11b', sizeGB: 11 }, { gpu }),
      b: model({ name: 'b:11b', sizeGB: 11 }, { gpu }),
    };
    expect(registryMistakes(registryOf(models, { both: ['a', 'b'] }))).toEqual([
      expect.stringMatching(/^generator\/registry\/a\.ts, generator\/registry\/b\.ts: model 'a', 'b': 1 × L4 has /),
    ]);
    expect(registryMistakes(registryOf(models))).toEqual([]);
  });

  it('is not spoken of when the figures it follows from are wrong themselves', () => {
    expect(mistakesOf(model({}, { memoryGB: Number.NaN }))).toEqual([expect.stringContaining('memoryGB is NaN')]);
  });
});

it('finds every mistake at once, a line each', () => {
  const mistakes = registryMistakes(
    registryOf(
      { a: model({ name: 'a:1b' }, { cpu: 0, context: 9000 }), b: model({ name: 'a:1b' }, { memoryGB: 1 }) },
      { pack: ['c'] },
    ),
  );
  expect(mistakes).toHaveLength(5);
  for (const mistake of mistakes) expect(mistake).not.toContain('\n');
});
