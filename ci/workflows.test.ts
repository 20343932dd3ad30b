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
  on: Record<string, unknown>;
  permissions: unknown;
  jobs: Record<string, { steps: Step[]; permissions?: Record<string, string>; 'timeout-minutes'?: number }>;
}

/** What a job may beside reading the repository, and why. */
const mayWrite: Record<string, string[]> = {
  // To push the image and the chart, with what is attested of them, signed by who the workflow is.
  'release.yaml release': ['packages', 'attestations', 'id-token'],
  // To show what was found.
  'security.yaml configuration': ['security-events'],
  'security.yaml image': ['security-events'],
};

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

  it('has no job that may more than the table says', () => {
    for (const [name, { permissions = {} }] of Object.entries(workflow.jobs)) {
      const { contents, ...more } = permissions;
      expect([undefined, 'read'], name).toContain(contents);
      const wanted = (mayWrite[`${file} ${name}`] ?? []).map((scope) => [scope, 'write']);
      expect(more, name).toEqual(Object.fromEntries(wanted));
    }
  });

  it('runs nothing of a fork with what a fork may not have', () => {
    expect(Object.keys(workflow.on)).not.toContain('pull_request_target');
    expect(Object.keys(workflow.on)).not.toContain('workflow_run');
  });

  it('has a bound on the time of every job', () => {
    for (const job of jobs) expect(job['timeout-minutes']).toBeGreaterThan(0);
  });

  it('pins every action by its commit, with its version beside it', () => {
    const used = text.split('\n').filter((line) => /\buses:/.test(line));
    expect(used.length).toBeGreaterThan(0);
    for (const line of used) expect(line).toMatch(/uses: [\w.-]+(\/[\w.-]+)+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/);
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

const text = readdirSync(folder).map((file) => readFileSync(path.join(folder, file), 'utf8'));

it('all workflows use one commit of each action', () => {
  const used = text.flatMap((each) =>
    [...each.matchAll(/uses: (\S+)@(\S+)/g)].map(([, name, commit]) => [name, commit]),
  );
  const commits = Map.groupBy(used, ([name]) => name);
  for (const [name, all] of commits) expect(new Set(all.map(([, commit]) => commit)).size, name).toBe(1);
});

it('the table names jobs that there are', () => {
  for (const job of Object.keys(mayWrite)) {
    const [file, name] = job.split(' ') as [string, string];
    const workflow: Workflow = parse(readFileSync(path.join(folder, file), 'utf8'));
    expect(Object.keys(workflow.jobs)).toContain(name);
  }
});

it('what a release is made of is looked at every day, and every night all runs on the newest Kubernetes and Helm', () => {
  const read = (file: string): Workflow => parse(readFileSync(path.join(folder, file), 'utf8'));
  const runs = (file: string) =>
    Object.values(read(file).jobs).flatMap(({ steps }) => steps.map(({ run }) => run ?? ''));
  for (const file of ['security.yaml', 'nightly.yaml']) expect(Object.keys(read(file).on)).toContain('schedule');
  const asked = ['audit', 'audit -- signatures', 'sbom', 'scan -- config', 'scan -- image'];
  for (const what of asked)
    expect(
      runs('security.yaml').some((run) => run.includes(` ${what}`)),
      what,
    ).toBe(true);
  const nightly = runs('nightly.yaml');
  expect(nightly.indexOf('npm run newest')).toBeLessThan(nightly.indexOf('.ci/run'));
  expect(nightly).toEqual(expect.arrayContaining(['npm run newest', '.ci/run', 'npm run test:extended']));
});

it('what is released is signed after it was pushed, by its digest', () => {
  const { jobs }: Workflow = parse(readFileSync(path.join(folder, 'release.yaml'), 'utf8'));
  const runs = jobs.release!.steps.map(({ run, uses }) => run ?? uses ?? '');
  const at = (word: string) => runs.findIndex((run) => run.includes(word));
  expect(at('sign -- "$IMAGE@$DIGEST"')).toBeGreaterThan(at('docker/build-push-action'));
  expect(at('sign -- "ghcr.io/$OWNER/charts/model-management@$DIGEST"')).toBeGreaterThan(at('publish-chart'));
});
