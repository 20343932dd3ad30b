import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Environment } from './environment.ts';

/** Where the environments are, one folder each. */
export const environmentsFolder = path.join(import.meta.dirname, '..', 'environments');

/** The environments by name. Throws where a folder has no environment.ts that exports one. */
export async function loadEnvironments(folder = environmentsFolder): Promise<Record<string, Environment>> {
  const environments: Record<string, Environment> = {};
  for (const entry of (await readdir(folder, { withFileTypes: true })).sort((a, b) => a.name.localeCompare(b.name))) {
    if (!entry.isDirectory()) continue;
    const file = path.join(folder, entry.name, 'environment.ts');
    const module = (await import(pathToFileURL(file).href)) as { default?: Environment };
    if (!module.default?.values) {
      throw new Error(
        `environments/${entry.name}/environment.ts: exports no environment: ` +
          'end it with `export default defineEnvironment({ … })`',
      );
    }
    environments[entry.name] = module.default;
  }
  return environments;
}
