// `npm run add-model -- FILE_OR_URL [--name KEY]`: reads the header of a GGUF file and writes generator/registry/KEY.ts.
import { link, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { registryMistakes } from '../checks.ts';
import type { ModelDefinition } from '../model.ts';
import { loadRegistry, registryFolder } from '../registry.ts';
import { factsOf } from './facts.ts';
import { readHeader } from './header.ts';
import { namesOf } from './name.ts';
import { registryFile } from './registry-file.ts';
import { firstServing } from './serving.ts';
import { openSource } from './source.ts';

const usage = 'npm run add-model -- FILE_OR_URL [--name KEY]';

async function main(): Promise<string> {
  const { values, positionals } = parseArgs({ options: { name: { type: 'string' } }, allowPositionals: true });
  const [place, ...others] = positionals;
  if (place === undefined || others.length > 0) throw new Error(`name one GGUF file or its URL: ${usage}`);
  const { key, definition } = await read(place, values.name);
  const file = `generator/registry/${key}.ts`;
  const { models, packs } = await loadRegistry();
  if (Object.hasOwn(models, key)) throw new Error(`${file}: is there already: give this one another key with --name`);
  const mistakes = registryMistakes({ models: { ...models, [key]: definition }, packs });
  if (mistakes.length > 0) throw new Error(mistakes.join('\n'));
  await placeWhole(path.join(registryFolder, `${key}.ts`), registryFile(definition), file);
  return `wrote ${file}: look it over, say there what it is for, and run \`npm run gen-values\``;
}

/** What a registry file is to say of the model that is somewhere. */
async function read(place: string, name?: string): Promise<{ key: string; definition: ModelDefinition }> {
  await using source = await openSource(place);
  try {
    const header = await readHeader(source);
    const { key, pull } = namesOf(place, header, name);
    if (key === '') throw new Error('tells no name that could be a key: give it one with --name');
    const where = /^https?:/i.test(place) ? place : path.basename(place);
    const facts = { name: pull, ...factsOf(header), source: `header of ${where}` };
    return { key, definition: { purpose: 'what it is for', facts, serving: firstServing(facts) } };
  } catch (error) {
    throw new Error(`${place}: ${(error as Error).message}`);
  }
}

/** Puts a file in its place whole, unless there is one. */
async function placeWhole(target: string, text: string, file: string): Promise<void> {
  const draft = `${target}.${process.pid}.draft`;
  try {
    await writeFile(draft, text);
    await link(draft, target);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    throw new Error(`${file}: is there already: give this one another key with --name`);
  } finally {
    await rm(draft, { force: true });
  }
}

try {
  console.log(await main());
} catch (error) {
  console.error(`add-model: ${(error as Error).message}`);
  process.exitCode = 1;
}
