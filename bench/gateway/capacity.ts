import { say } from '../../ci/tools/progress.ts';
import { atLeast, type Figure } from '../measure.ts';
import { attack, type Seen } from './attack.ts';
import type { Candidate, CandidateName } from './candidates.ts';
import type { Run } from './job.ts';
import type { Settings } from './settings.ts';
import { comeToRest, titleOf, withCpu } from './turns.ts';

/** A rate is held with answers that are as fast as this, in ms, and no errors. */
const limitMs = 50;

/** Cores that others may use without being taken for the reason why a rate is not held. */
const quiet = 0.2;

/** Who is slow is asked slowly first: what it can't do keeps it busy for long. */
const firstRates: Partial<Record<CandidateName, number>> = { litellm: 16 };

/**
 * The highest rate that is held, to within a share of it: twice the one before as long as that is held, then between the
 * last that was and the first that was not. Zero when not even one request a second is held.
 */
export async function highestRate(
  holds: (rate: number) => Promise<boolean>,
  first: number,
  share = 0.07,
): Promise<number> {
  let held = 0;
  let missed = Number.POSITIVE_INFINITY;
  for (let rate = first; missed - held > share * held && rate >= 1; ) {
    if (await holds(rate)) held = rate;
    else missed = rate;
    rate = missed === Number.POSITIVE_INFINITY ? rate * 2 : Math.round((held + missed) / 2);
    if (rate === held || rate === missed) break;
  }
  return held;
}

interface Capacity {
  rate: number;
  /** The median time of an answer at it, in ms. */
  p50: number;
  /** Cores that the candidate's processes used at it. */
  cores: number;
}

/** The highest rate that each candidate holds, on whatever cores the load and Ollama leave it. */
export async function capacity(run: Run, candidates: Candidate[], { seconds }: Settings): Promise<Figure[]> {
  const found = new Map<CandidateName, Capacity>();
  for (const candidate of candidates) found.set(candidate.name, await capacityOf(run, candidate, seconds / 2));
  const figures: Figure[] = [];
  for (const candidate of candidates) {
    const { rate, p50, cores } = found.get(candidate.name)!;
    const title = `highest rate with p99 < ${limitMs} ms, ${titleOf(candidate)}`;
    figures.push({ what: title, value: rate, unit: '/s' });
    figures.push({ what: `${title}: p50 at it`, value: Number(p50.toFixed(2)), unit: 'ms' });
    if (cores === 0) continue;
    const perCore = { what: `${title}: a core`, value: Math.round(rate / cores), unit: '/s' };
    figures.push(candidate.name === 'gateway' ? atLeast(2500, perCore) : perCore);
  }
  const [own, other] = [found.get('gateway'), found.get('litellm')];
  if (own && other) {
    const value = Number((own.rate / Math.max(1, other.rate)).toFixed(1));
    figures.push(atLeast(50, { what: 'highest rate, gateway: in times of LiteLLM', value, unit: '' }));
  }
  return figures;
}

async function capacityOf(run: Run, candidate: Candidate, seconds: number): Promise<Capacity> {
  const at = new Map<number, Omit<Capacity, 'rate'>>();
  const tryOnce = async (rate: number) => {
    const load = { rate, seconds, timeoutSeconds: 2 };
    const measured = await withCpu(candidate.jobs, () => attack(run, candidate, load));
    const { result, cpu, others } = measured;
    const isHeld = result.errors === 0 && result.p99 < limitMs && result.rate > 0.97 * rate;
    const sending = Math.min(measured.seconds, result.requests / result.rate);
    at.set(rate, { p50: result.p50, cores: cpu.reduce((sum, used) => sum + used, 0) / sending });
    say(`bench: ${titleOf(candidate)}: ${rate} requests/s ${isHeld ? 'held' : 'not held'}: ${describe(result)}`);
    if (!isHeld) await comeToRest(run, candidate);
    return { isHeld, others };
  };
  /** The second try has to fail too, and what fails while others are busy is no try. */
  const holds = async (rate: number) => {
    for (let tries = 0, disturbed = 0; tries < 2; ) {
      const { isHeld, others } = await tryOnce(rate);
      if (isHeld) return true;
      if (others > quiet && disturbed < 2) disturbed++;
      else tries++;
    }
    return false;
  };
  const first = firstRates[candidate.name] ?? 500;
  // The first requests of a process are slow, and say nothing.
  await attack(run, candidate, { rate: first, seconds: Math.min(3, seconds), timeoutSeconds: 5 });
  const rate = await highestRate(holds, first);
  return { rate, ...(at.get(rate) ?? { p50: 0, cores: 0 }) };
}

const describe = ({ p99, errors, rate }: Seen) =>
  `p99 ${p99.toFixed(1)} ms, ${errors} errors, ${Math.round(rate)} sent/s`;
