import type { ApiKey } from '../../schema/config.ts';
import { Refusal } from '../shared/errors.ts';

/** Where limits take the time from. */
export interface Clock {
  /** Milliseconds since 1970: says which day it is. */
  date(): number;
  /** Milliseconds that never go back, whatever happens to the machine's date. */
  monotonic(): number;
}

export const systemClock: Clock = { date: () => Date.now(), monotonic: () => performance.now() };

const minuteMs = 60_000;
const dayMs = 86_400_000;

/** What the holder of a key may use in a time, as far as this process has seen it. */
export class Limits {
  readonly #clock: Clock;
  readonly #requests = new LastMinute();
  #perMinute = Number.POSITIVE_INFINITY;
  #perDay = Number.POSITIVE_INFINITY;
  #day = 0;
  #tokens = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Goes on with other limits; what was used before counts under them. */
  configure({ requestsPerMinute, tokensPerDay }: Pick<ApiKey, 'requestsPerMinute' | 'tokensPerDay'>): void {
    this.#perMinute = requestsPerMinute ?? Number.POSITIVE_INFINITY;
    this.#perDay = tokensPerDay ?? Number.POSITIVE_INFINITY;
  }

  /** Counts a request in, or throws a Refusal that says when the next may come. A refused one is not counted. */
  admit(): void {
    const date = this.#clock.date();
    this.#turnTo(date);
    if (this.#tokens >= this.#perDay) {
      throw new Refusal(
        429,
        `this API key has used up its ${this.#perDay} tokens of the day: a new one begins at 00:00 UTC`,
        {
          retryAfter: seconds((this.#day + 1) * dayMs - date),
          code: 'insufficient_quota',
        },
      );
    }
    if (this.#perMinute === Number.POSITIVE_INFINITY) return;
    const now = this.#clock.monotonic();
    const wait = this.#requests.wait(now, this.#perMinute);
    if (wait > 0) {
      const retryAfter = seconds(wait);
      throw new Refusal(
        429,
        `this API key may send ${this.#perMinute} requests in a minute: the next is taken in ${retryAfter} s`,
        { retryAfter, code: 'rate_limit_exceeded' },
      );
    }
    this.#requests.add(now);
  }

  /**
   * Counts the tokens of an answer, on the day on which it ends. They are known only then, so the answers that are under
   * way when the day's tokens run out are still given.
   */
  spent(tokens: number): void {
    this.#turnTo(this.#clock.date());
    this.#tokens += tokens;
  }

  #turnTo(date: number): void {
    const day = Math.floor(date / dayMs);
    if (day === this.#day) return;
    this.#day = day;
    this.#tokens = 0;
  }
}

const seconds = (milliseconds: number) => Math.max(1, Math.ceil(milliseconds / 1000));

/**
 * The times of the requests of the last minute, each by itself. A bucket that refills would let almost twice the limit
 * through in the first minute; this never lets more through in any 60 seconds, and knows exactly when the next fits. It
 * costs 8 bytes for each request of a minute.
 */
class LastMinute {
  #times: number[] = [];
  #first = 0;

  /** Milliseconds until one more fits under the limit; 0 for now. */
  wait(now: number, limit: number): number {
    while (this.#first < this.#times.length && this.#times[this.#first]! <= now - minuteMs) this.#first++;
    if (this.#first * 2 > this.#times.length) {
      this.#times = this.#times.slice(this.#first);
      this.#first = 0;
    }
    const inside = this.#times.length - this.#first;
    return inside < limit ? 0 : this.#times[this.#times.length - limit]! + minuteMs - now;
  }

  add(now: number): void {
    this.#times.push(now);
  }
}
