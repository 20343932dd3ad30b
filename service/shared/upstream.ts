import { Pool } from './undici.ts';

/** How long a connection attempt may take, in ms: within a cluster, one that takes longer goes nowhere. */
const connectTimeout = 3000;

/** Connections to the servers behind a hop, a pool for each address. */
export class Upstreams {
  readonly #pools = new Map<string, Pool>();

  pool(origin: string): Pool {
    let pool = this.#pools.get(origin);
    if (!pool) {
      // The one timeout of a request is the caller's: Ollama sends headers only when the first token is there.
      const timeouts = { headersTimeout: 0, bodyTimeout: 0, connectTimeout };
      pool = new Pool(origin, { ...timeouts, allowH2: false });
      this.#pools.set(origin, pool);
    }
    return pool;
  }

  /** Forgets the addresses that are not in use any more; what runs on their connections goes on to its end. */
  keep(origins: Iterable<string>): void {
    const wanted = new Set(origins);
    for (const [origin, pool] of this.#pools) {
      if (wanted.has(origin)) continue;
      this.#pools.delete(origin);
      void pool.close();
    }
  }

  /** Ends every connection at once. */
  async destroy(): Promise<void> {
    await Promise.all([...this.#pools.values()].map((pool) => pool.destroy()));
    this.#pools.clear();
  }
}
