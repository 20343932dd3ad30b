import { createServer, type Server } from 'node:http';
import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import type { ConnectionProblem } from './connections.ts';
import type { Usage } from './meter.ts';
import { TallyHistogram } from './tally.ts';

/** The label of a request whose model is not configured: labels are bounded by the configuration, never by clients. */
export const unknownModel = 'unknown';

/** The classes of statuses, by their first digit. */
const statusClasses = Array.from({ length: 10 }, (_, digit) => `${digit}xx`);

/**
 * The metrics that gateway and agent share. Each process has a registry of its own. What happens with every request is
 * counted in numbers of ours, which the registry gets to know when it is read.
 */
export class RequestMetrics {
  readonly registry = new Registry();
  readonly #duration: TallyHistogram;
  readonly #firstByte: TallyHistogram;
  readonly #between: TallyHistogram;
  /** By model. */
  readonly #inFlight = new Map<string, number>();
  readonly #tokens = new Map<string, Usage>();
  readonly #connectionProblems: Counter<'problem'>;

  constructor() {
    const registers = [this.registry];
    collectDefaultMetrics({ register: this.registry });
    this.#duration = new TallyHistogram({
      name: 'model_request_duration_seconds',
      help: 'Time from the arrival of a request to the last byte of its answer, in seconds.',
      labelNames: ['model', 'route', 'status'],
      buckets: [0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 80, 160, 320, 640],
      registers,
    });
    const durations = this.#duration.tallies;
    new Counter({
      name: 'model_request_total',
      help: 'Requests answered, failed or left by their client (4xx), by class of status; an answer cut short counts as 5xx.',
      labelNames: ['model', 'route', 'status'],
      registers,
      collect() {
        this.reset();
        for (const { labels, count } of durations) this.inc(labels, count);
      },
    });
    const inFlight = this.#inFlight;
    new Gauge({
      name: 'model_requests_in_flight',
      help: 'Requests being answered at this moment.',
      labelNames: ['model'],
      registers,
      collect() {
        for (const [model, count] of inFlight) this.set({ model }, count);
      },
    });
    this.#firstByte = new TallyHistogram({
      name: 'model_time_to_first_token_seconds',
      help: 'Time from the arrival of a request to the first byte of its answer, in seconds; of answers that are no errors.',
      labelNames: ['model'],
      buckets: [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 80, 160, 320],
      registers,
    });
    this.#between = new TallyHistogram({
      name: 'model_inter_token_seconds',
      help: 'Time between two chunks of a stream, which carry a token each unless the network joins them, in seconds.',
      labelNames: ['model'],
      buckets: [0.002, 0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56],
      registers,
    });
    const tokens = this.#tokens;
    new Counter({
      name: 'model_tokens_total',
      help: 'Tokens of prompts that were evaluated (in) and of answers (out), as the answers tell.',
      labelNames: ['model', 'direction'],
      registers,
      collect() {
        this.reset();
        for (const [model, { read, written }] of tokens) {
          this.inc({ model, direction: 'in' }, read);
          this.inc({ model, direction: 'out' }, written);
        }
      },
    });
    this.#connectionProblems = new Counter({
      name: 'connection_problems_total',
      help: 'Connections of clients that were ended or not served: crowd (too many), malformed, slow (a request that does not arrive), stalled (an answer that is not read).',
      labelNames: ['problem'],
      registers,
    });
  }

  connectionProblem(problem: ConnectionProblem): void {
    this.#connectionProblems.inc({ problem });
  }

  started(model: string): void {
    this.#inFlight.set(model, (this.#inFlight.get(model) ?? 0) + 1);
  }

  finished(model: string): void {
    this.#inFlight.set(model, (this.#inFlight.get(model) ?? 0) - 1);
  }

  /** Notes when an answer began, after the request came. */
  firstByte(model: string, seconds: number): void {
    this.#firstByte.of(model).observe(seconds);
  }

  betweenChunks(model: string, seconds: number): void {
    this.#between.of(model).observe(seconds);
  }

  tokens(model: string, { read, written }: Usage): void {
    const sum = this.#tokens.get(model);
    if (!sum) {
      this.#tokens.set(model, { read, written });
      return;
    }
    sum.read += read;
    sum.written += written;
  }

  /** Counts a request; `route` is a route's path, never a client's. */
  observe(model: string, route: string, status: number, seconds: number): void {
    this.#duration.of(model, route, statusClasses[Math.floor(status / 100)]!).observe(seconds);
  }
}

/** Serves /metrics and, where there is one, /status, on a port of its own so that they never go through an Ingress. */
export function createMetricsServer(registry: Registry, status?: () => object): Server {
  return createServer((request, response) => {
    if (status && request.url === '/status') {
      response.writeHead(200, { 'content-type': 'application/json; charset=utf-8' }).end(JSON.stringify(status()));
      return;
    }
    if (request.url !== '/metrics') {
      response.writeHead(404, { 'content-type': 'text/plain' }).end('the metrics are at /metrics\n');
      return;
    }
    registry.metrics().then(
      (text) => response.writeHead(200, { 'content-type': registry.contentType }).end(text),
      (error) => response.writeHead(500, { 'content-type': 'text/plain' }).end(`${error.message}\n`),
    );
  });
}
