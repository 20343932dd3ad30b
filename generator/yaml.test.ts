import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { keys, words } from '../ci/testing/words.ts';
import { descriptionsOf, toYaml } from './yaml.ts';

const yaml = (value: unknown) => toYaml(value, ['a test'], () => undefined);

describe('YAML', () => {
  it.each(words)('reads the string %j back in 1.1 and in 1.2', (word) => {
    const text = yaml({ value: word, list: [word] });
    for (const version of ['1.1', '1.2'] as const)
      expect(parse(text, { version })).toEqual({ value: word, list: [word] });
  });

  it.each(keys)('reads the key %j back in 1.1 and in 1.2', (key) => {
    const text = yaml({ keys: { [key]: 1 } });
    for (const version of ['1.1', '1.2'] as const) expect(parse(text, { version })).toEqual({ keys: { [key]: 1 } });
  });

  it('reads numbers, booleans and empty collections back', () => {
    const value = { a: 0, b: -1, c: 0.2, d: 1e21, e: true, f: false, g: {}, h: [], i: '', j: [{ k: [] }] };
    for (const version of ['1.1', '1.2'] as const) expect(parse(yaml(value), { version })).toEqual(value);
  });

  it('repeats what is used twice instead of an anchor', () => {
    const shared = { a: 1 };
    expect(yaml({ x: shared, y: shared })).not.toMatch(/[&*]/);
  });
});

describe('comments', () => {
  const schema = {
    properties: {
      outer: { description: 'The outer one.', properties: { inner: { description: 'The inner one.' } } },
      map: {
        description: 'By name.',
        additionalProperties: { properties: { key: { description: 'Not said here.' } } },
      },
    },
  };

  it('stand above their keys', () => {
    expect(toYaml({ outer: { inner: 1 }, map: { a: { key: 2 } } }, ['made by a test'], descriptionsOf(schema))).toBe(
      '# made by a test\n\n# The outer one.\nouter:\n  # The inner one.\n  inner: 1\n\n# By name.\nmap:\n  a:\n    key: 2\n',
    );
  });

  it('are wrapped, and lose no word', () => {
    const long = 'word '.repeat(60).trim();
    const lines = toYaml({ key: 1 }, [], () => long)
      .split('\n')
      .filter((line) => line.startsWith('# word'));
    expect(lines.length).toBeGreaterThan(2);
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(120);
    expect(lines.map((line) => line.slice(2)).join(' ')).toBe(long);
  });
});
