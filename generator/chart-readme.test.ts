import { expect, it } from 'vitest';
import { chartReadme } from './chart-readme.ts';
import { loadRegistry } from './registry.ts';
import { type JsonSchema, valuesSchema } from './schema.ts';
import { valuesOf } from './values.ts';

/** The paths of all leaves, with NAME for keys that users choose; of servers none, whose keys are those of serverDefaults. */
function leaves(schema: JsonSchema, at: string): string[] {
  const keys = { ...schema.properties };
  const [named] = Object.values(schema.patternProperties ?? {});
  if (named?.properties) keys.NAME = named;
  const below = Object.entries(keys);
  return below.length === 0 ? [at] : below.flatMap(([key, value]) => leaves(value, `${at}.${key}`));
}

it('says of every value what it is', async () => {
  const schema = await valuesSchema(valuesOf(await loadRegistry()));
  const { text } = chartReadme(schema);
  for (const [key, value] of Object.entries(schema.properties!)) {
    expect(text).toContain(`\n## ${key}\n\n${value.description}`);
    const below = key === 'servers' ? [] : leaves(value, key).filter((path) => path !== key);
    for (const path of below) expect(text).toContain(`\n| \`${path}\` | `);
  }
});

it('has types with their bounds, words to choose from, and defaults', () => {
  const { text } = chartReadme({
    properties: {
      of: {
        description: 'Things.',
        properties: {
          count: { type: 'integer', minimum: 1, maximum: 9, default: 2, description: 'How many.' },
          kind: { type: 'string', enum: ['a', 'b'], default: 'a', description: 'a | b.' },
          names: { type: 'array', items: { type: 'string' }, description: 'Names.' },
        },
      },
      free: { type: 'object', patternProperties: { '^.$': { type: 'string' } }, description: 'Labels.' },
    },
  });
  expect(text).toContain('| `of.count` | integer, 1 – 9 | `2` | How many. |');
  expect(text).toContain('| `of.kind` | `a`, `b` | `"a"` | a \\| b. |');
  expect(text).toContain('| `of.names` | list of string |  | Names. |');
  expect(text).toContain('## free\n\nLabels. (map of string)\n');
});
