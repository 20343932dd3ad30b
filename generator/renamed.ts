import type { Renamed } from '../schema/renamed.ts';
import type { JsonSchema } from './schema.ts';

/** The schema with the old name of each renamed value, at which it refuses whatever stands there and says the new name. */
export function withRenamed(schema: JsonSchema, renames: readonly Renamed[]): JsonSchema {
  const result = structuredClone(schema);
  for (const { from, to } of renames.flatMap(ofEachServer)) {
    const path = from.split('.');
    const name = path.pop()!;
    const parents = path.reduce((found, key) => found.flatMap((parent) => inside(parent, key)), [result]);
    if (parents.length === 0) throw new Error(`schema/renamed.ts: ${from}: is nowhere in the schema: correct its path`);
    for (const parent of parents) {
      if (parent.properties?.[name]) throw new Error(`schema/renamed.ts: ${from}: is a value still: remove this line`);
      parent.properties = { ...parent.properties, [name]: refusal(to) };
    }
  }
  return result;
}

/**
 * Helm shows no text of ours but what a value has to be, so that is where it says the new name: "value must be 'renamed: write …'". The
 * type is one that this text is not of, or it would be taken.
 */
function refusal(to: string): JsonSchema {
  return { description: `Renamed: write ${to}.`, const: `renamed: write ${to}`, not: { type: 'string' } };
}

/** The same for what each server says in the place of `serverDefaults`. */
export function ofEachServer({ from, to }: Renamed): Renamed[] {
  const all = 'serverDefaults.';
  if (!from.startsWith(all)) return [{ from, to }];
  const ofServer = (path: string) => path.replace(/^serverDefaults\./, 'servers.*.');
  return [
    { from, to },
    { from: ofServer(from), to: ofServer(to) },
  ];
}

/** What stands under a key in the values that a schema describes: for `*` that of any key of a map, which is written twice. */
function inside({ properties, additionalProperties, patternProperties }: JsonSchema, key: string): JsonSchema[] {
  if (key !== '*') return properties?.[key] ? [properties[key]] : [];
  const values = typeof additionalProperties === 'object' ? [additionalProperties] : [];
  return [...values, ...Object.values(patternProperties ?? {})];
}
