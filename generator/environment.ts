import type { DeepPartial, ServerOverrides, Values } from '../schema/values.ts';
import type { Registry } from './registry.ts';
import { valuesOf } from './values.ts';

/** What an environment overrides; servers by name as in the chart's values. */
export type ValuesOverrides = Omit<DeepPartial<Values>, 'servers'> & { servers?: Record<string, ServerOverrides> };

/** A typed environment: `environments/NAME/environment.ts` exports one, and its values.yaml is generated from it. */
export interface Environment {
  /** What it is, in one sentence. */
  purpose: string;
  /** A registry changed for it: other bases, other packs. */
  registry?: (registry: Registry) => Registry;
  /** What it says differently from the chart's values. */
  values: ValuesOverrides;
}

/** Types an environment; what it returns is what it was given. */
export function defineEnvironment(environment: Environment): Environment {
  return environment;
}

type Tree = Record<string, unknown>;

const isTree = (value: unknown): value is Tree => typeof value === 'object' && value !== null && !Array.isArray(value);

/**
 * Values as Helm merges them: maps key by key, anything else replaced whole, and a key that the base has removed by null;
 * any other null stays, for the schema to refuse.
 */
export function mergeValues(base: unknown, over: unknown): unknown {
  if (!isTree(base) || !isTree(over)) return over;
  const merged: Tree = { ...base };
  for (const [key, value] of Object.entries(over)) {
    if (!Object.hasOwn(base, key)) merged[key] = value;
    else if (value === null) delete merged[key];
    else merged[key] = mergeValues(base[key], value);
  }
  return merged;
}

/** Values over values, the last on top. */
export const mergedValues = (...values: ValuesOverrides[]): ValuesOverrides =>
  values.reduce((all, one) => mergeValues(all, one) as ValuesOverrides, {});

/** The least that has to be merged over `base` to give `wanted`. */
function difference(base: unknown, wanted: unknown): unknown {
  if (!isTree(base) || !isTree(wanted)) return JSON.stringify(base) === JSON.stringify(wanted) ? undefined : wanted;
  const found: Tree = {};
  for (const [key, value] of Object.entries(wanted)) {
    const change = key in base ? difference(base[key], value) : value;
    if (change !== undefined) found[key] = change;
  }
  for (const key of Object.keys(base)) if (!(key in wanted)) found[key] = null;
  return Object.keys(found).length > 0 ? found : undefined;
}

/**
 * What goes into an environment's values.yaml: the difference between the chart's values and its own. A server that its
 * registry no longer has is switched off rather than removed: that reads as what it is.
 */
export function environmentOverrides(registry: Registry, base: Values, environment: Environment): Tree {
  const own = environment.registry ? valuesOf(environment.registry(registry)) : base;
  const servers: Record<string, ServerOverrides> = { ...own.servers };
  for (const name of Object.keys(base.servers)) {
    if (!(name in servers)) servers[name] = { ...base.servers[name], enabled: false };
  }
  return (difference(base, mergeValues({ ...own, servers }, environment.values)) ?? {}) as Tree;
}
