import { lossAt } from '../sweep.ts';

/** Replicas at the end of a bin, as whoever asks for more or fewer sees them. */
export interface Fleet {
  ready: number;
  starting: number;
}

/** Replicas wanted at the end of bin `t`, from what was seen up to it; may be a fraction. */
export type Policy = (t: number, fleet: Fleet) => number;

export interface Played {
  /** Replicas ready or starting, as a share of `peakReplicas` all the time. */
  cost: number;
  /** Demand over ready capacity, as a share of all demand. */
  unserved: number;
  /** Bins in which some was not served. */
  short: number;
  /** Bins at whose end the number of replicas changed. */
  actions: number;
}

export interface Stage {
  demand: readonly number[];
  /** Bins from the end of the bin in which a replica is asked for until it serves. */
  delay: number;
  /** The first bin that a policy is asked about; the next is the first that counts. */
  start: number;
  /** Demand that one replica serves. */
  capacity: number;
  /** Replicas that carry the peak; a policy gets at most twice as many. */
  peakReplicas: number;
}

/** Replicas that are ready, and those that start, newest last. */
export class Replicas {
  ready: number;
  #starting: { from: number; count: number }[] = [];

  constructor(ready: number) {
    this.ready = ready;
  }

  get starting(): number {
    return this.#starting.reduce((sum, { count }) => sum + count, 0);
  }

  /** Has those ready that were to be by time `t`. */
  settle(t: number): void {
    for (const { from, count } of this.#starting) if (from <= t) this.ready += count;
    this.#starting = this.#starting.filter(({ from }) => from > t);
  }

  /** Makes them `wanted`: new ones are ready at `from`, surplus ones leave at once, those that start last first. */
  set(wanted: number, from: number): void {
    let surplus = this.ready + this.starting - wanted;
    if (surplus < 0) this.#starting.push({ from, count: -surplus });
    while (surplus > 0) {
      const newest = this.#starting.at(-1);
      if (!newest) break;
      const cut = Math.min(surplus, newest.count);
      newest.count -= cut;
      surplus -= cut;
      if (newest.count === 0) this.#starting.pop();
    }
    this.ready -= Math.max(0, surplus);
  }
}

/** Plays a policy that gets what it asks for, over the bins from `start` on. */
export function play(policy: Policy, { demand, delay, start, capacity, peakReplicas }: Stage): Played {
  const replicas = new Replicas(Math.ceil(policy(start, { ready: peakReplicas, starting: 0 })));
  let [cost, unserved, total, short, actions] = [0, 0, 0, 0, 0];
  for (let t = start; t < demand.length - 1; t++) {
    replicas.settle(t);
    const { ready, starting } = replicas;
    // A hair less than a whole number is that number, and not one more for a rounding error.
    const wanted = Math.min(Math.max(Math.ceil(policy(t, { ready, starting }) - 1e-9), 1), 2 * peakReplicas);
    if (wanted !== ready + starting) actions++;
    replicas.set(wanted, t + delay);
    replicas.settle(t);
    const next = demand[t + 1]!;
    const over = Math.max(0, next - replicas.ready * capacity);
    if (over > 0) short++;
    unserved += over;
    total += next;
    cost += replicas.ready + replicas.starting;
  }
  return {
    cost: cost / ((demand.length - 1 - start) * peakReplicas),
    unserved: total > 0 ? unserved / total : 0,
    short,
    actions,
  };
}

/** What goes unserved at a cost, from the points that the knob of a policy sweeps out. */
export const unservedAt = (cost: number, points: readonly Played[]): number =>
  lossAt(
    cost,
    points.map((point) => ({ cost: point.cost, loss: point.unserved })),
  );
