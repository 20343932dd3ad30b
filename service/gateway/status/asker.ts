import { Agent } from '../../shared/undici.ts';

/** How long one that is asked may take, in ms. */
const patienceMs = 2000;

/** How many are asked at a time. */
const atATime = 32;

/** Asks many others how they are, on connections apart from those of the clients' requests. */
export class Asker {
  readonly #agent = new Agent({
    connect: { timeout: patienceMs },
    connections: 1,
    keepAliveTimeout: 15_000,
    headersTimeout: patienceMs,
    bodyTimeout: patienceMs,
    allowH2: false,
  });

  /** What each URL answers at /status; undefined for one that gives no answer. */
  async ask<T>(urls: readonly string[]): Promise<(T | undefined)[]> {
    const answers: (T | undefined)[] = [];
    let next = 0;
    const worker = async () => {
      for (let at = next++; at < urls.length; at = next++) answers[at] = await this.#one<T>(urls[at]!);
    };
    await Promise.all(Array.from({ length: Math.min(atATime, urls.length) }, worker));
    return answers;
  }

  async close(): Promise<void> {
    await this.#agent.destroy();
  }

  async #one<T>(url: string): Promise<T | undefined> {
    try {
      const signal = AbortSignal.timeout(patienceMs);
      const { statusCode, body } = await this.#agent.request({ origin: url, path: '/status', method: 'GET', signal });
      if (statusCode === 200) return (await body.json()) as T;
      await body.dump();
    } catch {
      // Whoever is asked sees why in its own log.
    }
    return undefined;
  }
}
