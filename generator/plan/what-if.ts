import type { ModelDefinition } from '../model.ts';
import type { Registry } from '../registry.ts';

/** What of a model's serving can be tried, and as what it is read. */
const paths: Record<string, 'number' | 'text'> = {
  context: 'number',
  parallel: 'number',
  'replicas.min': 'number',
  'replicas.max': 'number',
  cpu: 'number',
  memoryGB: 'number',
  'gpu.type': 'text',
  'gpu.count': 'number',
  kvCacheType: 'text',
  priority: 'text',
  keepAlive: 'text',
};

/**
 * A registry with changes to how models are served, each as `MODEL.PATH=VALUE`, such as `qwen.context=16384`. The registry itself
 * stays as it is. Throws where a model or path is unknown, naming those nearest, and where a number is none.
 */
export function changed(registry: Registry, changes: string[]): Registry {
  const models = { ...registry.models };
  for (const change of changes) {
    const [, alias, path, value] = /^([^.=]+)\.([^=]+)=(.+)$/.exec(change) ?? [];
    if (!alias || !path || !value) {
      throw new Error(`--what-if ${change}: is no change: write MODEL.PATH=VALUE, such as qwen.context=16384`);
    }
    const model = models[alias];
    if (!model)
      throw new Error(`--what-if ${change}: there is no model '${alias}': ${nearest(alias, Object.keys(models))}`);
    const kind = paths[path];
    if (!kind) throw new Error(`--what-if ${change}: '${path}' cannot be tried: ${nearest(path, Object.keys(paths))}`);
    if (kind === 'number' && !Number.isFinite(Number(value))) {
      throw new Error(`--what-if ${change}: '${value}' is no number: write one, such as ${alias}.${path}=2`);
    }
    models[alias] = withServing(model, path.split('.'), kind === 'number' ? Number(value) : value);
  }
  return { ...registry, models };
}

function withServing(model: ModelDefinition, path: string[], value: number | string): ModelDefinition {
  const serving = structuredClone(model.serving) as unknown as Record<string, unknown>;
  const [first, second] = path as [string, string?];
  if (second === undefined) serving[first] = value;
  // A model that has no GPU yet gets one by its type.
  else serving[first] = { ...(first === 'gpu' && { count: 1 }), ...(serving[first] as object), [second]: value };
  return { ...model, serving: serving as unknown as ModelDefinition['serving'] };
}

/** The names of a list that are most like a word, for whoever mistyped it. */
function nearest(word: string, names: string[]): string {
  const near = names
    .map((name) => ({ name, far: distance(word, name) }))
    .sort((a, b) => a.far - b.far)
    .slice(0, 3)
    .map(({ name }) => name);
  return `did you mean ${near.join(', ')}?`;
}

/** How many letters have to be put in, taken out or changed (Levenshtein). */
function distance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (const [index, letter] of [...from].entries()) {
    const next = [index + 1];
    for (let at = 1; at <= to.length; at++) {
      next.push(Math.min(row[at]! + 1, next[at - 1]! + 1, row[at - 1]! + (letter === to[at - 1] ? 0 : 1)));
    }
    row = next;
  }
  return row.at(-1)!;
}
