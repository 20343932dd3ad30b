/** How fast what was measured fades, in ms: after so long it counts e times less. */
const windowMs = 120_000;

/** How many departures what is only computed is worth. As many measured ones outweigh it. */
const trust = 4;

/** What an answer is taken to last where none was seen yet. */
const assumedServiceSeconds = 10;

/** Whoever is told to come again after hours does not. */
const longestSeconds = 600;

/**
 * How fast the queue of a model drains, for Retry-After. By Little's law a request waits for (those ahead of it) ÷ (the
 * departures in a second), and that rate is found in two ways. While all slots are taken, requests depart as fast as
 * answers end: slots ÷ mean service time (the departures of an M/M/c queue in heavy traffic). This knows of new
 * replicas at once, but neither of other gateways that send requests to them nor of replicas that hang. So what was
 * seen to depart while somebody waited counts more and more:
 *
 *     rate = (trust + departures) ÷ (trust ÷ computed rate + seconds in which somebody waited)
 *
 * which is the posterior mean of the rate of a Poisson process under a gamma prior. Both of what was measured fade with
 * time (an exponential window). Seconds without a departure count like any others, so that a queue which stands still
 * is seen to; those in which nobody waited do not, since nothing could depart then.
 */
export class DrainRate {
  #departures = 0;
  #waitedMs = 0;
  #waits = false;
  #atMs: number | undefined;

  /** To be called whenever the number of those that wait has changed, with times in ms that never go back. */
  waiting(count: number, nowMs: number): void {
    this.#pass(nowMs);
    this.#waits = count > 0;
  }

  /** To be called when one that waited goes to a replica. Without being told otherwise, others wait after it. */
  departed(nowMs: number): void {
    this.#pass(nowMs);
    this.#departures++;
    this.#waits = true;
  }

  /** Whole seconds after which a request with so many before it would have its turn; 1 at least. */
  secondsFor(ahead: number, nowMs: number, slots: number, meanServiceSeconds = assumedServiceSeconds): number {
    this.#pass(nowMs);
    const assumedSeconds = (trust * meanServiceSeconds) / slots;
    const rate = (trust + this.#departures) / (assumedSeconds + this.#waitedMs / 1000);
    return Math.min(longestSeconds, Math.max(1, Math.ceil(ahead / rate)));
  }

  #pass(nowMs: number): void {
    const kept = Math.exp(((this.#atMs ?? nowMs) - nowMs) / windowMs);
    this.#atMs = nowMs;
    this.#departures *= kept;
    this.#waitedMs *= kept;
    if (this.#waits) this.#waitedMs += windowMs * (1 - kept);
  }
}
