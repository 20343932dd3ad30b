import { tool } from '../../ci/tools/tools.ts';
import type { Candidate } from './candidates.ts';
import { type Run, runMortal } from './job.ts';

/** Many times, in ms. */
export interface Times {
  count: number;
  p50: number;
  p99: number;
  max: number;
}

/** What clients saw that read streams at the same time. */
export interface Held {
  streams: number;
  /** From the request to the first chunk. */
  firstByte: Times;
  /** How long a chunk was on its way. */
  delay: Times;
  /** Between two chunks of a stream. */
  gap: Times;
  errors: Record<string, number>;
}

/** What became of streams whose clients left, some of them. */
export interface Churned {
  began: number;
  finished: number;
  left: number;
  errors: Record<string, number>;
}

export const errorsOf = ({ errors }: { errors: Record<string, number> }) =>
  Object.values(errors).reduce((sum, count) => sum + count, 0);

/** Holds so many streams open at once. */
export const hold = (run: Run, candidate: Candidate, load: { streams: number; rampSeconds: number; seconds: number }) =>
  read<Held>(run, candidate, [
    ...['-streams', `${load.streams}`],
    ...['-ramp', `${load.rampSeconds}s`],
    ...['-window', `${load.seconds}s`],
  ]);

/** Begins streams at a rate; a share of the clients leave. */
export const churn = (run: Run, candidate: Candidate, load: { rate: number; seconds: number; leave: number }) =>
  read<Churned>(run, candidate, [
    ...['-rate', `${load.rate}`],
    ...['-duration', `${load.seconds}s`],
    ...['-leave', `${load.leave}`],
  ]);

async function read<T>(run: Run, { url, models }: Candidate, args: string[]): Promise<T> {
  const command = await tool('stream-load');
  return JSON.parse(await runMortal(run, command, ['-url', url, '-models', models.join(), ...args]));
}
