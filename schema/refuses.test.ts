// What the schema takes and what it refuses, by ajv; refuses.helm.test.ts tries the same cases with the real Helm.
import { Ajv } from 'ajv';
import { describe, expect, it } from 'vitest';
import { chartSchema, filledValues } from '../ci/testing/chart.ts';
import { ajvMistakes } from '../ci/testing/mistakes.ts';
import { pointer, rightCases, valuesWith, wrongCases } from '../ci/testing/schema-cases.ts';
import { isLeaf, isOpen, placesOf } from '../ci/testing/schema-places.ts';
import { mergeValues } from '../generator/environment.ts';

const validate = new Ajv({ allErrors: true }).compile(chartSchema);
const places = placesOf(chartSchema, filledValues);
const wrong = wrongCases(places);
const right = rightCases(places);

const errorsOf = (over: unknown) => (validate(mergeValues(filledValues, over)) ? [] : (validate.errors ?? []));

describe('the schema', () => {
  it('takes the values of the chart', () => {
    expect(errorsOf({})).toEqual([]);
  });

  it('has a case that breaks each rule of each place, and one that just meets it', () => {
    const rules = ['type', 'enum', 'pattern', 'maxLength', 'minimum', 'maximum', 'maxItems', 'uniqueItems'];
    const [broken, met] = [wrong, right].map((cases) => Map.groupBy(cases, ({ mistakes }) => mistakes[0]));
    for (const { path, schema } of places.filter((place) => isLeaf(place) && !isOpen(place))) {
      const here = (broken!.get(pointer(path)) ?? []).map(({ rule }) => rule);
      const wanted = schema.anyOf
        ? ['anyOf']
        : rules.filter((rule) => schema[rule] !== undefined && schema[rule] !== false);
      expect([path, [...new Set(here)].sort()]).toEqual([path, wanted.sort()]);
      expect([path, met!.has(pointer(path))]).toEqual([path, true]);
    }
  });

  it('refuses each wrong value alone, for the rule that it breaks and at its own path', () => {
    for (const { path, rule, value, mistakes } of wrong) {
      const errors = errorsOf(valuesWith([{ path, value }]));
      expect([path, value, ajvMistakes(errors)]).toEqual([path, value, mistakes]);
      expect([path, value, errors.map(({ keyword }) => keyword)]).toEqual([
        path,
        value,
        expect.arrayContaining([rule]),
      ]);
    }
  });

  it('takes each value at a bound', () => {
    for (const { path, value } of right) {
      expect([path, value, errorsOf(valuesWith([{ path, value }]))]).toEqual([path, value, []]);
    }
  });
});
