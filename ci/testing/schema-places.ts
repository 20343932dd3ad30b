import type { JsonSchema } from '../../generator/schema.ts';

export type Path = (string | number)[];

/** A part of a schema and a path to a value that it speaks of: through each map by one key, through each list by its first. */
export interface Place {
  path: Path;
  schema: JsonSchema;
  /** Whether the path goes through keys of fixed names alone. */
  fixed: boolean;
}

/** Every place of a schema that takes a value (and so no old name), outer ones first. Keys of maps are those that `sample` has where it has any. */
export function placesOf(schema: JsonSchema, sample?: unknown, path: Path = [], fixed = true): Place[] {
  const places: Place[] = [{ path, schema, fixed }];
  const into = (key: string | number, part: JsonSchema, still: boolean) =>
    places.push(...placesOf(part, (sample as Record<string, unknown> | undefined)?.[key], [...path, key], still));
  for (const [key, part] of Object.entries(schema.properties ?? {})) {
    if (part.const === undefined) into(key, part, fixed);
  }
  const values = valuesOfMap(schema);
  if (values) into(keyOfMap(schema, sample), values, false);
  if (schema.items) into(0, schema.items, false);
  return places;
}

/** The schema of a map's values, or undefined for what is no map. */
export function valuesOfMap(schema: JsonSchema): JsonSchema | undefined {
  const { patternProperties, additionalProperties } = schema;
  if (patternProperties) return Object.values(patternProperties)[0];
  return typeof additionalProperties === 'object' && additionalProperties.type ? additionalProperties : undefined;
}

function keyOfMap(schema: JsonSchema, sample: unknown): string {
  const pattern = new RegExp(schema.propertyNames!.pattern!, 'u');
  const key = [...Object.keys(sample ?? {}), 'example', 'EXAMPLE'].find((candidate) => pattern.test(candidate));
  if (!key) throw new Error(`no key for a map of ${pattern}: add one that it takes`);
  return key;
}

/** Whether a place has a value of its own rather than keys or items. */
export const isLeaf = ({ schema }: Place) =>
  schema.type !== 'object' && schema.type !== undefined ? true : 'anyOf' in schema;

/** Whether it is the one object that is open: what a parent chart shares with its subcharts. */
export const isOpen = ({ path }: Place) => path[0] === 'global';
