import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { valuesChart } from '../ci/testing/helm.ts';
import { root } from '../ci/tools/paths.ts';
import { mergeValues } from './environment.ts';
import { loadEnvironments } from './environments.ts';

const file = (name: string) => readFile(path.join(root, name), 'utf8');

describe('mergeValues merges as Helm does', () => {
  const base = {
    map: { a: 1, b: { c: 2, d: [1, 2] } },
    list: [{ x: 1 }, { x: 2 }],
    text: 'old',
    empty: {},
    off: false,
  };
  it.each<[string, unknown]>([
    ['nothing is overridden', {}],
    ['a key of a map is overridden', { map: { b: { c: 3 } } }],
    ['a key is new', { more: { e: { f: 1 } }, map: { b: { e: 5 } } }],
    ['a list is replaced', { list: [{ y: 1 }], map: { b: { d: [] } } }],
    ['a value is emptied', { text: '', off: true, map: { a: 0 } }],
    ['a key is removed', { text: null, map: { b: { c: null } } }],
    ['a map is removed', { map: null, empty: null }],
    ['a map takes the place of a value', { text: { now: 'a map' }, map: { a: {} } }],
    ['a value takes the place of a map', { map: { b: 'flat' }, empty: 0 }],
    ['a map is filled that was empty', { empty: { one: { two: 2 } } }],
    ['a removed key is not there', { missing: null, map: { missing: null } }],
    ['a new map has a removed key', { fresh: { gone: null, kept: 1 } }],
  ])('when %s', async (_when, over) => {
    await using chart = await valuesChart(base);
    expect(await chart.values(over)).toEqual(mergeValues(base, over));
  });
});

const environments = Object.keys(await loadEnvironments());

describe('an environment', () => {
  it.each(environments)('%s comes to the same in Helm as in the generator', async (name) => {
    const [values, over] = [await file('charts/values.yaml'), await file(`environments/${name}/values.yaml`)];
    await using chart = await valuesChart(values, await file('charts/values.schema.json'));
    expect(await chart.values(parse(over))).toEqual(mergeValues(parse(values), parse(over)));
  });
});
