import type { IncomingMessage } from 'node:http';
import { PassThrough, type Readable } from 'node:stream';
import type { FastifyInstance } from 'fastify';
import type { AgentConfig } from '../../schema/config.ts';
import packageJson from '../package.json' with { type: 'json' };
import type { Drain } from '../shared/drain.ts';
import { Refusal } from '../shared/errors.ts';
import { addProxyRoute, type Ended, type Exchange, refusalFor } from '../shared/exchange.ts';
import { modelHeader } from '../shared/headers.ts';
import { addHealth, ill, type Verdict, well } from '../shared/health.ts';
import { createApp } from '../shared/http.ts';
import type { Logger } from '../shared/logging.ts';
import { modelRoutes } from '../shared/routes.ts';
import { Upstreams } from '../shared/upstream.ts';
import { Loader } from './loader.ts';
import type { AgentMetrics } from './metrics.ts';
import { OllamaWatch } from './watch.ts';

/** The agent: it stands before the Ollama of its pod, which nothing else on the network can reach. */
export class Agent {
  readonly app: FastifyInstance;
  readonly #log: Logger;
  readonly #drain: Drain;
  readonly #upstreams = new Upstreams();
  readonly #watch: OllamaWatch;
  readonly #loader: Loader;
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
        this.#loader.forget();
      },
      answered: () => {
        if (this.#outlived) return this.#makeWay(end);
        void this.#loader.work();
      },
    });
    const isPossible = (name: string) => this.#watch.answering && this.#watch.hasOnDisk(name);
    this.#loader = new Loader(config, this.#upstreams, log, metrics, isPossible);
    this.app = createApp(log, drain);
    for (const path of modelRoutes) {
      addProxyRoute(this.app, { log, drain, metrics }, path, (exchange) => this.#handle(exchange));
    }
    this.#addListings();
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
        models: this.#loader.states,
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
    this.#loader.configure(this.#config);
    this.#watch.want(this.#names());
  }

  /** Resolves when no request is in flight any more, or the time for them is up. */
  async drain(): Promise<void> {
    if (!this.#drain.draining) this.#log.info({ inFlight: this.#drain.inFlight }, 'draining');
    this.#loader.stop();
    await this.#drain.begin();
    this.#log.info({ inFlight: this.#drain.inFlight }, 'drained');
  }

  /** Ends what runs in the background, and what is still in flight. */
  destroy(): void {
    this.#loader.stop();
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

  async #handle(exchange: Exchange): Promise<Ended> {
    const { raw } = exchange.request;
    const model = raw.headers[modelHeader];
    if (typeof model === 'string' && Object.hasOwn(this.#config.models, model)) exchange.isFor(model);
    // A request that made Ollama load a model would end the load by leaving.
    if (!this.#loader.allLoaded) throw new Refusal(503, 'the models of this server are loading', { retryAfter: 5 });
    const length = raw.headers['content-length'];
    const { generationTimeoutSeconds: timeoutSeconds } = this.#config;
    const outcome = await exchange.forward({
      dispatcher: this.#upstreams.pool(this.#config.ollamaUrl),
      body: breakable(raw),
      headers: length === undefined ? {} : { 'content-length': length },
      timeoutSeconds,
    });
    if (outcome.kind === 'declined' || outcome.kind === 'failed') throw refusalFor(outcome, 'Ollama', timeoutSeconds);
    return outcome;
  }

  #addListings(): void {
    for (const path of ['/api/tags', '/api/version']) {
      this.app.get(path, async (_request, reply) => {
        const pool = this.#upstreams.pool(this.#config.ollamaUrl);
        const signal = AbortSignal.timeout(5000);
        const answer = await pool.request({ method: 'GET', path, signal }).catch((cause: Error) => {
          throw new Refusal(503, 'Ollama cannot be reached at the moment', { retryAfter: 5, cause });
        });
        return reply.code(answer.statusCode).type('application/json; charset=utf-8').send(answer.body);
      });
    }
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
    const rest = Object.entries(this.#loader.states).filter(([, { state }]) => state !== 'loaded');
    const say = rest.map(([key, { state, problem }]) => `${key} is ${state}${problem ? ` (${problem})` : ''}`);
    return rest.length === 0 ? well : ill(say.join('; '));
  }
}

/**
 * The body of a request behind a pipe that may be broken: when Ollama answers before it has read everything, undici
 * destroys what it reads from. The client's connection must survive that to carry the answer, and what is left of the body
 * has to be read from it, or it would block the request after this one.
 */
function breakable(request: IncomingMessage): Readable {
  const pipe = request.pipe(new PassThrough());
  pipe.once('close', () => request.unpipe(pipe).resume());
  return pipe;
}
