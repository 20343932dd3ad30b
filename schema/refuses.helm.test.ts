// What Helm enforces and what ajv enforces is the same: every case goes through both, and so do random changes.
import { Ajv } from 'ajv';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { chartSchema, chartSchemaText, filledValues } from '../ci/testing/chart.ts';
import { fewAtATime, type TestChart, valuesChart } from '../ci/testing/helm.ts';
import { ajvMistakes, helmMistakes } from '../ci/testing/mistakes.ts';
import { randomFrom } from '../ci/testing/random.ts';
import { batchesOf, type Case, junk, rightCases, valuesWith, wrongCases } from '../ci/testing/schema-cases.ts';
import { isOpen, placesOf } from '../ci/testing/schema-places.ts';
import { mergeValues } from '../generator/environment.ts';

const validate = new Ajv({ allErrors: true }).compile(chartSchema);
const places = placesOf(chartSchema, filledValues);

let chart: TestChart;
beforeAll(async () => {
  chart = await valuesChart(filledValues, chartSchemaText);
});
afterAll(async () => chart?.[Symbol.asyncDispose]());

const byAjv = (over: unknown) => (validate(mergeValues(filledValues, over)) ? [] : ajvMistakes(validate.errors ?? []));

async function byHelm(over: unknown): Promise<string[]> {
  const { status, stderr } = await chart.template(over);
  const mistakes = helmMistakes(stderr);
  // Whatever Helm says that is no mistake of a value must not pass for "nothing wrong", nor for "refused".
  if ((status === 0) !== (mistakes.length === 0)) throw new Error(stderr);
  return mistakes;
}

/** Tries cases in as few calls of Helm as can be, and gives for each call what was expected and what both said. */
const tried = (cases: Case[], expected: (batch: Case[]) => string[]) =>
  fewAtATime(batchesOf(cases), async (batch) => {
    const over = valuesWith(batch);
    return { expected: [...new Set(expected(batch))].sort(), ajv: byAjv(over), helm: await byHelm(over) };
  });

describe('helm template', () => {
  it('refuses a wrong value of every kind at every place, naming its path, as ajv does', async () => {
    const cases = wrongCases(places);
    expect(cases.length).toBeGreaterThan(1000);
    for (const { expected, ajv, helm } of await tried(cases, (batch) => batch.flatMap(({ mistakes }) => mistakes))) {
      expect(helm).toEqual(expected);
      expect(ajv).toEqual(expected);
    }
  });

  it('takes every value at a bound, as ajv does', async () => {
    const cases = rightCases(places);
    expect(cases.length).toBeGreaterThan(300);
    for (const { ajv, helm } of await tried(cases, () => [])) expect([ajv, helm]).toEqual([[], []]);
  });

  it.each([1, 2, 3, 4])('comes to the same as ajv for random changes, seed %i', async (seed) => {
    const random = randomFrom(seed);
    const closed = places.filter((place) => !isOpen(place) && place.path.length > 0);
    const right = rightCases(places);
    const changes = Array.from({ length: 60 }, () => {
      const some = Array.from({ length: random.below(4) + 1 }, () => {
        if (random.below(3) > 0) return random.of(right);
        const { path } = random.of(closed);
        return { path: random.below(5) === 0 ? [...path, 'more'] : path, value: random.of(junk) };
      });
      return valuesWith(batchesOf(some as Case[])[0]!);
    });
    const verdicts = await fewAtATime(changes, async (over) => ({ over, ajv: byAjv(over), helm: await byHelm(over) }));
    for (const { over, ajv, helm } of verdicts) expect({ over, mistakes: helm }).toEqual({ over, mistakes: ajv });
    const refused = verdicts.filter(({ helm }) => helm.length > 0).length;
    expect(refused).toBeGreaterThan(10);
    expect(refused).toBeLessThan(50);
  });

  it.each([
    [
      'replica for replicas',
      { servers: { 'ollama-llama': { replica: { min: 1 } } } },
      "at '/servers/ollama-llama': additional properties 'replica' not allowed",
    ],
    ['gatway for gateway', { gatway: { maxBodyMiB: 1 } }, "at '': additional properties 'gatway' not allowed"],
    [
      'a server with an upper-case name',
      { servers: { 'Ollama-Llama': { models: ['llama'] } } },
      "at '/servers': additional properties 'Ollama-Llama' not allowed",
    ],
    [
      'a number that was not quoted',
      { serverDefaults: { resources: { cpu: 2 } } },
      "at '/serverDefaults/resources/cpu': got number, want string",
    ],
  ])('names the key and the place of %s', async (_what, over, message) => {
    expect((await chart.template(over)).stderr).toContain(message);
    expect(byAjv(over)).toHaveLength(1);
  });

  it('says what a key has to look like, though not where it is', async () => {
    const { stderr } = await chart.template({ servers: { 'Ollama-Llama': { models: ['llama'] } } });
    expect(stderr).toContain("'Ollama-Llama' does not match pattern '^[a-z]([-a-z0-9]*[a-z0-9])?$'");
  });

  it('refuses a key that is too long, and takes one of the longest', async () => {
    const named = (length: number) => ({ servers: { ['s'.repeat(length)]: {} } });
    expect((await chart.template(named(63))).status).toBe(0);
    expect((await chart.template(named(64))).stderr).toContain(`invalid propertyName '${'s'.repeat(64)}'`);
    expect([validate(mergeValues(filledValues, named(63))), validate(mergeValues(filledValues, named(64)))]).toEqual([
      true,
      false,
    ]);
  });

  it('lets a parent chart share whatever it likes, and switch the chart on', async () => {
    const over = { global: { anything: [{ at: 'all' }], number: 1 }, enabled: true };
    expect([byAjv(over), await byHelm(over)]).toEqual([[], []]);
  });
});
