import { randomUUID } from 'node:crypto';
import type { FastifyInstance } from 'fastify';
import type { GatewayConfig } from '../../schema/config.ts';
import packageJson from '../package.json' with { type: 'json' };
import { readBody, type Span, topLevelMembers } from '../shared/body.ts';
import type { Drain } from '../shared/drain.ts';
import { addProxyRoute, type Ended, type Exchange } from '../shared/exchange.ts';
import { addHealth, ill, well } from '../shared/health.ts';
import { createApp } from '../shared/http.ts';
import type { Logger } from '../shared/logging.ts';
import { modelNameIn } from '../shared/model-names.ts';
import { modelRoutes } from '../shared/routes.ts';
import type { GatewayModelStatus, GatewayStatus } from '../shared/status.ts';
import { Upstreams } from '../shared/upstream.ts';
import { affinityOf } from './affinity.ts';
import { Catalog } from './catalog.ts';
import { Dispatcher } from './dispatcher.ts';
import { Fleet } from './fleet.ts';
import { type KeyRing, priorityHeader } from './keys.ts';
import { addListings } from './listings.ts';
import { addManagedRoutes } from './managed.ts';
import type { GatewayMetrics, RejectionReason } from './metrics.ts';
import { Passage } from './passage.ts';
import { Routing, type Target } from './routing.ts';
import { Board } from './status/board.ts';
import { nothingCounted } from './status/live-counts.ts';
import { addStatusPage } from './status/routes.ts';

/** The routes whose requests may find the beginning of their prompt in a replica's cache. */
const generationRoutes = new Set(['/api/generate', '/api/chat', '/v1/chat/completions', '/v1/completions']);

/** The port at which gateways have their metrics in a cluster. */
const usualMetricsPort = 9090;

/** The gateway: what clients take for one big Ollama. */
export class Gateway {
  readonly app: FastifyInstance;
  readonly #upstreams = new Upstreams();
  readonly #log: Logger;
  readonly #metrics: GatewayMetrics;
  readonly #keys: KeyRing;
  readonly #fleet: Fleet;
  readonly #dispatcher: Dispatcher;
  readonly #passage: Passage;
  readonly #board: Board;
  readonly #id = randomUUID();
  readonly #began = performance.now();
  #config: GatewayConfig;
  #routing: Routing;

