import { parseArgs } from 'node:util';
import { recordPast } from './autoscaling/past.ts';
import { type Played, type Policy, play, type Stage, unservedAt } from './autoscaling/play.ts';
import {
  behaviour,
  cpuStyle,
  foresight,
  kubeai,
  ours,
  quantiles,
  reactive,
  registryTarget,
  ridge,
  staticPeak,
  targets,
  throughHpa,
} from './autoscaling/policies.ts';
import { finer, readTrace, type Trace } from './autoscaling/trace.ts';
import { atMost, type Benchmark, type Figure } from './measure.ts';

const peakReplicas = 16;
/** Targets of reactive scaling at whose cost the others are compared. */
const compared = [0.6, 0.7, 0.8];
const usage = 'usage: npm run bench -- autoscaling --trace FILE [--delay MINUTES,…] [--through-prometheus]';

/** One way to scale, as the points that its knob sweeps out. */
interface Row {
  name: string;
  points: Played[];
}

function parse(args: string[]): { trace: string; delays: number[]; throughPrometheus: boolean } {
  const {
    trace,
    delay,
    'through-prometheus': throughPrometheus,
  } = parseArgs({
    args,
    options: {
      trace: { type: 'string' },
      delay: { type: 'string', default: '1,5,10,20' },
      'through-prometheus': { type: 'boolean', default: false },
    },
  }).values;
  if (!trace) throw new Error(`no trace named; ${usage}`);
  const delays = delay.split(',').map(Number);
  const bad = delays.find((minutes) => !(Number.isInteger(minutes) && minutes >= 1 && minutes <= 60));
  if (bad !== undefined) throw new Error(`--delay: ${delay} is no list of whole minutes from 1 to 60; ${usage}`);
  return { trace, delays, throughPrometheus };
}

const divisor = (a: number, b: number): number => (b === 0 ? a : divisor(b, a % b));

/** The fleet at a start delay: in the trace's bins where they divide it, in shorter ones between them otherwise. */
function stageFor({ demand, binSeconds }: Trace, delayMinutes: number): { stage: Stage; seconds: number } {
  const seconds = divisor(binSeconds, delayMinutes * 60);
  const factor = binSeconds / seconds;
  const fine = finer(demand, factor);
  const stage = {
    demand: fine,
    delay: (delayMinutes * 60) / seconds,
    // Between bins nothing is added after the last: what counts starts with the same bin.
    start: (demand.length >> 1) * factor,
    capacity: Math.max(...demand) / peakReplicas,
    peakReplicas,
  };
  return { stage, seconds };
}

/** The demand that the forecaster reads where a Prometheus has recorded that of the stage by the rules that ship. */
async function readBack({ demand, capacity }: Stage, seconds: number): Promise<number[]> {
  await using past = await recordPast(
    demand.map((requests) => requests / capacity),
    seconds,
  );
  const read = await past.read();
  const off = Math.max(...read.map((pods, bin) => Math.abs(pods * capacity - demand[bin]!)));
  console.log(`${read.length} bins read back from Prometheus, off by ${off / capacity} pods at the most`);
  return read.map((pods) => pods * capacity);
}

