import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { previousRelease, previousValues } from '../testing/previous.ts';
import { output } from '../tools/run.ts';
import { versionOf } from './previous-release.ts';

it.each([
  ['v1.2.3', '1.2.3'],
  ['v1.2.3-rc.1', '1.2.3-rc.1'],
  ['main', '0.1.0-4a6ea29'],
  ['very-old', '0.1.0-4a6ea29'],
])('%s is kept as %s', (name, version) => {
  expect(versionOf(name, '0.1.0', '4a6ea29')).toBe(version);
});

it('the previous release has its chart, its service and its environments', async () => {
  const previous = await previousRelease();
  const list = async (file: string) => (await output('tar', ['-tzf', file])).stdout.split('\n');
  expect(await list(previous.chart)).toContain('model-management/templates/deployment.yaml');
  const sources = await list(previous.sources);
  for (const file of ['service/gateway/main.ts', 'service/Dockerfile', 'package-lock.json'])
    expect(sources).toContain(file);
  expect(sources.filter((file) => file.endsWith('.test.ts'))).toEqual([]);
  for (const name of ['local', 'staging', 'production']) expect(await previousValues(previous, name)).toMatch(/^\w+:/m);
  expect((await readFile(previous.chart)).length + (await readFile(previous.sources)).length).toBeLessThan(400_000);
});
