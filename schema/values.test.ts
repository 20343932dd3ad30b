// What holds for the schema as it is generated: closed, typed, bounded, described. What it refuses is in refuses.test.ts.
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { pointer } from '../ci/testing/schema-cases.ts';
import { isLeaf, isOpen, type Place, placesOf, valuesOfMap } from '../ci/testing/schema-places.ts';
import { root } from '../ci/tools/paths.ts';
import type { JsonSchema } from '../generator/schema.ts';

const read = (file: string) => readFile(path.join(root, file), 'utf8');
const values = parse(await read('charts/values.yaml'));
const valuesSchema: JsonSchema = JSON.parse(await read('charts/values.schema.json'));
const { definitions }: JsonSchema = JSON.parse(await read('service/config.schema.json'));

/** Those places of which something does not hold, by their paths: a failing test names them. */
const where = (places: Place[], holds: (place: Place) => boolean) =>
  places.filter((place) => !isOpen(place) && !holds(place)).map((place) => pointer(place.path));

const leaves = (schema: JsonSchema) => placesOf(schema, values).filter(isLeaf);

describe.each([['values', valuesSchema], ...Object.entries(definitions!)] as [string, JsonSchema][])(
  'the schema of %s',
  (_name, schema) => {
    const places = placesOf(schema, values);

    it('closes every object but `global`', () => {
      const closed = ({ schema }: Place) =>
        schema.type !== 'object' ||
        schema.additionalProperties === false ||
        (valuesOfMap(schema) !== undefined && schema.propertyNames?.pattern !== undefined);
      expect(where(places, closed)).toEqual([]);
    });

    it('types every leaf', () => {
      const types = ['string', 'integer', 'number', 'boolean', 'array'];
      const typed = ({ schema }: Place) =>
        (schema.anyOf ?? [schema]).every(({ type }) => typeof type === 'string' && types.includes(type));
      expect(where(leaves(schema), typed)).toEqual([]);
    });

    it('bounds every leaf', () => {
      const bounded = (part: JsonSchema): boolean => {
        if (part.anyOf) return part.anyOf.every(bounded);
        if (part.type === 'boolean' || part.enum) return true;
        if (part.type === 'array') return typeof part.maxItems === 'number';
        if (part.type === 'string') return typeof part.maxLength === 'number' || endsByItself(part.pattern);
        return typeof part.minimum === 'number' && typeof part.maximum === 'number';
      };
      expect(where(leaves(schema), ({ schema }) => bounded(schema))).toEqual([]);
    });

    it('bounds every key of a map', () => {
      const bounded = ({ schema: { propertyNames } }: Place) =>
        propertyNames === undefined ||
        (typeof propertyNames.maxLength === 'number' && propertyNames.pattern !== undefined);
      expect(where(places, bounded)).toEqual([]);
    });

    it('has patterns that hold for the whole text, and mean the same to RE2 and ECMAScript', () => {
      for (const pattern of patternsOf(schema)) {
        expect(() => new RegExp(pattern, 'u')).not.toThrow();
        expect(pattern).toMatch(/^\^.*\$$/);
        // RE2 has neither lookaround nor backreferences, and its classes, `.` and `$` differ with flags and newlines.
        expect(pattern).not.toMatch(/\(\?|\\[1-9]|\\[dDwWsSbB]|\[\[:|\\p|(?<![\\[^])\.(?![^[]*\])/);
      }
    });

    it('has no reference, which Helm takes alone, without what stands beside it', () => {
      expect(JSON.stringify(schema)).not.toMatch(/"(\$ref|\$defs|definitions|allOf|oneOf|not|if)":/);
    });

    it('lets nothing of the generics that made it through', () => {
      expect(JSON.stringify(schema)).not.toMatch(/DeepPartial|Record<|Partial<|Omit<|Pick<|structure-\d/);
    });

    it('describes every place in a sentence', () => {
      const described = ({ path, schema: { description } }: Place) =>
        path.length === 0 || /^[A-Z`].*\.$/s.test(description ?? '');
      expect(where(places, described)).toEqual([]);
    });
  },
);

describe('the schema of values', () => {
  it('is of draft-07, which both Helm and the editors read', () => {
    expect(valuesSchema.$schema).toBe('http://json-schema.org/draft-07/schema#');
  });

  it('says what made it', () => {
    expect(valuesSchema.$comment).toContain('npm run gen-values');
  });

  it('has the default of every leaf that is not in a map, as values.yaml has it', () => {
    const fixed = leaves(valuesSchema).filter(({ fixed, path }) => fixed && path.join() !== 'enabled');
    const at = (path: Place['path']) => path.reduce((value, key) => value[key], values);
    expect(fixed.length).toBeGreaterThan(60);
    for (const { path, schema } of fixed) expect([path, schema.default]).toEqual([path, at(path)]);
  });

  it('has nothing but what values.yaml has, beside `enabled` and what is in maps and lists', () => {
    const keys = (value: unknown, path: string[] = []): string[] =>
      Object.entries(value as object).flatMap(([key, inner]) => {
        const here = [...path, key];
        const deeper = typeof inner === 'object' && !Array.isArray(inner) ? keys(inner, here) : [];
        return [here.join('.'), ...deeper];
      });
    const named = new Set(keys(values));
    const missing = placesOf(valuesSchema, values)
      .filter(({ fixed, path }) => fixed && path.length > 0 && !named.has(path.join('.')))
      .map(({ path }) => path.join('.'));
    expect(missing).toEqual(['enabled']);
  });

  it('takes for a server whatever it takes for the defaults of servers, and requires none of it', () => {
    const bare = (schema: JsonSchema): unknown =>
      JSON.parse(
        JSON.stringify(schema, (key, value) => (key === 'required' && Array.isArray(value) ? undefined : value)),
      );
    const server = valuesOfMap(valuesSchema.properties!.servers!)!;
    const { description: _own, ...overrides } = server;
    const { description: _its, ...defaults } = valuesSchema.properties!.serverDefaults!;
    expect(overrides).toEqual(bare(defaults));
    expect(JSON.stringify(server)).not.toContain('"required":[');
  });
});

/** Whether a pattern bounds the length of what it takes by itself. */
function endsByItself(pattern: string | undefined): boolean {
  return pattern !== undefined && !/(?<!\\)[*+]|\{\d+,\}/.test(pattern.replaceAll(/\[[^\]]*\]/g, 'x'));
}

function patternsOf(schema: unknown): string[] {
  if (typeof schema !== 'object' || schema === null) return [];
  const { pattern, patternProperties } = schema as JsonSchema;
  const own = [...(typeof pattern === 'string' ? [pattern] : []), ...Object.keys(patternProperties ?? {})];
  return [...own, ...Object.values(schema).flatMap(patternsOf)];
}
