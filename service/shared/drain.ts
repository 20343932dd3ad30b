/**
 * The end of a process' life: it says that it is not ready, takes requests for a little longer since the news travels
 * slowly, then refuses new ones and lets those in flight finish.
 */
export class Drain {
  readonly #delayMs: number;
  /** Longest time that requests in flight are waited for, in ms. */
  readonly #longestMs: () => number;
  #inFlight = 0;
  #begun: Promise<void> | undefined;
  #refusing = false;
  readonly #refused = Promise.withResolvers<void>();
  #empty: (() => void) | undefined;

  constructor(delayMs: number, longestMs: () => number) {
    this.#delayMs = delayMs;
    this.#longestMs = longestMs;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  /** Whether the process is on its way out. */
  get draining(): boolean {
    return this.#begun !== undefined;
  }

  /** Whether new requests are refused. */
  get refusing(): boolean {
    return this.#refusing;
  }

  /** Resolves when new requests begin to be refused. */
  get refused(): Promise<void> {
    return this.#refused.promise;
  }

  /** Counts a request in; the function returned counts it out. */
  enter(): () => void {
    this.#inFlight++;
    let inside = true;
    return () => {
      if (!inside) return;
      inside = false;
      this.#inFlight--;
      if (this.#inFlight === 0) this.#empty?.();
    };
  }

  /** Begins to drain if that has not begun yet; resolves when nothing is in flight any more, or the time is up. */
  begin(): Promise<void> {
    this.#begun ??= this.#run();
    return this.#begun;
  }

  async #run(): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, this.#delayMs));
    this.#refusing = true;
    this.#refused.resolve();
    if (this.#inFlight === 0) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, this.#longestMs());
      this.#empty = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
