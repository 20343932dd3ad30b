import { say } from '../../ci/tools/progress.ts';
import { atMost, type Figure, median, medianFigure } from '../measure.ts';
import { attack, type Seen } from './attack.ts';
import type { Candidate } from './candidates.ts';
import type { Run } from './job.ts';
import type { Settings } from './settings.ts';
import { comeToRest, titleOf, turns, withCpu } from './turns.ts';

const requestsPerSecond = [500, 1000];

/** Whose warm-up has a larger share of errors does not hold the rate: its rounds would only disturb those of the others. */
const mostErrors = 0.1;

/** A turn of a candidate. */
interface Turn {
  seen: Seen;
  /** Cores that others than the benchmark used meanwhile. */
  others: number;
  /** Seconds of CPU for 1,000 requests, for each process. */
  cpu: number[];
}

/** What the candidates add at rates that they hold, each compared with direct requests of the same round. */
export async function rates(run: Run, all: Candidate[], { rounds, seconds }: Settings): Promise<Figure[]> {
  const figures: Figure[] = [];
  let holding = all;
  for (const rate of requestsPerSecond) {
    const load = { rate, timeoutSeconds: 5 };
    const turn = async (candidate: Candidate, seconds: number): Promise<Turn> => {
      const { result, cpu, others } = await withCpu(candidate.jobs, () => attack(run, candidate, { ...load, seconds }));
      return { seen: result, others, cpu: cpu.map((used) => (used * 1000) / result.requests) };
    };
    const still: Candidate[] = [];
    for (const candidate of holding) {
      const { seen } = await turn(candidate, Math.min(3, seconds));
      if (seen.errors <= mostErrors * seen.requests) still.push(candidate);
      else figures.push(missed(candidate, rate, seen));
      await comeToRest(run, candidate);
    }
    holding = still;
    const results = new Map(holding.map((candidate) => [candidate, [] as Turn[]]));
    for (const { round, candidate } of turns(holding, rounds)) {
      const result = await turn(candidate, seconds);
      say(`bench: ${rate} requests/s, round ${round + 1} of ${rounds}: ${titleOf(candidate)} ${describe(result.seen)}`);
      results.get(candidate)!.push(result);
    }
    figures.push(...compare(rate, results));
    const others = [...results.values()].flat().map((turn) => turn.others);
    if (others.length > 0) figures.push(medianFigure(`${rate}/s: cores that others used meanwhile`, others, ''));
  }
  for (const candidate of all) {
    for (const job of candidate.jobs) {
      const what = `after that, ${titleOf(candidate)}: memory of ${job.name}`;
      figures.push({ what, value: round(job.memoryMB), unit: 'MB' });
    }
  }
  return figures;
}

const round = (value: number) => Number(value.toFixed(1));

const describe = ({ p50, p99, errors }: Seen) => `p50 ${p50.toFixed(2)} ms, p99 ${p99.toFixed(2)} ms, ${errors} errors`;

function missed(candidate: Candidate, rate: number, { errors, requests, problems }: Seen): Figure {
  const what = `${rate}/s, ${titleOf(candidate)}: not held, share of errors`;
  say(`bench: ${what}: ${problems.slice(0, 2).join('; ')}`);
  return { what, value: round((100 * errors) / requests), unit: '%' };
}

/** The figures of a rate. */
export function compare(rate: number, results: Map<Candidate, Turn[]>): Figure[] {
  const figures: Figure[] = [];
  const of = (name: Candidate['name']) => [...results].find(([candidate]) => candidate.name === name)?.[1];
  const direct = of('direct');
  const added = (turns: Turn[], at: 'p50' | 'p99') =>
    direct && turns.map(({ seen }, round) => seen[at] - direct[round]!.seen[at]);
  for (const [candidate, turns] of results) {
    const title = `${rate}/s, ${titleOf(candidate)}`;
    for (const at of ['p50', 'p99'] as const) {
      figures.push(
        medianFigure(
          `${title}: ${at}`,
          turns.map(({ seen }) => seen[at]),
          'ms',
        ),
      );
      const times = candidate.name === 'direct' ? undefined : added(turns, at);
      if (!times) continue;
      const figure = medianFigure(`${title}: added at ${at}`, times, 'ms');
      figures.push(candidate.name === 'gateway' && at === 'p50' ? atMost(1, figure) : figure);
      for (const { to, by, limit } of comparisons) {
        const base = candidate.name === by && of(to) && added(of(to)!, at);
        if (base) figures.push(ratio(`${title}: added at ${at}, in times of ${to}`, times, base, limit));
      }
    }
    const errors = turns.reduce((sum, { seen }) => sum + seen.errors, 0);
    figures.push(atMost(0, { what: `${title}: errors`, value: errors, unit: '' }));
    for (const [index, job] of candidate.jobs.entries()) {
      const what = `${title}: CPU of ${job.name} for 1,000 requests`;
      figures.push(
        medianFigure(
          what,
          turns.map(({ cpu }) => cpu[index]!),
          's',
        ),
      );
    }
  }
  return figures;
}

const comparisons = [
  { by: 'gateway', to: 'nginx', limit: 2.5 },
  { by: 'agent', to: 'gateway', limit: 2 },
] as const;

/** The shortest time added that is told from none, in ms. */
const resolution = 0.05;

/** How many times as much one adds as another, by their medians: those of one round are too uneven for it. */
function ratio(what: string, times: number[], base: number[], limit: number): Figure {
  const value = median(times) / Math.max(resolution, median(base));
  return atMost(limit, { what, value: Number(value.toFixed(2)), unit: '' });
}
