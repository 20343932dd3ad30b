import { expect, it } from 'vitest';
import { valuesChart } from '../ci/testing/helm.ts';
import { keys, words } from '../ci/testing/words.ts';
import { toYaml } from './yaml.ts';

it('reads every string back in Helm, as a value and as a key', async () => {
  const values = { words, keys: Object.fromEntries(keys.map((word, index) => [word, index])) };
  await using chart = await valuesChart(toYaml(values, ['a test'], () => undefined));
  expect(await chart.values()).toEqual(values);
});
