import { gatewayHeader } from '../shared/headers.ts';
import type { Reservation } from '../shared/reservation.ts';
import { Agent } from '../shared/undici.ts';

/** How long an agent may take to say how it is, in ms. */
const patienceMs = 2000;

/** How long an agent is waited for that keeps the question until it has room, in ms: longer than it does. */
const longPatienceMs = 20_000;

/** Asks agents how they are, on connections apart from those of the clients' requests. */
export class Prober {
  readonly #agent = new Agent({
    connect: { timeout: patienceMs },
    headersTimeout: longPatienceMs,
    bodyTimeout: patienceMs,
    allowH2: false,
  });
  readonly #gateway: string;

  /** `gateway` tells this gateway from others. */
  constructor(gateway: string) {
    this.#gateway = gateway;
  }

  /** Whether a replica says that it is ready. */
  async isReady(url: string): Promise<boolean> {
    try {
      const signal = AbortSignal.timeout(patienceMs);
      const { statusCode, body } = await this.#agent.request({
        origin: url,
        path: '/health/ready',
        method: 'GET',
        signal,
      });
      await body.dump();
      return statusCode === 200;
    } catch {
      return false;
    }
  }

  /** Waits for a slot of a model to be kept free for this gateway; rejects where the replica does not answer. */
  async reserve(url: string, model: string): Promise<Reservation> {
    const { statusCode, body } = await this.#agent.request({
      origin: url,
      path: `/slots/${encodeURIComponent(model)}`,
      method: 'POST',
      headers: { [gatewayHeader]: this.#gateway },
      signal: AbortSignal.timeout(longPatienceMs),
    });
    if (statusCode === 200) return (await body.json()) as Reservation;
    await body.dump();
    throw new Error(`status ${statusCode}`);
  }

  async close(): Promise<void> {
    await this.#agent.destroy();
  }
}
