import { Agent, request } from 'undici';

/** How long an agent may take to say how it is, in ms. */
const patienceMs = 2000;

/** What an agent takes at /slots, for each of its models by key. */
export interface Slots {
  models: Record<string, { slots: number; inFlight: number }>;
}

/** Asks agents how they are, on connections apart from those of the clients' requests. */
export class Prober {
  readonly #agent = new Agent({
    connect: { timeout: patienceMs },
    headersTimeout: patienceMs,
    bodyTimeout: patienceMs,
    allowH2: false,
  });

  /** Whether a replica says that it is ready. */
  async isReady(url: string): Promise<boolean> {
    try {
      const { statusCode, body } = await this.#get(`${url}/health/ready`);
      await body.dump();
      return statusCode === 200;
    } catch {
      return false;
    }
  }

  /** What a replica takes; rejects where it does not say. */
  async slotsOf(url: string): Promise<Slots> {
    const { statusCode, body } = await this.#get(`${url}/slots`);
    if (statusCode === 200) return (await body.json()) as Slots;
    await body.dump();
    throw new Error(`status ${statusCode}`);
  }

  async close(): Promise<void> {
    await this.#agent.destroy();
  }

  #get(url: string) {
    return request(url, { dispatcher: this.#agent, signal: AbortSignal.timeout(patienceMs) });
  }
}
