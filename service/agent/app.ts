import { hostname } from 'node:os';
import type { FastifyInstance } from 'fastify';
import type { AgentConfig } from '../../schema/config.ts';
import packageJson from '../package.json' with { type: 'json' };
import type { Drain } from '../shared/drain.ts';
import { addProxyRoute } from '../shared/exchange.ts';
import { addHealth, ill, type Verdict, well } from '../shared/health.ts';
import { createApp } from '../shared/http.ts';
import type { Logger } from '../shared/logging.ts';
import { modelRoutes } from '../shared/routes.ts';
import type { AgentModelStatus, AgentStatus } from '../shared/status.ts';
import { Upstreams } from '../shared/upstream.ts';
import { Admission, type SlotCount } from './admission.ts';
import { Downloads } from './downloads.ts';
import { addListings } from './listings.ts';
import type { AgentMetrics } from './metrics.ts';
import { Ollama } from './ollama.ts';
import { Passage } from './passage.ts';
import { addReservations } from './reservations.ts';
import { Residency } from './residency.ts';
import { OllamaWatch } from './watch.ts';

const mib = 1024 ** 2;

/** The agent: it stands before the Ollama of its pod, which nothing else on the network can reach. */
export class Agent {
  readonly app: FastifyInstance;
  readonly #log: Logger;
  readonly #drain: Drain;
  readonly #upstreams = new Upstreams();
  readonly #watch: OllamaWatch;
  readonly #admission: Admission;
  readonly #residency: Residency;
  readonly #downloads: Downloads | undefined;
  readonly #passage: Passage;
  #config: AgentConfig;
  /** Whether Ollama has gone since draining began. */
  #outlived = false;

