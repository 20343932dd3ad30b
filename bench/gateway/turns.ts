import { type Candidate, titles } from './candidates.ts';
import { type Job, pause, type Run } from './job.ts';
import { busySeconds, cpuSeconds } from './usage.ts';

/** The candidates of each round, each round beginning with another, so that none always follows the same one. */
export function* turns<T>(candidates: readonly T[], rounds: number): Generator<{ round: number; candidate: T }> {
  for (let round = 0; round < rounds; round++) {
    for (let turn = 0; turn < candidates.length; turn++) {
      yield { round, candidate: candidates[(round + turn) % candidates.length]! };
    }
  }
}

export interface Measured<T> {
  result: T;
  /** CPU time in seconds that each of the processes took. */
  cpu: number[];
  /** How long it took. */
  seconds: number;
  /** Cores that all others than the benchmark used on average: what they do shows in what is measured. */
  others: number;
}

/** Does work, and looks at what some processes and the machine do meanwhile. */
export async function withCpu<T>(jobs: Job[], work: () => Promise<T>): Promise<Measured<T>> {
  const look = () => ({ jobs: jobs.map((job) => job.cpuSeconds), own: cpuSeconds(process.pid), all: busySeconds() });
  const before = look();
  const began = performance.now();
  const result = await work();
  const seconds = (performance.now() - began) / 1000;
  const after = look();
  return {
    result,
    cpu: after.jobs.map((used, index) => used - before.jobs[index]!),
    seconds,
    others: Math.max(0, after.all - before.all - (after.own - before.own)) / seconds,
  };
}

/** How long processes may take to come to rest, in ms, and how long they are looked at, in ms. */
const longestRestMs = 20_000;
const lookMs = 300;

/** Waits until a candidate is done with what came before, for what it was given too much of. */
export async function comeToRest(run: Run, { jobs }: Candidate): Promise<void> {
  for (const deadline = Date.now() + longestRestMs; Date.now() < deadline; ) {
    const { cpu } = await withCpu(jobs, () => pause(run, lookMs));
    const cores = cpu.reduce((sum, seconds) => sum + seconds, 0) / (lookMs / 1000);
    if (cores < 0.15) return;
  }
}

export const titleOf = ({ name }: Candidate) => titles[name];
