import { readdirSync } from 'node:fs';
import path from 'node:path';
import { root } from '../tools/paths.ts';
import { type Output, output } from '../tools/run.ts';
import { type FamilyName, toolEnvironment } from '../tools/tools.ts';
import { unreadValues } from './values-read.ts';

/** Something that has to hold for the whole project. */
export interface Check {
  name: string;
  /** What it said, and whether it holds: 0 for yes. */
  run(): Promise<Pick<Output, 'status'> & { text: string }>;
}

const bin = (name: string) => path.join(root, 'node_modules', '.bin', name);

function command(name: string, file: string, args: string[], ...families: FamilyName[]): Check {
  return {
    name,
    run: async () => {
      const { status, stdout, stderr } = await output(file, args, {
        cwd: root,
        env: await toolEnvironment(...families),
      });
      return { status, text: `${stdout}${stderr}` };
    },
  };
}

const environments = readdirSync(path.join(root, 'environments'), { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map((entry) => entry.name);

/** All of them, quick ones first. */
export const checks: Check[] = [
  command('biome check', bin('biome'), ['check', '--error-on-warnings', '.']),
  command('tsc --noEmit', bin('tsc'), ['--noEmit']),
  command('tsc --noEmit, the status page', bin('tsc'), ['--noEmit', '--project', 'service/gateway/ui']),
  command('gen-values --check', process.execPath, ['generator/main.ts', '--check']),
  command('plan --check', process.execPath, ['generator/plan/main.ts', '--check']),
  command('helm lint', 'helm', ['lint', '--strict', 'charts'], 'cluster'),
  ...environments.map((name) => {
    const values = path.join('environments', name, 'values.yaml');
    return command(`helm lint, ${name}`, 'helm', ['lint', '--strict', 'charts', '--values', values], 'cluster');
  }),
  {
    name: 'every value is read by a template',
    run: async () => {
      const unread = await unreadValues();
      return { status: unread.length > 0 ? 1 : 0, text: unread.map((line) => `${line}\n`).join('') };
    },
  },
  command('actionlint', 'actionlint', ['-shellcheck=', '-pyflakes='], 'delivery'),
  // chart-testing calls helm, yamllint and yamale by their names.
  command('ct lint', 'ct', ['lint', '--config', 'ci/ct.yaml'], 'helm3', 'cluster', 'python'),
];
