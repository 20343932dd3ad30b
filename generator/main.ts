// `npm run gen-values`: writes every generated file of the project. `-- --check` writes nothing and exits 1 when one is stale.
import path from 'node:path';
import { parseArgs } from 'node:util';
import { loadEnvironments } from './environments.ts';
import { Mistakes, outputsOf } from './outputs.ts';
import { loadRegistry } from './registry.ts';
import { differences, writeAll } from './write.ts';

const root = path.join(import.meta.dirname, '..');

async function main(): Promise<number> {
  const { values: options } = parseArgs({ options: { check: { type: 'boolean', default: false } } });
  const outputs = await outputsOf(await loadRegistry(), await loadEnvironments());
  if (options.check) {
    const found = await differences(root, outputs);
    for (const text of found) console.error(text);
    if (found.length > 0) {
      console.error(
        `\n${found.length} generated file(s) are stale or were edited: run \`npm run gen-values\` and commit them`,
      );
    }
    return found.length > 0 ? 1 : 0;
  }
  const changed = await writeAll(root, outputs);
  console.log(changed.length > 0 ? `wrote ${changed.join(', ')}` : `${outputs.length} files are up to date`);
  return 0;
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(
    error instanceof Mistakes ? error.message : `gen-values: ${error instanceof Error ? error.message : error}`,
  );
  process.exitCode = 1;
}
