import type { GatewayModelStatus } from '../../shared/status.ts';
import { Histogram } from './histogram.ts';

/** What a gateway has counted of a model's requests. */
export type Counted = Omit<GatewayModelStatus, 'inFlight' | 'waiting' | 'oldestMs'>;

export const nothingCounted: Counted = { requests: 0, errors: 0, refused: 0, tokens: 0, durations: [], waits: [] };

class Sum {
  requests = 0;
  errors = 0;
  refused = 0;
  tokens = 0;
  readonly durations = new Histogram();
  readonly waits = new Histogram();
}

/** Counts a gateway's own requests, by model, for whoever shows them live: what its metrics count, in finer buckets. */
export class LiveCounts {
  readonly #sums = new Map<string, Sum>();

  /** A request that ended. */
  ended(model: string, status: number, seconds: number): void {
    const sum = this.#of(model);
    sum.requests++;
    if (status >= 500) sum.errors++;
    else if (status < 400) sum.durations.add(seconds);
  }

  /** One that got a place at a replica after so many seconds. */
  waited(model: string, seconds: number): void {
    this.#of(model).waits.add(seconds);
  }

  /** One that there was no room for. */
  refused(model: string): void {
    this.#of(model).refused++;
  }

  /** Tokens that were written. */
  wrote(model: string, tokens: number): void {
    this.#of(model).tokens += tokens;
  }

  /** Undefined for a model that nobody has asked. */
  of(model: string): Counted | undefined {
    const sum = this.#sums.get(model);
    if (!sum) return undefined;
    const { durations, waits, ...numbers } = sum;
    return { ...numbers, durations: durations.counts, waits: waits.counts };
  }

  #of(model: string): Sum {
    let sum = this.#sums.get(model);
    if (!sum) {
      sum = new Sum();
      this.#sums.set(model, sum);
    }
    return sum;
  }
}
