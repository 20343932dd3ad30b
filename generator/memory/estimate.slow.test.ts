// Memory against gguf-parser-go, which really reads a GGUF header of each published model.
import { describe, expect, it } from 'vitest';
import { falseFits } from '../../bench/plan.ts';
import { writeHollowModel } from '../../ci/testing/hollow-model.ts';
import { compareWithParser, errorOf } from '../../ci/testing/memory-truth.ts';
import { temporaryFolder } from '../../ci/testing/project.ts';
import { publishedModels } from './published.ts';
import { GB } from './units.ts';

const models = [...(await publishedModels()).values()];
const comparisons = await compareWithParser(models);

describe.each(models.map((model) => [model.facts.name, model] as const))('%s', (name, model) => {
  it('is as large as its library page says when it is made of its facts', async () => {
    await using folder = await temporaryFolder();
    const { bytes } = await writeHollowModel(folder.path, model);
    const { sizeGB } = model.facts;
    // Pages round to tenths of a GB, and to whole ones from 10 on.
    const rounding = sizeGB >= 10 ? 0.5 : 0.05;
    expect(Math.abs(bytes / GB - sizeGB)).toBeLessThanOrEqual(rounding + 0.01 * sizeGB);
  });

  it('takes what gguf-parser-go says, within 5%, on a GPU, on the CPU and on both', () => {
    const off = comparisons
      .filter((one) => one.model.facts.name === name && Math.abs(errorOf(one)) > 0.05)
      .map((one) => ({ place: one.place, ...one.shape, error: errorOf(one) }));
    expect(off).toEqual([]);
  });
});

it('compares at least 12 models, each in all ways that its context allows', () => {
  expect(models.length).toBeGreaterThanOrEqual(12);
  // Two contexts fit 8k, three 16k, four more; 4 × parallel, 2 types of cache, 4 places.
  const contexts = models.map(({ facts }) =>
    facts.trainedContext >= 32_768 ? 4 : facts.trainedContext >= 16_384 ? 3 : 2,
  );
  expect(comparisons).toHaveLength(contexts.reduce((sum, count) => sum + count * 4 * 2 * 4, 0));
});

it('never says that a model fits a GPU which it does not fit by gguf-parser-go', () => {
  expect(falseFits(comparisons)).toBe(0);
});

it('would notice a model that is said to fit and does not', () => {
  const small = comparisons.find((one) => one.model.facts.name === 'llama3:70b' && one.place === 'GPU')!;
  const flattered = { ...small, model: { ...small.model, facts: { ...small.model.facts, sizeGB: 4 } } };
  expect(falseFits([flattered])).toBeGreaterThan(0);
});
