import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { root } from './tools/paths.ts';

interface Step {
  run?: string;
  uses?: string;
  with?: Record<string, unknown>;
}

interface Workflow {
  permissions: unknown;
  jobs: Record<string, { steps: Step[]; 'timeout-minutes'?: number }>;
}

const folder = path.join(root, '.github/workflows');
const { scripts } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as { scripts: object };

/** What a command calls: a script of package.json or a file of the project; undefined for anything else. */
function called(command: string): string | undefined {
  const script = /^npm run (?:--silent )?([\w:-]+)/.exec(command)?.[1];
  if (script) return Object.hasOwn(scripts, script) ? script : undefined;
  const file = /^(?:node ci\/run\.mjs )?(\S+)/.exec(command)![1]!;
  return existsSync(path.join(root, file)) ? file : undefined;
}

describe.each(readdirSync(folder))('the workflow %s', (file) => {
  const text = readFileSync(path.join(folder, file), 'utf8');
  const workflow: Workflow = parse(text);
  const jobs = Object.values(workflow.jobs);
  const steps = jobs.flatMap((job) => job.steps);

  it('may read the repository, and what else it may, one job alone may', () => {
    expect(workflow.permissions).toEqual({ contents: 'read' });
  });

  it('has a bound on the time of every job', () => {
    for (const job of jobs) expect(job['timeout-minutes']).toBeGreaterThan(0);
  });

  it('pins every action by its commit, with its version beside it', () => {
    const used = text.split('\n').filter((line) => /\buses:/.test(line));
    expect(used.length).toBeGreaterThan(0);
    for (const line of used) expect(line).toMatch(/uses: [\w.-]+\/[\w.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/);
  });

  it('leaves no credentials where the code that it checks out can read them', () => {
    for (const { uses, with: given } of steps) {
      if (uses?.startsWith('actions/checkout@')) expect(given?.['persist-credentials']).toBe(false);
    }
  });

  it('runs what the project has, and takes nothing of an event into a shell', () => {
    for (const { run } of steps) {
      if (run === undefined) continue;
      expect(called(run), run).toBeDefined();
      expect(run.trim(), 'one command').not.toMatch(/[\n;|]|&&/);
      expect(run).not.toContain('${{');
    }
  });
});

it('deploys staging from develop, and production from main behind the approval of its environment, in two colours', () => {
  const { jobs } = parse(readFileSync(path.join(folder, 'deploy.yaml'), 'utf8')) as {
    jobs: Record<string, { if: string; environment: string; steps: Step[] }>;
  };
  const said = Object.values(jobs).map((job) => [job.environment, job.if, job.steps.flatMap(({ run = [] }) => run)[0]]);
  expect(said).toEqual([
    [
      'staging',
      "github.ref == 'refs/heads/develop'",
      expect.stringMatching(/^npm run deploy -- --env staging .*--yes$/),
    ],
    [
      'production',
      "github.ref == 'refs/heads/main'",
      expect.stringMatching(/^npm run deploy -- --env production --strategy blueGreen .*--yes$/),
    ],
  ]);
});
