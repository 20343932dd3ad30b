/** How many departures the rate is measured over: enough to be steady, few enough to follow a change within minutes. */
const remembered = 32;

/** How few tell nothing yet. */
const enough = 3;

/** Retry-After in seconds is never less, nor more: who is told of hours does not come back. */
const shortest = 1;
const longest = 600;

/** How fast the line before a model moves, from the last departures to a replica. */
export class DrainRate {
  /** When they were, in ms, the oldest first. */
  readonly #departures: number[] = [];

  /** Notes that one went from the line to a replica; `nowMs` in ms of any clock that is the same everywhere here. */
  departed(nowMs: number): void {
    this.#departures.push(nowMs);
    if (this.#departures.length > remembered) this.#departures.shift();
  }

  /**
   * Seconds until one that has `ahead` others before it would have its turn: ahead ÷ rate, as a line that is never empty moves
   * (Little's law). The rate is that of the last departures, counted up to now, so that a line that stands still is seen to;
   * before there are any, that of `slots` which are taken for `meanSeconds` each.
   */
  secondsFor(ahead: number, nowMs: number, slots: number, meanSeconds = 1): number {
    const seconds = (ahead + 1) / (this.#measured(nowMs) ?? slots / Math.max(meanSeconds, 0.001));
    return Math.min(longest, Math.max(shortest, Math.ceil(seconds)));
  }

  /** Departures a second. */
  #measured(nowMs: number): number | undefined {
    const [oldest] = this.#departures;
    if (oldest === undefined || this.#departures.length < enough) return undefined;
    return (this.#departures.length * 1000) / Math.max(1, nowMs - oldest);
  }
}
