// What a platform engineer does: each test runs `npm run plan` in a copy of the project.
import { describe, expect, it } from 'vitest';
import { copyProject, type ProjectCopy } from '../../ci/testing/project.ts';

const copy = () => copyProject('schema', 'generator', 'environments', 'docs', 'README.md');
const planned = async (project: ProjectCopy, ...args: string[]) => {
  const { status, stdout, stderr } = await project.npm('plan', ...args);
  expect([status, stderr]).toEqual([0, '']);
  return stdout;
};

describe.concurrent('npm run plan', () => {
  it('tells of production whether it fits, on which nodes, and what it costs, and gives the same to programs', async () => {
    await using project = await copy();
    const text = await planned(project);
    for (const title of [
      'Does it fit',
      'Which GPU holds which model',
      'Nodes',
      'Cost a month',
      'Nearest to $1,400 a month',
    ]) {
      expect(text).toMatch(new RegExp(`^${title.replace('$', '\\$')}$`, 'm'));
    }
    expect(text).toMatch(/^ {2}T4 .*partly, \d+%/m);
    const { plan, fit, verdicts, prices } = JSON.parse(await planned(project, '--json'));
    expect(plan.environment).toBe('production');
    expect(fit.every(({ problem }: { problem?: string }) => problem === undefined)).toBe(true);
    expect(verdicts.llama).toMatchObject({
      T4: { kind: 'partly' },
      L40S: { kind: 'alone' },
      'mig-1g.5gb': { kind: 'partly' },
    });
    expect(prices.region).toBe('us-east-1');
  });

  it('tells of another environment, and as a page', async () => {
    await using project = await copy();
    const page = await planned(project, '--env', 'local', '--markdown');
    expect(page).toMatch(/^## Does it fit$/m);
    expect(page).toContain('| ollama-business | memory |');
    // Those that it switches off.
    expect(page).not.toContain('ollama-llama');
  });

  it('tells what a change would do, and what would mend it where it does not fit', async () => {
    await using project = await copy();
    const text = await planned(project, '--what-if', 'qwen.context=16384', '--what-if', 'llama.replicas.min=2');
    expect(text).toMatch(/^What if qwen.context=16384, llama.replicas.min=2$/m);
    expect(text).toMatch(/fit of ollama-qwen .*fits .*DOES NOT FIT/);
    expect(text).toMatch(/generator\/registry\/qwen.ts: .* 23.9 GiB are needed .*: lower context to 8192, or /);
    expect(text).toMatch(/a month, on demand, minimum +\$[\d,]+/);
  });

  it('takes prices of one’s own, and busy hours and a budget', async () => {
    await using project = await copy();
    const shipped = JSON.parse(await project.read('generator/plan/prices/aws-us-east-1.json'));
    for (const instance of Object.values<{ usdPerHour: number }>(shipped.instances)) instance.usdPerHour *= 2;
    await project.write('mine.json', JSON.stringify({ ...shipped, region: 'mine' }));
    const own = JSON.parse(
      await planned(project, '--json', '--prices', 'mine.json', '--busy-hours', '0', '--budget', '9000'),
    );
    const listed = JSON.parse(await planned(project, '--json'));
    const nodes = (findings: typeof own) => findings.plan.bills.onDemand.minimum.nodes.low;
    expect(nodes(own) / nodes(listed)).toBeCloseTo(2, 6);
    expect(own.plan.bills.onDemand.average).toEqual(own.plan.bills.onDemand.minimum);
    expect([own.prices.region, own.budgetUsd]).toEqual(['mine', 9000]);
  });

  it.each([
    [['--env', 'nowhere'], '--env nowhere: is no environment: name one of local, production, staging'],
    [['--prices', 'none.json'], 'none.json: is not there: name a JSON file of the shape of'],
    [['--busy-hours', '200'], '--busy-hours 200: is no number from 0 to 168: write one'],
    [['--what-if', 'qwen.contxt=1'], "--what-if qwen.contxt=1: 'contxt' cannot be tried: did you mean context"],
    [['--jsn'], "npm run plan: Unknown option '--jsn': give some of --env, --prices,"],
    [['--prices'], "npm run plan: Option '--prices <value>' argument missing: give some of --env, --prices,"],
  ])('says in a line what is wrong with %j', async (args, message) => {
    await using project = await copy();
    const { status, stdout, stderr } = await project.npm('plan', ...args);
    expect([status, stdout]).toEqual([1, '']);
    expect(stderr).toContain(message);
    expect(stderr.trim().split('\n')).toHaveLength(1);
  });

  it('writes the files that the plan is in, and says which of them are stale', async () => {
    await using project = await copy();
    expect(await planned(project, '--check')).toBe('');
    const file = 'environments/production/nodes/karpenter.yaml';
    await project.write(file, (await project.read(file)).replace('consolidateAfter: 10m', 'consolidateAfter: 1m'));
    const { status, stderr } = await project.npm('plan', '--check');
    expect(status).toBe(1);
    expect(stderr).toContain(file);
    expect(await planned(project, '--write')).toContain(`wrote ${file}`);
    expect(await planned(project, '--check')).toBe('');
  });
});