  /** `metricsPort` is where this gateway has its metrics, and in a cluster all others. */
  constructor(
    config: GatewayConfig,
    keys: KeyRing,
    log: Logger,
    drain: Drain,
    metrics: GatewayMetrics,
    metricsPort = usualMetricsPort,
  ) {
    this.#config = config;
    this.#log = log;
    this.#metrics = metrics;
    this.#keys = keys;
    this.#routing = new Routing(config);
    this.#dispatcher = new Dispatcher(metrics);
    this.#fleet = new Fleet(config, this.#id, log, {
      changed: (replicas, model) => this.#dispatcher.pump(replicas, model),
      moved: (urls) => this.#upstreams.keep(urls),
    });
    this.#passage = new Passage(this.#id, this.#dispatcher, this.#upstreams, metrics);
    metrics.watch(() => this.#fleet.states());
    this.#configureLines();
    this.app = createApp(log, drain, { onConnectionProblem: (problem) => metrics.connectionProblem(problem) });
    for (const path of modelRoutes) {
      addProxyRoute(this.app, { log, drain, metrics }, path, (exchange) => this.#handle(exchange));
    }
    addManagedRoutes(this.app);
    const catalog = new Catalog(
      this.#upstreams,
      () => this.#routing,
      (server) => this.#fleet.urlsOf(server),
      log,
    );
    addListings(this.app, { catalog, routing: () => this.#routing, keys });
    this.#board = new Board({
      config: () => this.#config,
      targets: () => this.#routing.targets,
      podsOf: (server) => this.#fleet.podsOf(server),
      own: () => this.status(),
      gateways: () => this.#gateways(metricsPort),
      forecaster: () => this.#config.statusPage?.forecaster,
    });
    addStatusPage(this.app, {
      ...{ board: this.#board, drain, keys },
      routing: () => this.#routing,
      isOn: () => this.#config.statusPage !== undefined,
    });
    // Ready says nothing about the servers: with one of them away, the others' models still have to be served.
    addHealth(this.app, {
      live: () => well,
      startup: () => well,
      ready: () => (drain.draining ? ill('draining') : well),
      summary: () => ({
        models: Object.fromEntries(this.#routing.targets.map((target) => [target.key, this.#describe(target)])),
        servers: Object.fromEntries(this.#fleet.states().map(({ server, ...state }) => [server, state])),
        inFlight: drain.inFlight,
        draining: drain.draining,
        versions: { service: packageJson.version, node: process.versions.node },
      }),
      guard: (headers) => void keys.identify(headers),
    });
  }

  /** Goes on with another configuration; requests in flight end under the old one. */
  configure(config: GatewayConfig): void {
    if (config.apiKeysFile !== this.#config.apiKeysFile) {
      this.#log.warn({ path: 'apiKeysFile' }, 'another file of API keys is taken at the next start, not before');
    }
    this.#config = config;
    this.#routing = new Routing(config);
    this.#fleet.configure(config);
    this.#configureLines();
  }

  /** What it tells other gateways, for the status pages of all. */
  status(): GatewayStatus {
    const models = this.#routing.targets.flatMap(({ key, server }): [string, GatewayModelStatus][] => {
      const counted = this.#metrics.tally.of(key);
      const line = this.#dispatcher.line(key);
      const inFlight = this.#fleet.replicasOf(server).inFlight(key);
      if (!counted && inFlight === 0 && Object.keys(line.waiting).length === 0) return [];
      return [[key, { ...(counted ?? nothingCounted), ...line, inFlight }]];
    });
    const upMs = performance.now() - this.#began;
    return { id: this.#id, upMs, models: Object.fromEntries(models), ejected: this.#fleet.ejected };
  }

  /** Cuts what is still open. */
  destroy(): void {
    this.#board.close();
    this.#dispatcher.close();
    this.#fleet.close();
    this.#keys.close();
    void this.#upstreams.destroy();
  }

  async #handle(exchange: Exchange): Promise<Ended> {
    const { path, request } = exchange;
    const caller = this.#keys.identify(request.headers);
    const body = await readBody(request, this.#config.maxBodyMiB * 1024 ** 2);
    const members = topLevelMembers(body);
    const { given, at: nameAt } = modelNameIn(path, body, members);
    const target = this.#routing.find(given);
    exchange.isFor(target.key);
    this.#count('key_model', target, () => caller.checkModel(target.key));
    const priority = caller.priority(only(request.headers[priorityHeader]));
    this.#count('key_limit', target, () => caller.admit());
    const asked = {
      exchange,
      body,
      nameAt,
      given,
      priority,
      flow: caller.name,
      affinity: generationRoutes.has(path) ? affinityOf(body, members) : undefined,
      takesEvents: path.startsWith('/v1/') && isTrue(body, members.get('stream')),
    };
    const canary = this.#routing.canaryOf(target, asked.affinity);
    const fallbacks = this.#routing.fallbacksOf(target).filter(({ key }) => caller.mayAsk(key));
    // Whoever may ask a model may ask its next version by its name. Without room for that, it is as if there were none.
    const models = [...(canary ? [canary] : []), target, ...fallbacks];
    exchange.onUsage = ({ read, written }) => caller.spent(read + written);
    return this.#passage.through(asked, target, models, this.#config.generationTimeoutSeconds);
  }

  /** Counts a request as rejected when a check of its key refuses it. */
  #count(reason: RejectionReason, { key }: Target, check: () => void): void {
    try {
      check();
    } catch (error) {
      this.#metrics.rejected(key, reason);
      throw error;
    }
  }

  #configureLines(): void {
    this.#dispatcher.configure(this.#routing.targets, (server) => this.#fleet.replicasOf(server));
  }

  /** Where gateways tell of themselves. */
  #gateways(metricsPort: number): string[] {
    const { service = '', peers = [] } = this.#config.statusPage ?? {};
    const others = service === '' ? [] : this.#fleet.gatewaysOf(service);
    return [
      ...peers,
      ...others.filter(({ isTerminating }) => !isTerminating).map(({ host }) => `http://${host}:${metricsPort}`),
    ];
  }

  #describe({ key, name, server, url }: Target): object {
    return { name, server, url, waiting: this.#dispatcher.waiting(key) };
  }
}

/** A header that came twice is one that nobody meant. */
const only = (value: string | string[] | undefined) => (Array.isArray(value) ? value.join(', ') : value);

const isTrue = (body: Buffer, span: Span | undefined) =>
  span !== undefined && body.toString('latin1', span.start, span.end) === 'true';
