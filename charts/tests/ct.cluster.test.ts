import path from 'node:path';
import { expect, it } from 'vitest';
import { root } from '../../ci/tools/paths.ts';
import { run } from '../../ci/tools/run.ts';
import { tool, toolEnvironment } from '../../ci/tools/tools.ts';
import { testFleet, tinyServer } from './fleet.ts';

// As the workflow `ci` does on kind.
it('is installed by chart-testing, waited for, and taken away', async () => {
  await using fleet = await testFleet();
  const { namespace } = fleet;
  const { PATH, HELM_PLUGINS } = await toolEnvironment('cluster', 'helm3');
  const said = await run(
    await tool('ct'),
    [
      ...['install', '--config', path.join(root, 'ci/ct.yaml'), '--namespace', namespace.name],
      ...['--helm-extra-set-args', `--values=${fleet.valuesFile(tinyServer('one'))}`],
    ],
    { cwd: root, env: { ...namespace.cluster.env, PATH, HELM_PLUGINS } },
  );
  expect(said).toContain('All charts installed successfully');
  expect(said).toMatch(/deployment "ollama-one" successfully rolled out/);
  await namespace.until('nothing of it', 60, async () => (await namespace.list('pods')).length === 0);
});
