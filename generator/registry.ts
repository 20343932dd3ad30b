import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import type { ModelDefinition } from './model.ts';
import { type Packs, packs } from './packs.ts';

/** Every model by its key, and the servers that models share. */
export interface Registry {
  models: Record<string, ModelDefinition>;
  packs: Packs;
}

/** Where the files of the registry are. */
export const registryFolder = path.join(import.meta.dirname, 'registry');

/**
 * Reads the registry: each `.ts` file of the folder is a model, and adding a file is all it takes to add one.
 * Throws where a file does not export a model.
 */
export async function loadRegistry(folder = registryFolder, shared: Packs = packs): Promise<Registry> {
  const files = (await readdir(folder)).filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts')).sort();
  const models: Registry['models'] = {};
  for (const file of files) {
    const definition = await load(path.join(folder, file));
    if (!definition?.facts || !definition.serving) {
      throw new Error(
        `generator/registry/${file}: exports no model: end it with \`export default defineModel({ … })\``,
      );
    }
    models[path.basename(file, '.ts')] = definition;
  }
  return { models, packs: shared };
}

async function load(file: string): Promise<ModelDefinition | undefined> {
  try {
    const module = (await import(pathToFileURL(file).href)) as { default?: ModelDefinition };
    return module.default;
  } catch (error) {
    const problem = error instanceof Error ? error.message : error;
    throw new Error(`generator/registry/${path.basename(file)}: cannot be read: ${problem}`);
  }
}
