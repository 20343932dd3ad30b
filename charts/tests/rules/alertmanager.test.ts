import path from 'node:path';
import { expect, test } from 'vitest';
import { root } from '../../../ci/tools/paths.ts';
import { output } from '../../../ci/tools/run.ts';
import { tool } from '../../../ci/tools/tools.ts';
import { alerts } from '../../../generator/monitoring/alerts.ts';

const file = path.join(root, 'docs/alertmanager.yaml');
const amtool = async (...args: string[]) => output(await tool('amtool'), args);

test('the example of docs/ is one that Alertmanager takes', async () => {
  const { status, stdout, stderr } = await amtool('check-config', file);
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  expect(stdout).toContain('4 inhibit rules');
});

test.each(alerts.flatMap(({ rules }) => rules.map(({ alert, severity }) => [alert, severity] as const)))(
  'it sends %s of the severity %s where it says',
  async (alert, severity) => {
    const labels = [`alertname=${alert}`, `severity=${severity}`, 'release=rel', 'namespace=ns'];
    const { stdout } = await amtool('config', 'routes', 'test', `--config.file=${file}`, ...labels);
    expect(stdout.trim()).toBe(severity === 'critical' ? 'pager' : 'chat');
  },
);
