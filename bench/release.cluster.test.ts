import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, it } from 'vitest';
import { testNamespace } from '../ci/cluster/testing.ts';
import { chartFolder, chartValues } from '../ci/testing/chart.ts';
import { temporaryFolder } from '../ci/testing/project.ts';
import { run } from '../ci/tools/run.ts';
import { tool } from '../ci/tools/tools.ts';
import { sizeOfRelease } from './release.ts';

it('measures a release as large as the Secret that Helm keeps it in', async () => {
  await using namespace = await testNamespace();
  await using folder = await temporaryFolder();
  const values = path.join(folder.path, 'values.json');
  // What is stored is what counts here: no server has to run for it.
  const servers = Object.fromEntries(Object.keys(chartValues.servers).map((name) => [name, { enabled: false }]));
  await writeFile(values, JSON.stringify({ servers }));
  const args = [chartFolder, '--namespace', namespace.name, '--values', values];
  await run(await tool('helm'), ['install', 'release', ...args], { env: namespace.cluster.env });
  const secret = await namespace.get('secret', 'sh.helm.release.v1.release.v1');
  const stored = Buffer.from(secret.data.release, 'base64').length;
  const measured = await sizeOfRelease(args);
  expect(Math.abs(measured - stored) / stored).toBeLessThan(0.02);
});
