import { readdirSync } from 'node:fs';
import path from 'node:path';
import { stalePinsOf } from '../delivery/pin-images.ts';
import { root } from '../tools/paths.ts';
import { type Output, output } from '../tools/run.ts';
import { type FamilyName, toolEnvironment } from '../tools/tools.ts';
import { unansweredFindings } from './findings.ts';
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

/** One that holds when there is nothing to say. */
const lines = (name: string, find: () => Promise<string[]>): Check => ({
  name,
  run: async () => {
    const found = await find();
    return { status: found.length > 0 ? 1 : 0, text: found.map((line) => `${line}\n`).join('') };
  },
});

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
  lines('every value is read by a template', unreadValues),
  lines('the images of production are pinned as they are named', () => stalePinsOf('production')),
  lines('every finding of checkov is answered', () => unansweredFindings(environments)),
  command('actionlint', 'actionlint', ['-shellcheck=', '-pyflakes='], 'delivery'),
  // chart-testing calls helm, yamllint and yamale by their names.
  command('ct lint', 'ct', ['lint', '--config', 'ci/ct.yaml'], 'helm3', 'cluster', 'python'),
];
