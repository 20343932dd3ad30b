import type { Logger } from '../shared/logging.ts';
import { canonicalName } from '../shared/names.ts';
import { Client } from '../shared/undici.ts';

/** How often Ollama is asked whether it is there, in ms. */
const intervalMs = 2000;

/** The same while something is missing: every second of a start counts. */
const impatientMs = 250;

/** How long its answer may take, in ms. */
const patienceMs = 5000;

/** What the watch tells of. */
export interface WatchEvents {
  /** The Ollama that was there is gone, and with it what it had loaded. */
  gone(): void;
  /** It answered; what is on its disk may have changed. */
  answered(): void;
}

/**
 * Knows whether the Ollama of the pod answers and what is on its disk, so that no probe has to ask. It asks on one
 * connection that stays open: the kernel closes it when the process ends, however fast the next one is up.
 */
export class OllamaWatch {
  /** Whether it answered the last time it was asked. */
  answering = false;
  /** Why it does not. */
  problem = 'not asked yet';
  version: string | undefined;
  readonly #url: string;
  readonly #log: Logger;
  readonly #events: WatchEvents;
  #client: Client;
  #onDisk = new Set<string>();
  #stopped = false;
  #looking = false;
  #timer: NodeJS.Timeout | undefined;
  #wanted: string[] = [];

  constructor(url: string, log: Logger, events: WatchEvents) {
    this.#url = url;
    this.#log = log;
    this.#events = events;
    this.#client = this.#connect();
  }

  /** Whether a model is on Ollama's disk, as far as the last look told. */
  hasOnDisk(name: string): boolean {
    return this.#onDisk.has(canonicalName(name));
  }

  /** As long as one of these models is not on disk, the disk is looked at too. */
  want(models: string[]): void {
    this.#wanted = models;
    this.#hurry();
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
    void this.#client.destroy();
  }

  get #hasAll(): boolean {
    return this.#wanted.every((name) => this.hasOnDisk(name));
  }

  #connect(): Client {
    const client = new Client(this.#url, {
      headersTimeout: patienceMs,
      bodyTimeout: patienceMs,
      connectTimeout: patienceMs,
      keepAliveTimeout: 600_000,
      allowH2: false,
    });
    client.on('disconnect', (_origin, _targets, error) => {
      // A connection that was given up because the answer took too long says nothing about the process.
      const slow =
        'code' in error && (error.code === 'UND_ERR_HEADERS_TIMEOUT' || error.code === 'UND_ERR_BODY_TIMEOUT');
      if (!slow) this.#lost('it closed the connection');
    });
    client.on('connectionError', (_origin, _targets, error) => this.#lost(describe(error)));
    return client;
  }

  async #look(): Promise<void> {
    this.#looking = true;
    try {
      const { version } = await this.#get<{ version: string }>('/api/version');
      if (!this.answering) this.#log.info({ version }, 'Ollama answers');
      this.version = version;
      this.answering = true;
      if (!this.#hasAll) {
        const { models } = await this.#get<{ models: { name: string }[] | null }>('/api/tags');
        this.#onDisk = new Set((models ?? []).map(({ name }) => canonicalName(name)));
      }
      this.#events.answered();
    } catch (error) {
      this.#away(describe(error as Error));
    }
    this.#looking = false;
    this.#lookIn(this.answering && this.#hasAll ? intervalMs : impatientMs);
  }

  #lookIn(ms: number): void {
    if (!this.#stopped) this.#timer = setTimeout(() => void this.#look(), ms);
  }

  /** Looks now instead of when it is time, unless a look is under way. */
  #hurry(): void {
    if (this.#looking) return;
    clearTimeout(this.#timer);
    this.#lookIn(0);
  }

  async #get<T>(path: string): Promise<T> {
    const { statusCode, body } = await this.#client.request({ method: 'GET', path });
    if (statusCode === 200) return (await body.json()) as T;
    await body.dump();
    throw new Error(`${path} answered with status ${statusCode}`);
  }

  #away(problem: string): void {
    if (this.#stopped) return;
    if (this.answering) this.#log.warn({ problem }, 'Ollama does not answer');
    this.answering = false;
    this.problem = problem;
  }

  #lost(problem: string): void {
    if (this.#stopped) return;
    this.#away(problem);
    this.#onDisk.clear();
    this.#events.gone();
    this.#hurry();
  }
}

const describe = (error: Error) => error.message || (error as NodeJS.ErrnoException).code || error.name;
