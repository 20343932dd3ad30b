// What becomes of a value under an old name: by the real Helm, the newest and the oldest.
import { mkdtempDisposable, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Ajv } from 'ajv';
import { beforeAll, describe, expect, it } from 'vitest';
import { chartSchema, filledValues } from '../ci/testing/chart.ts';
import { type TestChart, valuesChart } from '../ci/testing/helm.ts';
import { previousRelease } from '../ci/testing/previous.ts';
import { placesOf } from '../ci/testing/schema-places.ts';
import { output, run } from '../ci/tools/run.ts';
import { tool } from '../ci/tools/tools.ts';
import { mergeValues } from '../generator/environment.ts';
import { ofEachServer, withRenamed } from '../generator/renamed.ts';
import type { JsonSchema } from '../generator/schema.ts';
import { type Renamed, renamed } from './renamed.ts';

/** Paths of all values, with `*` for the keys of maps. */
function pathsOf({ properties = {}, patternProperties = {}, items }: JsonSchema, at: string[] = []): string[] {
  const parts = [
    ...Object.entries(properties).filter(([, part]) => part.const === undefined),
    ...Object.values(patternProperties).map((part) => ['*', part] as const),
    ...(items ? [['[]', items] as const] : []),
  ];
  return parts.flatMap(([key, part]) => [[...at, key].join('.'), ...pathsOf(part, [...at, key])]);
}

const now = new Set(pathsOf(chartSchema));

describe('the values of the previous release', () => {
  let before: Set<string>;
  beforeAll(async () => {
    const { chart } = await previousRelease();
    await using folder = await mkdtempDisposable(path.join(tmpdir(), 'previous-'));
    const file = 'model-management/values.schema.json';
    await run('tar', ['-xzf', chart, '-C', folder.path, file]);
    before = new Set(pathsOf(JSON.parse(await readFile(path.join(folder.path, file), 'utf8'))));
  });

  it('are there still, or have another name that schema/renamed.ts says', () => {
    expect(before.size).toBeGreaterThan(200);
    const old = renamed.flatMap(ofEachServer);
    const known = (name: string) => old.some(({ from }) => `${name}.`.startsWith(`${from}.`));
    expect([...before].filter((name) => !now.has(name) && !known(name))).toEqual([]);
  });
});

it('the new name of each renamed value is one of a value', () => {
  expect(renamed.filter(({ to }) => !now.has(to))).toEqual([]);
});

describe('an old name', () => {
  const renames: Renamed[] = [
    { from: 'gateway.sessionAffinity', to: 'gateway.service.sessionAffinitySeconds' },
    { from: 'serverDefaults.nodeSelector', to: 'serverDefaults.scheduling.nodeSelector' },
    { from: 'models.*.prompt', to: 'models.*.system' },
  ];
  const schema = withRenamed(chartSchema, renames);
  const validate = new Ajv({ allErrors: true }).compile(schema);
  let chart: TestChart;
  beforeAll(async () => {
    chart = await valuesChart(filledValues, JSON.stringify(schema));
    return () => chart[Symbol.asyncDispose]();
  });

  it.each([
    ['gateway.sessionAffinity=5', '/gateway/sessionAffinity', 'gateway.service.sessionAffinitySeconds'],
    ['gateway.sessionAffinity=text', '/gateway/sessionAffinity', 'gateway.service.sessionAffinitySeconds'],
    ['serverDefaults.nodeSelector.a=b', '/serverDefaults/nodeSelector', 'serverDefaults.scheduling.nodeSelector'],
    [
      'servers.ollama-llama.nodeSelector.a=b',
      '/servers/ollama-llama/nodeSelector',
      'servers.*.scheduling.nodeSelector',
    ],
    ['models.llama.prompt=hello', '/models/llama/prompt', 'models.*.system'],
  ])('is refused with the new one: %s', async (set, at, to) => {
    for (const name of ['helm', 'helm3']) {
      const { status, stderr } = await output(await tool(name), ['template', 'rel', chart.folder, '--set', set]);
      expect(stderr).toContain(`- at '${at}': value must be 'renamed: write ${to}'`);
      expect(status).toBe(1);
    }
  });

  it('takes no text either, be it the one that it asks for', async () => {
    const over = { gateway: { sessionAffinity: 'renamed: write gateway.service.sessionAffinitySeconds' } };
    expect(validate(mergeValues(filledValues, over))).toBe(false);
    expect((await chart.template(over)).stderr).toContain("at '/gateway/sessionAffinity': 'not' failed");
  });

  it('changes nothing for values under their names, and is none of the places of values', async () => {
    expect(validate(filledValues)).toBe(true);
    expect(await chart.values()).toEqual(filledValues);
    expect(placesOf(schema, filledValues).length).toBe(placesOf(chartSchema, filledValues).length);
  });

  it.each([
    [{ from: 'gatway.a', to: 'gateway.b' }, 'gatway.a: is nowhere in the schema: correct its path'],
    [{ from: 'gateway.maxBodyMiB', to: 'gateway.b' }, 'gateway.maxBodyMiB: is a value still: remove this line'],
  ])('is refused itself where it is wrong: %j', (wrong, line) => {
    expect(() => withRenamed(chartSchema, [wrong])).toThrow(`schema/renamed.ts: ${line}`);
  });
});