  /** `end` ends the process as SIGTERM does. */
  constructor(config: AgentConfig, log: Logger, drain: Drain, metrics: AgentMetrics, end: () => void) {
    this.#config = config;
    this.#log = log;
    this.#drain = drain;
    this.#watch = new OllamaWatch(config.ollamaUrl, log, {
      gone: () => {
        this.#outlived = drain.draining;
        this.#residency.forget();
      },
      answered: () => {
        if (this.#outlived) return this.#makeWay(end);
        this.#residency.work();
      },
    });
    const dispatcher = () => this.#upstreams.pool(this.#config.ollamaUrl);
    this.#admission = new Admission(config);
    this.#residency = new Residency(config, {
      ollama: new Ollama(dispatcher),
      log,
      metrics,
      isAnswering: () => this.#watch.answering,
      isOnDisk: (name) => this.#watch.hasOnDisk(name),
    });
    void drain.refused.then(() => this.#admission.close());
    const { modelsFolder: folder } = config;
    if (folder) {
      const isWanted = () => !this.#onDisk().ok;
      const onFailure = (model: string, reason: string) => metrics.downloadFailed(model, reason);
      this.#downloads = new Downloads({ folder, isWanted, onFailure });
    }
    this.#passage = new Passage(config, this.#admission, this.#residency, this.#upstreams, metrics);
    metrics.watch(() => {
      const { loadedOnce, residentCount, memory } = this.#residency;
      const download = async () => this.#downloads?.status();
      return { loadedOnce, residentCount, memory, load: this.#admission.load(), download };
    });
    this.app = createApp(log, drain, { onConnectionProblem: (problem) => metrics.connectionProblem(problem) });
    for (const path of modelRoutes) {
      addProxyRoute(this.app, { log, drain, metrics }, path, (exchange) => this.#passage.through(exchange));
    }
    addListings(this.app, {
      ollama: dispatcher,
      has: (name) => this.#passage.resolve(name) !== undefined,
      loaded: () => this.#residency.listed,
      slots: () => this.#slots(),
    });
    addReservations(this.app, {
      admission: this.#admission,
      drain,
      has: (key) => Object.hasOwn(this.#config.models, key),
    });
    this.app.get('/status', () => this.#status());
    // A HEAD must not do what nothing undoes.
    this.app.get('/drain', { exposeHeadRoute: false }, async () => {
      await this.drain();
      return { drained: drain.inFlight === 0, inFlight: drain.inFlight };
    });
    addHealth(this.app, {
      live: () => this.#live(),
      startup: () => this.#onDisk(),
      ready: () => this.#ready(),
      summary: () => ({
        server: this.#config.server,
        models: this.#residency.states,
        slots: this.#slots(),
        inFlight: drain.inFlight,
        draining: drain.draining,
        versions: { service: packageJson.version, node: process.versions.node, ollama: this.#watch.version ?? null },
      }),
    });
    this.#watch.want(this.#names());
  }

  configure(config: AgentConfig): void {
    if (config.ollamaUrl !== this.#config.ollamaUrl) {
      this.#log.warn({ path: 'ollamaUrl' }, 'another Ollama is taken at the next start of the agent, not before');
    }
    this.#config = { ...config, ollamaUrl: this.#config.ollamaUrl };
    this.#admission.configure(this.#config);
    this.#passage.configure(this.#config);
    this.#residency.configure(this.#config);
    this.#watch.want(this.#names());
  }

  /** Resolves when no request is in flight any more, or the time for them is up. */
  async drain(): Promise<void> {
    if (!this.#drain.draining) this.#log.info({ inFlight: this.#drain.inFlight }, 'draining');
    this.#residency.drain();
    await this.#drain.begin();
    this.#log.info({ inFlight: this.#drain.inFlight }, 'drained');
  }

  /** Ends what runs in the background, and what is still in flight. */
  destroy(): void {
    this.#residency.stop();
    this.#downloads?.stop();
    this.#watch.stop();
    void this.#upstreams.destroy();
  }

  /**
   * The kubelet calls the preStop hook of an Ollama also when it ends one whose probes fail; the pod then goes on with
   * another. A drain is final, so it takes another agent too: the kubelet starts one when this one has ended.
   */
  #makeWay(end: () => void): void {
    this.#watch.stop();
    this.#log.warn('another Ollama after a drain: this agent ends, and the next one serves it');
    end();
  }

  #names(): string[] {
    return Object.values(this.#config.models).map(({ name }) => name);
  }

  /** What each model has of its slots; none where nothing more is taken. */
  #slots(): Record<string, SlotCount> {
    const counts = this.#admission.counts();
    if (this.#drain.refusing) for (const count of Object.values(counts)) count.slots = 0;
    return counts;
  }

  async #status(): Promise<AgentStatus> {
    const { server, memoryMiB } = this.#config;
    const { ok, reason } = this.#ready();
    const download = await this.#downloads?.status();
    const slots = this.#slots();
    const models = Object.entries(this.#residency.states).map(
      ([key, { state, attempts, problem }]): [string, AgentModelStatus] => [
        key,
        { state, attempts, ...(problem !== undefined && { problem }), ...slots[key]! },
      ],
    );
    return {
      server,
      pod: hostname(),
      phase: this.#phase(download !== undefined),
      problem: ok ? '' : reason,
      ollama: this.#watch.version ?? null,
      memoryBytes: memoryMiB * mib,
      models: Object.fromEntries(models),
      memory: this.#residency.memory,
      ...(download && { download }),
    };
  }

  #phase(isDownloading: boolean): AgentStatus['phase'] {
    if (this.#drain.draining) return 'draining';
    if (isDownloading) return 'downloading';
    if (!this.#onDisk().ok) return 'starting';
    return this.#residency.missing.length > 0 ? 'loading' : 'ready';
  }

  #live(): Verdict {
    return this.#watch.answering ? well : ill(`Ollama does not answer: ${this.#watch.problem}`);
  }

  #onDisk(): Verdict {
    if (!this.#watch.answering) return this.#live();
    const missing = this.#names().filter((name) => !this.#watch.hasOnDisk(name));
    return missing.length === 0 ? well : ill(`not on disk: ${missing.join(', ')}`);
  }

  #ready(): Verdict {
    if (this.#drain.draining) return ill('draining');
    if (!this.#watch.answering) return this.#live();
    // Not whether it is loaded now: one that was unused for its time is loaded again for whoever asks for it.
    const { missing } = this.#residency;
    const say = missing.map(([key, { state, problem }]) => `${key} is ${state}${problem ? ` (${problem})` : ''}`);
    return missing.length === 0 ? well : ill(say.join('; '));
  }
}
