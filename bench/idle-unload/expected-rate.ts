const minute = 60;
const hour = 60 * minute;

/** Over which times requests are remembered, in seconds: of a burst, of a part of the day, and of a day. */
const memories = [40 * minute, 2 * hour, 12 * hour];
/** What is believed before anything is seen: an hourly request, as seen for a fifth of an hour. */
const prior = { requests: 0.2, seconds: 0.2 * hour };

/**
 * How often a model is going to be asked, from how often it was: the geometric mean of the rates that are remembered over each of the
 * times, where what is long ago counts for less by the exponential function. It falls as long as nobody asks.
 */
export class ExpectedRate {
  #began: number | undefined;
  #last = 0;
  #counts = memories.map(() => 0);

  /** A request at a time, in seconds; not before the last one. */
  asked(at: number): void {
    this.#began ??= at;
    this.#counts = this.#counts.map((count, index) => count * Math.exp((this.#last - at) / memories[index]!) + 1);
    this.#last = at;
  }

  /** Requests a second, so many seconds after the last one if none has come since. */
  after(seconds: number): number {
    const now = this.#last + seconds - (this.#began ?? 0);
    const logs = memories.map((memory, index) => {
      const requests = this.#counts[index]! * Math.exp(-seconds / memory) + prior.requests;
      return Math.log(requests / (memory * (1 - Math.exp(-now / memory)) + prior.seconds));
    });
    return Math.exp(logs.reduce((sum, log) => sum + log, 0) / logs.length);
  }

  /** Seconds after the last request at which the rate falls below one; at most `longest`. */
  keepSeconds(rate: number, longest: number): number {
    if (this.after(0) < rate) return 0;
    if (this.after(longest) >= rate) return longest;
    let [low, high] = [0, longest];
    while (high - low > 1) {
      const middle = (low + high) / 2;
      if (this.after(middle) < rate) high = middle;
      else low = middle;
    }
    return low;
  }
}
