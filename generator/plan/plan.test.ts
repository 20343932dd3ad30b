import { beforeAll, describe, expect, test } from 'vitest';
import type { Schedule } from '../../schema/autoscaling.ts';
import { mergeValues, type ValuesOverrides } from '../environment.ts';
import { loadEnvironments } from '../environments.ts';
import { loadRegistry, type Registry } from '../registry.ts';
import { askedTable } from './asked.ts';
import { differenceSection } from './difference.ts';
import { fitOf } from './fit.ts';
import { nearestPlan } from './nearest.ts';
import { assumed, type Plan, planOf, sizes } from './plan.ts';
import { listPrices } from './prices.ts';
import { purchases } from './purchase.ts';
import { asMarkdown, asText, sectionsOf } from './report.ts';
import { nodesPicture } from './svg.ts';
import { changed } from './what-if.ts';
import { releaseOf } from './workload.ts';

let registry: Registry;
let environments: Awaited<ReturnType<typeof loadEnvironments>>;
let plan: Plan;
const prices = listPrices();

const release = (name: string, of = registry) => releaseOf(of, name, environments[name]!);

beforeAll(async () => {
  registry = await loadRegistry();
  environments = await loadEnvironments();
  plan = await planOf(release('production'), prices);
});

describe('what a release asks for', () => {
  test('is what the scheduler counts of its pods: Ollama and the agent beside it, of the gateways and of the forecaster', () => {
    const { workloads, loadBalancers } = release('production');
    const of = (name: string) => workloads.find((workload) => workload.name === name);
    expect(of('ollama-llama')).toMatchObject({
      need: { cpu: 4100, memory: Math.ceil(40e9 / 2 ** 20) + 256, gpus: 1, pods: 1 },
      gpuType: 'L40S',
      pods: registry.models.llama!.serving.replicas,
    });
    // The environment's own, over the chart's.
    expect(of('gateway')).toMatchObject({ need: { cpu: 500, memory: 512, gpus: 0 }, pods: { min: 3, max: 12 } });
    expect(of('forecaster')).toMatchObject({ need: { cpu: 100, memory: 256, gpus: 0 }, pods: { min: 1, max: 1 } });
    expect(loadBalancers).toBe(1);
  });

  test('leaves out servers that an environment switches off, and takes what CPU it sets aside', () => {
    const { workloads } = release('local');
    expect(workloads.map(({ name }) => name)).toEqual(['ollama-business', 'gateway']);
    expect(workloads[0]!.need.cpu).toBe(250 + 50);
    // Without an autoscaler nothing makes more of the gateway.
    expect(workloads[1]!.pods).toEqual({ min: 1, max: 1 });
  });
});

