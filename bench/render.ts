import { readdir, rm } from 'node:fs/promises';
import path from 'node:path';
import type { ProjectCopy } from '../ci/testing/project.ts';
import { root } from '../ci/tools/paths.ts';
import { say } from '../ci/tools/progress.ts';
import { run } from '../ci/tools/run.ts';
import { tool } from '../ci/tools/tools.ts';
import { generate, projectOf } from './large-registry.ts';
import { atMost, type Benchmark, type Figure, growthExponent, medianFigure, seconds } from './measure.ts';
import { secretBytes, sizeOfRelease } from './release.ts';

export const render: Benchmark = {
  purpose: 'the generator and the chart from 7 models to 1,000, and how many fit into a release',
  run: measure,
};

async function measure(): Promise<Figure[]> {
  const figures: Figure[] = [await coldGeneration()];
  const templates: { count: number; cost: number }[] = [];
  for (const count of [7, 100, 1000]) {
    say(`bench: ${count} models`);
    await using project = await projectOf(count);
    const generated = medianFigure(`gen-values, ${count} models`, await seconds(() => generate(project)));
    figures.push(count === 100 ? generated : atMost(count === 7 ? 1 : 5, generated));
    const helm = await tool('helm');
    const templated = medianFigure(
      `helm template, ${count} models`,
      await seconds(() => run(helm, ['template', 'release', path.join(project.root, 'charts')])),
    );
    figures.push(count === 7 ? atMost(0.2, templated) : templated);
    templates.push({ count, cost: templated.value });
    figures.push({ what: `release, ${count} models`, value: kib(await releaseBytes(project)), unit: 'KiB' });
  }
  const [, some, many] = templates;
  // Between two counts that start-up does not decide on.
  const exponent = growthExponent(some!, many!);
  figures.push(
    atMost(1, { what: 'helm template, growth exponent from 100 models to 1,000', value: exponent, unit: '' }),
  );
  const { refused, bytes } = await modelsInRelease();
  figures.push({ what: 'models from which on the chart refuses the release', value: refused, unit: '' });
  figures.push(
    atMost(kib(secretBytes), { what: 'release, the most models that it takes', value: kib(bytes), unit: 'KiB' }),
  );
  return figures;
}

const kib = (bytes: number) => Math.round(bytes / 1024);

/** The first run after a change of the types, when their schema has to be made: a compiler starts for it. */
async function coldGeneration(): Promise<Figure> {
  say('bench: changed types');
  await using project = await projectOf(7);
  const cache = path.join(root, 'node_modules/.cache/model-management');
  const before = new Set(await readdir(cache));
  const types = await project.read('schema/types.ts');
  let change = 0;
  const runs = await seconds(async () => {
    await project.write('schema/types.ts', `${types}\n// ${process.pid} ${change++}\n`);
    await generate(project);
  });
  for (const file of await readdir(cache)) if (!before.has(file)) await rm(path.join(cache, file), { force: true });
  return medianFigure('gen-values, 7 models, after a change of the types', runs);
}

const releaseBytes = (project: ProjectCopy) => sizeOfRelease([path.join(project.root, 'charts')]);

/** The fewest models whose release the chart refuses as too large, by halving, and the size of the largest that it takes. */
async function modelsInRelease(): Promise<{ refused: number; bytes: number }> {
  let [taken, refused, bytes] = [7, 4000, 0];
  while (refused - taken > 10) {
    const count = (taken + refused) >> 1;
    await using project = await projectOf(count);
    try {
      bytes = await releaseBytes(project);
      taken = count;
      say(`bench: ${count} models make a release of ${kib(bytes)} KiB`);
    } catch (error) {
      if (!(error as Error).message.includes('in a Secret of at most')) throw error;
      refused = count;
      say(`bench: ${count} models are refused`);
    }
  }
  return { refused, bytes };
}
