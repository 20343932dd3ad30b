import type { ForecasterConfig } from '../../schema/config.ts';
import type { Prometheus, Series } from './prometheus.ts';

/** Bins that are asked for at a time: an answer stays small, and below what Prometheus gives at the most. */
export const binsAtATime = 500;

/** How far back starts of pods are looked at. */
const startsOver = '14d';

/** A start takes no longer than this in nine of ten times. */
const startQuantile = 0.9;

/** Which release, and in bins of what length. */
export type HistoryOf = Pick<ForecasterConfig, 'namespace' | 'release' | 'binSeconds'>;

/**
 * Demand of each server as Prometheus has it, in bins that end on whole multiples of their length in Unix time; each is the
 * average of what was recorded in it. Names of bins are their ends, in seconds.
 */
export class History {
  readonly #prometheus: Prometheus;
  readonly #of: HistoryOf;

  constructor(prometheus: Prometheus, of: HistoryOf) {
    this.#prometheus = prometheus;
    this.#of = of;
  }

  /** The last bin that ended by a time. */
  lastBin(seconds: number): number {
    return Math.floor(seconds / this.#of.binSeconds) * this.#of.binSeconds;
  }

  /**
   * Pods that each server was in need of, in the bins after `after` up to `last`, oldest first; NaN where nothing is known.
   * Servers of which nothing is known at all are left out. `onPiece` is told of the part that is done, from 0 to 1. Rejects
   * where Prometheus does not answer.
   */
  async demand(after: number, last: number, onPiece?: (part: number) => void): Promise<Map<string, number[]>> {
    const { binSeconds } = this.#of;
    const count = Math.round((last - after) / binSeconds);
    const demand = new Map<string, number[]>();
    const query = `max by (server) (avg_over_time(${this.#selector('server:demand:replicas')}[${binSeconds}s]))`;
    for (let done = 0; done < count; ) {
      const next = Math.min(done + binsAtATime, count);
      const from = after + (done + 1) * binSeconds;
      const range = { from, to: after + next * binSeconds, step: binSeconds };
      for (const [server, { values }] of byServer(await this.#prometheus.range(query, range))) {
        let bins = demand.get(server);
        if (!bins) {
          bins = new Array<number>(count).fill(Number.NaN);
          demand.set(server, bins);
        }
        for (const [seconds, value] of values) bins[Math.round((seconds - after) / binSeconds) - 1] = Number(value);
      }
      done = next;
      onPiece?.(done / count);
    }
    return demand;
  }

  /** Seconds from a pod's being asked for to its being ready, which nine in ten starts of each server took at the most. */
  async starts(at: number): Promise<Map<string, number>> {
    const first = `min by (server, pod) (min_over_time(${this.#selector('pod:start:seconds')}[${startsOver}]))`;
    const found = byServer(await this.#prometheus.at(`quantile by (server) (${startQuantile}, ${first})`, at));
    return new Map([...found].map(([server, { values }]) => [server, Number(values[0]?.[1])]));
  }

  #selector(metric: string): string {
    const { namespace, release } = this.#of;
    return `${metric}{namespace="${namespace}",release="${release}"}`;
  }
}

const byServer = (all: Series[]): [string, Series][] =>
  all.flatMap((series): [string, Series][] => (series.metric.server ? [[series.metric.server, series]] : []));