describe('a plan', () => {
  test('has every pod on a node, at either end and for every way to pay', () => {
    for (const purchase of purchases) {
      for (const [size, end] of [
        ['minimum', 'min'],
        ['maximum', 'max'],
      ] as const) {
        const { nodes } = plan.nodes[purchase][size];
        const wanted = plan.release.workloads.reduce((sum, { pods }) => sum + pods[end], 0);
        expect(nodes.flatMap(({ pods }) => pods)).toHaveLength(wanted);
      }
    }
  });

  test('has nodes for a second gateway, which a deployment with two colours brings up', () => {
    for (const [size, end] of [
      ['minimum', 'min'],
      ['maximum', 'max'],
    ] as const) {
      const { nodes, usdPerHour } = plan.secondGateway[size];
      const { pods } = plan.release.workloads.find(({ name }) => name === 'gateway')!;
      expect(nodes.flatMap(({ pods }) => pods)).toEqual(Array(pods[end]).fill('gateway'));
      expect(usdPerHour.low).toBeGreaterThan(0);
    }
    const section = sectionsOf({ plan, fit: [], prices, budgetUsd: 0 }).find(({ title }) => title.includes('colours'))!;
    expect(section.rows.slice(1).map((row) => row.slice(0, 2))).toEqual([
      ['minimum', '3'],
      ['maximum', '12'],
    ]);
  });

  test('is within 5% of what no packing is cheaper than', () => {
    for (const purchase of purchases) {
      expect(plan.nodes[purchase].minimum.gapPercent).toBeLessThanOrEqual(5);
      expect(plan.nodes[purchase].maximum.gapPercent).toBeLessThanOrEqual(5);
    }
  });

  test('adds up: the servers cause what the nodes cost, and the parts are the whole', () => {
    for (const size of sizes) {
      const bill = plan.bills.onDemand[size];
      const caused = plan.servers.reduce((sum, { usd }) => sum + usd[size], 0);
      expect(caused).toBeCloseTo(bill.nodes.low, 4);
      const { total, ...parts } = bill;
      expect(Object.values(parts).reduce((sum, { high }) => sum + high, 0)).toBeCloseTo(total.high, 6);
    }
  });

  test('costs as much in the average as its busy hours say', async () => {
    const at = async (busyHours: number) => {
      const { bills } = await planOf(release('production'), prices, { ...assumed, busyHours });
      return bills.onDemand;
    };
    const never = await at(0);
    expect(never.average).toEqual(never.minimum);
    const always = await at(168);
    expect(always.average.total.low).toBeCloseTo(always.maximum.total.low, 6);
  });

  test('costs less in the average by windows with fewer pods, and as much where none of them says so', async () => {
    const averageOf = async (schedule: Schedule) => {
      const change = { servers: { 'ollama-summary': { replicas: { onDemand: 0 }, autoscaling: { schedule } } } };
      const values = mergeValues(environments.production!.values, change) as ValuesOverrides;
      const { bills, servers } = await planOf(
        releaseOf(registry, 'production', { ...environments.production!, values }),
        prices,
      );
      const { average } = servers.find(({ workload }) => workload.name === 'ollama-summary')!.usd;
      return { bill: bills.onDemand.average.nodes.low, own: average };
    };
    const window = (min: number): Schedule => ({
      evenings: { days: ['mon'], from: '00:00', to: '24:00', min },
      mornings: { days: ['tue'], from: '00:00', to: '07:00', min },
      weekends: { days: ['sat', 'sun'], from: '00:00', to: '24:00', min },
    });
    const [as, fewer, more] = [await averageOf(window(2)), await averageOf(window(0)), await averageOf(window(9))];
    expect(fewer.bill).toBeLessThan(as.bill);
    expect(fewer.own).toBeLessThan(as.own);
    expect(more.bill).toBeGreaterThan(as.bill);
  });

  test('costs less on spot and by a commitment than on demand', () => {
    for (const size of sizes) {
      const { onDemand, spot, commitment } = plan.bills;
      expect(spot[size].total.high).toBeLessThan(onDemand[size].total.low);
      expect(commitment[size].total.high).toBeLessThan(onDemand[size].total.low);
    }
  });
});

describe('a plan on spot', () => {
  test('has what never goes to spot nodes on demand: by its capacity, or so many of its pods', () => {
    const { nodes } = plan.nodes.spot.minimum;
    const podsOn = (purchase: string) => nodes.filter((node) => node.purchase === purchase).flatMap(({ pods }) => pods);
    const { workloads } = plan.release;
    expect(workloads.some(({ onDemand, pods }) => onDemand.min > 0 && onDemand.min < pods.min)).toBe(true);
    for (const { name, pods, onDemand } of workloads) {
      expect(podsOn('onDemand').filter((pod) => pod === name)).toHaveLength(onDemand.min);
      expect(podsOn('spot').filter((pod) => pod === name)).toHaveLength(pods.min - onDemand.min);
    }
  });
});

describe('servers that share GPUs', () => {
  const withMode = (gpu: object) => ({
    ...environments.production!,
    values: {
      ...environments.production!.values,
      servers: { 'ollama-gpt-oss': { gpu, replicas: { min: 3 }, resources: { memory: '4G' } } },
    },
  });

  test('take their part of one, so that several are on a node', async () => {
    const sliced = releaseOf(registry, 'production', withMode({ mode: 'timeSlicing', sharedBy: 3 }));
    expect(sliced.workloads.find(({ name }) => name === 'ollama-gpt-oss')!.need.gpus).toBeCloseTo(1 / 3, 9);
    const { nodes } = (await planOf(sliced, prices)).nodes.onDemand.minimum;
    expect(nodes.some(({ pods }) => pods.filter((pod) => pod === 'ollama-gpt-oss').length === 3)).toBe(true);
  });

  test('are refused in modes that the plan does not know', () => {
    expect(() => releaseOf(registry, 'production', withMode({ mode: 'hami' }))).toThrow(
      'servers.ollama-gpt-oss: gpu.mode is hami, and the plan knows whole GPUs and equal parts of them',
    );
  });
});

