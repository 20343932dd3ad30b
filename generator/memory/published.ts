import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import type { ModelFacts } from '../model.ts';
import type { GgmlType } from './ggml.ts';

/**
 * A model that many people serve, as it is published: facts of its configuration and its library page, and the name that its
 * architecture has in a GGUF file. Others than those of the registry are here to be measured against (`npm run bench -- plan`).
 */
export interface PublishedModel {
  architecture: string;
  /** Tensors of each layer that its file has in another type than its quantisation gives them. */
  tensors?: Record<string, GgmlType>;
  facts: ModelFacts;
}

const folder = path.join(import.meta.dirname, 'published');

/** The published models by name, such as `llama3:70b`. */
export async function publishedModels(): Promise<Map<string, PublishedModel>> {
  const files = (await readdir(folder)).sort((a, b) => a.localeCompare(b, 'en', { numeric: true }));
  const models = await Promise.all(
    files.map(async (file) => JSON.parse(await readFile(path.join(folder, file), 'utf8')) as PublishedModel),
  );
  return new Map(models.map((model) => [model.facts.name, model]));
}
