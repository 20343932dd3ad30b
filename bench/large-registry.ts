import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { copyProject, type ProjectCopy } from '../ci/testing/project.ts';
import { randomFrom } from '../ci/testing/random.ts';
import { run } from '../ci/tools/run.ts';

const vocabulary = (
  'clause party term notice liability indemnity renewal breach remedy warranty schedule payment delivery audit consent ' +
  'scope risk likelihood impact control owner deadline figure source summary decision action reason measure evidence'
).split(' ');

/**
 * Fills a registry's folder up to so many models: copies of the ones it has, one after the other, each under a name of
 * its own and with a prompt that no other has, for equal ones would compress away.
 */
export async function fillRegistry(folder: string, count: number): Promise<void> {
  const files = (await readdir(folder)).filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts')).sort();
  const originals = await Promise.all(
    files.map(async (file) => ({
      alias: path.basename(file, '.ts'),
      text: await readFile(path.join(folder, file), 'utf8'),
    })),
  );
  const random = randomFrom(count);
  for (let index = originals.length; index < count; index++) {
    const { alias, text } = originals[index % originals.length]!;
    const words = Array.from({ length: 30 }, () => random.of(vocabulary)).join(' ');
    const own = text
      .replace(/name: '([^:']+)/, `name: '$1-${index}`)
      .replace(/aliases: \['([^']+)'/, `aliases: ['$1-${index}'`)
      .replace(/system:\n/, `system:\n      'Case ${index}: ${words}. ' +\n`);
    await writeFile(path.join(folder, `${alias}-${index}.ts`), own);
  }
}

/** A copy of the project with so many models, generated. */
export async function projectOf(count: number): Promise<ProjectCopy> {
  const project = await copyProject('schema', 'generator', 'environments', 'charts', 'service/config.schema.json');
  await fillRegistry(path.join(project.root, 'generator/registry'), count);
  await generate(project);
  return project;
}

/** The generator as `npm run gen-values` starts it, each time a new process, with every file to be written. */
export async function generate(project: ProjectCopy): Promise<void> {
  await rm(path.join(project.root, 'charts/values.yaml'));
  await run(process.execPath, ['generator/main.ts'], { cwd: project.root });
}
