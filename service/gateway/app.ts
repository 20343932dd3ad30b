import type { FastifyInstance } from 'fastify';
import type { GatewayConfig } from '../../schema/config.ts';
import packageJson from '../package.json' with { type: 'json' };
import { readBody, stringAt, topLevelMembers, withStringAt } from '../shared/body.ts';
import type { Drain } from '../shared/drain.ts';
import { Refusal } from '../shared/errors.ts';
import { addProxyRoute, type Ended, type Exchange, refusalFor } from '../shared/exchange.ts';
import { modelHeader } from '../shared/headers.ts';
import { addHealth, ill, well } from '../shared/health.ts';
import { createApp } from '../shared/http.ts';
import type { Logger } from '../shared/logging.ts';
import type { RequestMetrics } from '../shared/metrics.ts';
import { modelRoutes } from '../shared/routes.ts';
import { Upstreams } from '../shared/upstream.ts';
import { Catalog } from './catalog.ts';
import { isOllamaName, Routing, type Target } from './routing.ts';

/** The gateway: what clients take for one big Ollama. */
export class Gateway {
  readonly app: FastifyInstance;
  readonly #upstreams = new Upstreams();
  readonly #catalog: Catalog;
  #config: GatewayConfig;
  #routing: Routing;

  constructor(config: GatewayConfig, log: Logger, drain: Drain, metrics: RequestMetrics) {
    this.#config = config;
    this.#routing = new Routing(config);
    this.#catalog = new Catalog(this.#upstreams, () => this.#routing, log);
    this.app = createApp(log, drain);
    for (const path of modelRoutes) {
      addProxyRoute(this.app, { log, drain, metrics }, path, (exchange) => this.#handle(exchange));
    }
    this.#addListings();
    // Ready says nothing about the servers: with one of them away, the others' models still have to be served.
    addHealth(this.app, {
      live: () => well,
      startup: () => well,
      ready: () => (drain.draining ? ill('draining') : well),
      summary: () => ({
        models: Object.fromEntries(this.#routing.targets.map(({ key, ...target }) => [key, target])),
        inFlight: drain.inFlight,
        draining: drain.draining,
        versions: { service: packageJson.version, node: process.versions.node },
      }),
    });
  }

  /** Goes on with another configuration; requests in flight end under the old one. */
  configure(config: GatewayConfig): void {
    this.#config = config;
    this.#routing = new Routing(config);
    this.#upstreams.keep(this.#routing.targets.map(({ url }) => url));
  }

  /** Cuts what is still open. */
  destroy(): void {
    void this.#upstreams.destroy();
  }

  async #handle(exchange: Exchange): Promise<Ended> {
    const { path } = exchange;
    const { maxBodyMiB, generationTimeoutSeconds: timeoutSeconds } = this.#config;
    const body = await readBody(exchange.request.raw, maxBodyMiB * 1024 ** 2);
    const members = topLevelMembers(body);
    // The old name of the parameter, which Ollama still takes there.
    const key = path === '/api/show' && !stringAt(body, 'model', members.get('model')) ? 'name' : 'model';
    const given = stringAt(body, key, members.get(key));
    if (!given) throw new Refusal(400, 'model is required', { param: 'model' });
    const target = this.#find(given);
    exchange.isFor(target.key);
    const outcome = await exchange.forward({
      dispatcher: this.#upstreams.pool(target.url),
      body: isOllamaName(target, given) ? body : withStringAt(body, members.get(key)!, target.name),
      headers: { [modelHeader]: target.key },
      timeoutSeconds,
    });
    if (outcome.kind === 'declined' || outcome.kind === 'failed') {
      throw refusalFor(outcome, `the server of model ${target.key}`, timeoutSeconds);
    }
    return outcome;
  }

  #find(given: string): Target {
    const target = this.#routing.resolve(given);
    if (target) return target;
    throw new Refusal(404, `model '${given.slice(0, 255)}' not found`, { param: 'model', code: 'model_not_found' });
  }

  #addListings(): void {
    const { app } = this;
    // What the ollama command asks for before anything else.
    app.get('/', (_request, reply) => reply.type('text/plain; charset=utf-8').send('Ollama is running'));
    app.get('/api/version', async () => {
      const version = await this.#catalog.version();
      if (version === undefined) throw new Refusal(503, 'no server can be reached at the moment', { retryAfter: 5 });
      return { version };
    });
    app.get('/api/tags', async () => ({ models: await this.#catalog.tags() }));
    app.get('/v1/models', async () => ({ object: 'list', data: await this.#catalog.models() }));
    // Names have slashes.
    app.get<{ Params: { '*': string } }>('/v1/models/*', ({ params }) =>
      this.#catalog.model(this.#find(params['*']), params['*']),
    );
  }
}
