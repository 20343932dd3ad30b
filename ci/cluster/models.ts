import { cpSync, globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { parse } from 'yaml';
import { contentKey } from '../tools/key.ts';
import { logged } from '../tools/logged.ts';
import { buildOnce } from '../tools/once.ts';
import { requireSystem } from '../tools/packages.ts';
import { cacheDir, root } from '../tools/paths.ts';
import { tool } from '../tools/tools.ts';
import type { Layout } from './layout.ts';

/** A model that is always there, whatever the values name: a tiny one under its own name. */
export const tinyModelName = 'tiny:latest';

/**
 * The names that the registry serves: that of every model that the chart's values or those of an environment pull, so
 * that they are pulled here by the names that they have in production. What is behind each is a tiny random stand-in.
 */
function modelNames(): string[] {
  const files = globSync(['charts/values.yaml', 'environments/*/values.yaml'], { cwd: root });
  const names = files.flatMap((file) => {
    const { models = {} } = parse(readFileSync(path.join(root, file), 'utf8')) as {
      models?: Record<string, { pull?: string }>;
    };
    return Object.values(models).flatMap((model) => model.pull ?? []);
  });
  // One with a host of its own is not pulled from a mirror.
  return [...new Set([tinyModelName, ...names.filter((name) => name.split('/').length < 3)])].sort();
}

/** What a seeding leaves: the registry's folder, and the `OLLAMA_MODELS` folder that it was pushed from. */
export interface Seed {
  registry: string;
  models: string;
}

/** Makes the test models with the real Ollama and pushes them to the real registry, once for the same names. */
export async function seed(): Promise<Seed> {
  const names = modelNames();
  const script = path.join(import.meta.dirname, 'seed.ts');
  const generators = ['service/testing/tiny-model.ts', 'ci/testing/gguf.ts'].map((file) => path.join(root, file));
  const [ollama, registry] = [await tool('ollama'), await tool('registry')];
  const folder = await buildOnce({
    parent: path.join(cacheDir(), 'models'),
    name: 'models',
    key: contentKey([script, ...generators], { names, ollama }),
    make: async (into, log) => {
      await requireSystem(['ip']);
      mkdirSync(path.join(into, 'registry'));
      const order = path.join(into, 'order.json');
      writeFileSync(order, JSON.stringify({ into, names, ollama, registry }));
      // On a loopback of its own: no port of the machine is used, and ending it ends the servers it started.
      const apart = ['--net', '--pid', '--fork', '--kill-child', '--mount-proc'];
      const inside = ['sh', '-c', 'ip link set lo up && exec "$@"', 'sh', process.execPath, script, order];
      await logged('unshare', [...apart, ...inside], { log, env: { ...process.env, NO_PROXY: '*', no_proxy: '*' } });
    },
  });
  return { registry: path.join(folder, 'registry'), models: path.join(folder, 'models') };
}

/** Gives a cluster's registry its content, beside what it may have already. */
export async function seedRegistry(layout: Layout): Promise<void> {
  const { registry } = await seed();
  const target = path.join(layout.folder, 'registry');
  cpSync(registry, target, { recursive: true });
}
