import type { AgentConfig } from '../../schema/config.ts';
import type { Priority } from '../../schema/types.ts';
import type { Logger } from '../shared/logging.ts';
import type { Upstreams } from '../shared/upstream.ts';
import type { AgentMetrics } from './metrics.ts';

const firstRetryMs = 1000;
const longestRetryMs = 30_000;

const order: Record<Priority, number> = { interactive: 0, standard: 1, batch: 2 };

/** Where a model is on its way. */
export interface ModelState {
  name: string;
  priority: Priority;
  state: 'waiting' | 'loading' | 'loaded' | 'failed';
  /** Loads tried since the start or Ollama's last one. */
  attempts: number;
  /** Why the last load failed. */
  problem?: string;
}

interface Entry extends ModelState {
  key: string;
  /** When the next load may be tried. */
  notBefore: number;
}

/**
 * Has every model loaded once before clients come. It loads as a client of its own, since Ollama gives up a load
 * when the client that began it leaves; and one model at a time, as Ollama does, those of high priority first.
 */
export class Loader {
  readonly #upstreams: Upstreams;
  readonly #log: Logger;
  readonly #metrics: AgentMetrics;
  /** Whether Ollama could load the model now. */
  readonly #isPossible: (name: string) => boolean;
  #config: AgentConfig;
  #entries: Entry[] = [];
  #abort = new AbortController();
  #busy = false;
  #stopped = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(
    config: AgentConfig,
    upstreams: Upstreams,
    log: Logger,
    metrics: AgentMetrics,
    isPossible: (name: string) => boolean,
  ) {
    this.#config = config;
    this.#upstreams = upstreams;
    this.#log = log;
    this.#metrics = metrics;
    this.#isPossible = isPossible;
    this.configure(config);
  }

  /** The models by key. */
  get states(): Record<string, ModelState> {
    return Object.fromEntries(this.#entries.map(({ key, notBefore: _, ...state }) => [key, state]));
  }

  get allLoaded(): boolean {
    return this.#entries.every(({ state }) => state === 'loaded');
  }

  /** Takes another list of models; those that stay keep their state. */
  configure(config: AgentConfig): void {
    this.#config = config;
    this.#entries = Object.entries(config.models)
      .map(([key, { name, priority }]) => {
        const entry = this.#entries.find((known) => known.key === key && known.name === name);
        return entry ? Object.assign(entry, { priority }) : { key, name, priority, ...fresh() };
      })
      .toSorted((a, b) => order[a.priority] - order[b.priority]);
    this.#metrics.showLoaded(this.#entries);
  }

  /** Ollama is gone: nothing is loaded any more. */
  forget(): void {
    this.#abort.abort(new Error('Ollama is gone'));
    this.#abort = new AbortController();
    for (const entry of this.#entries) Object.assign(entry, fresh());
    this.#metrics.showLoaded(this.#entries);
  }

  /** Loads what is left to load, as far as that is possible now. */
  async work(): Promise<void> {
    if (this.#busy) return;
    this.#busy = true;
    for (let next = this.#next(); next && !this.#stopped; next = this.#next()) await this.#load(next);
    this.#busy = false;
  }

  /** Ends the work, with the load in hand. */
  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#abort.abort(new Error('the agent stops'));
  }

  #next(): Entry | undefined {
    const now = Date.now();
    return this.#entries.find(
      ({ state, name, notBefore }) => state !== 'loaded' && notBefore <= now && this.#isPossible(name),
    );
  }

  async #load(entry: Entry): Promise<void> {
    const { key, name } = entry;
    const { signal } = this.#abort;
    const began = performance.now();
    entry.state = 'loading';
    entry.attempts++;
    this.#log.info({ model: key, name, attempt: entry.attempts }, 'loading');
    const problem = await this.#request(name, signal);
    // What was asked of an Ollama that is gone says nothing about the one that is there now.
    if (signal.aborted) return;
    const seconds = (performance.now() - began) / 1000;
    this.#metrics.loaded(key, seconds, problem === undefined);
    if (problem === undefined) {
      entry.state = 'loaded';
      delete entry.problem;
      this.#log.info({ model: key, name, seconds }, 'loaded');
    } else {
      const waitMs = Math.min(firstRetryMs * 2 ** (entry.attempts - 1), longestRetryMs);
      Object.assign(entry, { state: 'failed', problem, notBefore: Date.now() + waitMs });
      this.#log.error({ model: key, name, problem, seconds, retryInSeconds: waitMs / 1000 }, 'load failed');
      this.#timer = setTimeout(() => void this.work(), waitMs + 1).unref();
    }
    this.#metrics.showLoaded(this.#entries);
  }

  /** Why the load failed; undefined when it did not. */
  async #request(name: string, stop: AbortSignal): Promise<string | undefined> {
    const { loadTimeoutSeconds } = this.#config;
    const signal = AbortSignal.any([stop, AbortSignal.timeout(loadTimeoutSeconds * 1000)]);
    try {
      const problem = await this.#post('/api/generate', name, signal);
      // A model that only embeds is loaded by asking it to embed nothing.
      return problem?.includes('does not support generate') ? await this.#post('/api/embed', name, signal) : problem;
    } catch (error) {
      const { name: kind, message } = error as Error;
      return kind === 'TimeoutError' ? `not loaded within ${loadTimeoutSeconds} seconds` : message || kind;
    }
  }

  async #post(path: string, model: string, signal: AbortSignal): Promise<string | undefined> {
    const headers = { 'content-type': 'application/json' };
    const body = JSON.stringify({ model, stream: false });
    const pool = this.#upstreams.pool(this.#config.ollamaUrl);
    const { statusCode, body: answer } = await pool.request({ method: 'POST', path, headers, body, signal });
    const text = await answer.text();
    return statusCode === 200 ? undefined : `Ollama answered ${statusCode}: ${text.slice(0, 500)}`;
  }
}

const fresh = () => ({ state: 'waiting' as const, attempts: 0, notBefore: 0 });
