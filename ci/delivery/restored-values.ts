import type { JsonSchema } from '../../generator/schema.ts';
import type { Values } from '../../schema/values.ts';
import type { ListedModel } from '../../service/backup/collect.ts';
import { canonicalName } from '../../service/shared/names.ts';

type Tree = Record<string, unknown>;
const isTree = (value: unknown): value is Tree => typeof value === 'object' && value !== null && !Array.isArray(value);

/**
 * The values of a copy, for Helm to merge over those of the chart: where a map of the user's own keys (models, servers, labels) lacks one
 * that the chart has, it was taken away, and null takes it away again. Keys that the chart has got since keep its defaults.
 */
export function withRemovals(copied: unknown, chart: unknown, schema: JsonSchema): unknown {
  if (!isTree(copied) || !isTree(chart)) return copied;
  const named = Object.values(schema.patternProperties ?? {})[0];
  const result: Tree = { ...copied };
  for (const [key, value] of Object.entries(chart)) {
    if (Object.hasOwn(copied, key))
      result[key] = withRemovals(copied[key], value, schema.properties?.[key] ?? named ?? {});
    else if (named) result[key] = null;
  }
  return result;
}

/** The values, with the digest that each pulled model had at the time. */
export function pinned(values: Values, listed: readonly ListedModel[]): Values {
  const digests = new Map(
    listed.flatMap(({ name, digest }) => (digest ? [[canonicalName(name), `sha256:${digest}`] as const] : [])),
  );
  const models = Object.entries(values.models).map(([key, model]) => {
    const digest = model.digest || digests.get(canonicalName(pullName(model.pull, values.modelRegistry.host)));
    return [key, digest ? { ...model, digest } : model];
  });
  return { ...values, models: Object.fromEntries(models) };
}

/** The name that is pulled: what has no host of its own is of the mirror, where there is one. */
function pullName(name: string, mirror: string): string {
  const parts = name.split('/').length;
  if (!mirror || parts > 2) return name;
  return parts === 2 ? `${mirror}/${name}` : `${mirror}/library/${name}`;
}