describe('the requirements’ table', () => {
  test('is by list price what its nodes cost in 730 hours', () => {
    const rows = askedTable(registry, prices);
    const of = (what: string) => rows.find((row) => row.what === what)!;
    expect(of('3 × p3.2xlarge').saidUsd).toBe(2750);
    expect(of('3 × p3.2xlarge').trueUsd.low).toBeCloseTo(3 * 3.06 * 730, 6);
    expect(of('5 × c5.4xlarge').saidUsd).toBe(600);
    expect(of('5 × c5.4xlarge').trueUsd.low).toBeCloseTo(5 * 0.68 * 730, 6);
    expect(of('total').trueUsd.low).toBeCloseTo((3 * 3.06 + 5 * 0.68 + 0.1) * 730, 6);
    expect(of('all on spot').trueUsd.low).toBeGreaterThan(of('all on spot').saidUsd);
  });
});

describe('the plan nearest to a budget', () => {
  const nearest = (budget: number) =>
    nearestPlan(registry, 'production', environments.production!, prices, budget, assumed);
  const middle = ({ total }: { total: { low: number; high: number } }) => (total.low + total.high) / 2;

  test('gives up nothing where the budget is enough', async () => {
    expect((await nearest(10_000)).givesUp).toEqual([]);
  });

  test('holds 1,400 and says what for', async () => {
    const { bill, givesUp } = await nearest(1400);
    expect(middle(bill)).toBeLessThanOrEqual(1400);
    expect(givesUp.length).toBeGreaterThan(0);
  });

  test('is the cheapest there is where no budget so small can be held', async () => {
    const least = await nearest(1);
    expect(middle(least.bill)).toBeGreaterThan(1);
    expect(middle(least.bill)).toBeLessThan(middle((await nearest(1400)).bill));
  });
});

describe('what if', () => {
  test('a context is twice as long: it no longer fits, and nodes and cost stay', async () => {
    const tried = changed(registry, ['qwen.context=16384']);
    const before = { fit: fitOf(registry), plan };
    const after = { fit: fitOf(tried), plan: await planOf(release('production', tried), prices) };
    const { rows, notes } = differenceSection(['qwen.context=16384'], before, after);
    expect(rows.map(([what]) => what)).toEqual(['', 'fit of ollama-qwen']);
    expect(rows[1]![2]).toMatch(/DOES NOT FIT$/);
    expect(notes.at(-1)).toBe('Nodes and cost stay as they are.');
    // What was tried is not kept.
    expect(registry.models.qwen!.serving.context).toBe(8192);
  });

  test('a model has more pods: nodes and cost differ', async () => {
    const tried = changed(registry, ['llama.replicas.min=2', 'llama.gpu.type=H100']);
    const after = await planOf(release('production', tried), prices);
    const more = after.bills.onDemand.minimum.nodes.low - plan.bills.onDemand.minimum.nodes.low;
    expect(more).toBeCloseTo((2 * 6.88 - 2.24208) * 730, 6);
  });

  test('is refused for what is not there, naming what is near', () => {
    expect(() => changed(registry, ['qwenn.context=1'])).toThrow(
      /^--what-if qwenn\.context=1: there is no model 'qwenn': did you mean qwen, /,
    );
    expect(() => changed(registry, ['qwen.contxt=1'])).toThrow(
      /^--what-if qwen\.contxt=1: 'contxt' cannot be tried: did you mean context, /,
    );
    expect(() => changed(registry, ['qwen.context=many'])).toThrow(
      "--what-if qwen.context=many: 'many' is no number: write one, such as qwen.context=2",
    );
    expect(() => changed(registry, ['qwen'])).toThrow('--what-if qwen: is no change: write MODEL.PATH=VALUE');
  });
});

describe('a report', () => {
  const findings = () => ({ plan, fit: fitOf(registry), prices, budgetUsd: 1400, asked: askedTable(registry, prices) });

  test('says the same as text and as Markdown', () => {
    const sections = sectionsOf(findings());
    const text = asText(sections);
    const markdown = asMarkdown(sections);
    for (const { rows } of sections) {
      for (const cell of rows.flat()) {
        expect(text).toContain(cell);
        expect(markdown).toContain(cell);
      }
    }
  });

  test('is a picture that names every node with its pods for those who do not see it', () => {
    const svg = nodesPicture(plan);
    const [, described] = /<desc id="desc">(.*)<\/desc>/.exec(svg)!;
    for (const { offer, pods } of plan.nodes.onDemand.minimum.nodes) {
      expect(described).toContain(offer.type);
      for (const pod of pods) expect(described).toContain(pod);
    }
    const { minimum, maximum } = plan.nodes.onDemand;
    expect(svg.match(/<rect class="node"/g)).toHaveLength(minimum.nodes.length + maximum.nodes.length);
  });
});