/** `known` is demand as the forecaster knows it. */
function rowsFor(stage: Stage, seconds: number, traceSeconds: number, known: readonly number[]): Row[] {
  const swept = <T>(knobs: readonly T[], policy: (knob: T) => Policy) => knobs.map((knob) => play(policy(knob), stage));
  const whole = seconds === traceSeconds;
  const forecasts = quantiles.map((quantile) => ours({ ...stage, demand: known }, seconds, quantile));
  const spec = behaviour(stage);
  const hpa = (policy: Policy) => throughHpa(policy, spec, seconds);
  // The HPA leaves a metric alone that is over its replicas by less than the tolerance; what is to be had in full asks for it.
  const inFull =
    (policy: Policy): Policy =>
    (t, fleet) =>
      policy(t, fleet) * (1 + spec.tolerance);
  return [
    { name: 'static peak', points: [play(staticPeak(stage), stage)] },
    { name: 'reactive', points: swept(targets, (target) => reactive(stage, target)) },
    {
      name: 'KubeAI',
      points: swept(targets, (target) => kubeai(stage, target, Math.max(1, Math.round(600 / seconds)))),
    },
    { name: 'CPU-style', points: swept(targets, (target) => cpuStyle(stage, target)) },
    ...(whole && seconds === 600 ? [{ name: 'ridge', points: swept(targets, (target) => ridge(stage, target)) }] : []),
    { name: 'ours', points: swept(forecasts, (policy) => policy) },
    { name: 'perfect foresight', points: [play(foresight(stage), stage)] },
    { name: 'reactive, HPA', points: swept(targets, (target) => hpa(reactive(stage, target))) },
    { name: 'ours, HPA', points: swept(forecasts, (policy) => hpa(inFull(policy))) },
  ];
}

const percent = (share: number, digits = 2) => `${(100 * share).toFixed(digits)}%`;

function printed(title: string, rows: Row[], costs: number[]): string {
  const middle = costs[1]!;
  const lines = rows.map(({ name, points }) => {
    // Of a sweep, the point that costs nearest to what it is compared with.
    const near = points.toSorted((a, b) => Math.abs(a.cost - middle) - Math.abs(b.cost - middle))[0]!;
    const at = points.length > 1 ? costs.map((cost) => percent(unservedAt(cost, points), 3)) : costs.map(() => '');
    return [name, percent(near.cost, 1), percent(near.unserved), `${near.short}`, `${near.actions}`, ...at];
  });
  const titles = [
    '',
    'HOURS',
    'UNSERVED',
    'SHORT',
    'ACTIONS',
    ...compared.map((g, i) => `AT ${g} (${percent(costs[i]!, 1)})`),
  ];
  const all = [titles, ...lines];
  const widths = titles.map((_, column) => Math.max(...all.map((line) => line[column]!.length)));
  const pad = (cell: string, column: number) => (column ? cell.padStart(widths[column]!) : cell.padEnd(widths[0]!));
  return [title, ...all.map((line) => line.map(pad).join('  ').trimEnd())].join('\n');
}

/** Week one is history and week two counts; replica-hours are shares of 16 replicas all the time. */
export const autoscaling: Benchmark = {
  purpose:
    'what goes unserved at which cost, by ways to scale: --trace FILE [--delay MINUTES,…] [--through-prometheus]',
  async run(args): Promise<Figure[]> {
    const { trace: file, delays, throughPrometheus } = parse(args);
    const trace = await readTrace(file);
    const figures: Figure[] = [];
    for (const minutes of delays) {
      const { stage, seconds } = stageFor(trace, minutes);
      const known = throughPrometheus ? await readBack(stage, seconds) : stage.demand;
      const rows = rowsFor(stage, seconds, trace.binSeconds, known);
      const costs = compared.map((target) => play(reactive(stage, target), stage).cost);
      console.log(`${printed(`start delay ${minutes} min, bins of ${seconds} s`, rows, costs)}\n`);
      const points = (name: string) => rows.find((row) => row.name === name)!.points;
      const cost = costs[compared.indexOf(registryTarget)]!;
      const [theirs, mine] = [unservedAt(cost, points('reactive')), unservedAt(cost, points('ours'))];
      // Half of reactive's where a whole bin or two pass before a replica serves, never more than reactive's elsewhere.
      const share = seconds === trace.binSeconds && stage.delay <= 2 ? 0.5 : 1;
      const what = `unserved of ours at the cost of reactive with target ${registryTarget}, start delay ${minutes} min`;
      figures.push(
        atMost(Number((100 * theirs * share).toFixed(3)), { what, value: Number((100 * mine).toFixed(3)), unit: '%' }),
      );
    }
    return figures;
  },
};
