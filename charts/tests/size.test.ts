import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from 'vitest';
import { sizeOfRelease } from '../../bench/release.ts';
import { temporaryFolder } from '../../ci/testing/project.ts';
import { chart, fleet, mistakes, model } from './render.ts';

/** Letters of a prompt, and so many prompts that no release with them is taken. */
const length = 16_384;
const tooMany = 41;
/** KiB that the chart reckons with for these, which _validate.tpl has from a benchmark. */
const ofPrompts = (1.4 * tooMany * length) / 1024;

const prompts = Object.fromEntries(
  Array.from({ length: tooMany }, (_, index) => [`m${index}`, model(`m${index}`, { system: 'x'.repeat(length) })]),
);

// Templates, rules and dashboards grow from change to change, and are in the Secret of a release themselves.
test.each([
  ['without rules and dashboards', {}],
  ['with rules', { monitoring: { rules: { delivery: 'configMap' } } }],
  ['with dashboards', { monitoring: { dashboards: { delivery: 'configMap' } } }],
])('the chart reckons with at least its own size, and not with much more, %s', async (_, rest) => {
  const [line] = await mistakes(fleet({ a: {} }, prompts, rest));
  const reckoned = Number(/a release of about (\d+) KiB/.exec(line!)![1]) - ofPrompts;
  await using folder = await temporaryFolder();
  const values = path.join(folder.path, 'values.json');
  await writeFile(values, JSON.stringify(fleet({ a: {} }, {}, rest)));
  const size = (await sizeOfRelease([chart, '--values', values])) / 1024;
  expect(reckoned - size).toBeGreaterThan(0);
  expect(reckoned - size).toBeLessThan(40);
});
