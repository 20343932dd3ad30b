import { createServer, type Server } from 'node:http';
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { ConnectionProblem } from './connections.ts';
import type { Usage } from './meter.ts';

/** The label of a request whose model is not configured: labels are bounded by the configuration, never by clients. */
export const unknownModel = 'unknown';

/** The metrics that gateway and agent share. Each process has a registry of its own. */
export class RequestMetrics {
  readonly registry = new Registry();
  readonly #duration: Histogram<'model' | 'route' | 'status'>;
  readonly #total: Counter<'model' | 'route' | 'status'>;
  readonly #inFlight: Gauge<'model'>;
  readonly #firstByte: Histogram<'model'>;
  readonly #between: Histogram<'model'>;
  readonly #tokens: Counter<'model' | 'direction'>;
  readonly #connectionProblems: Counter<'problem'>;

  constructor() {
    const registers = [this.registry];
    collectDefaultMetrics({ register: this.registry });
    this.#duration = new Histogram({
      name: 'model_request_duration_seconds',
      help: 'Time from the arrival of a request to the last byte of its answer, in seconds.',
      labelNames: ['model', 'route', 'status'],
      buckets: [0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 80, 160, 320, 640],
      registers,
    });
    this.#total = new Counter({
      name: 'model_request_total',
      help: 'Requests answered, failed or left by their client (4xx), by class of status; an answer cut short counts as 5xx.',
      labelNames: ['model', 'route', 'status'],
      registers,
    });
    this.#inFlight = new Gauge({
      name: 'model_requests_in_flight',
      help: 'Requests being answered at this moment.',
      labelNames: ['model'],
      registers,
    });
    this.#firstByte = new Histogram({
      name: 'model_time_to_first_token_seconds',
      help: 'Time from the arrival of a request to the first byte of its answer, in seconds; of answers that are no errors.',
      labelNames: ['model'],
      buckets: [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 80, 160, 320],
      registers,
    });
    this.#between = new Histogram({
      name: 'model_inter_token_seconds',
      help: 'Time between two chunks of a stream, which carry a token each unless the network joins them, in seconds.',
      labelNames: ['model'],
      buckets: [0.002, 0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56],
      registers,
    });
    this.#tokens = new Counter({
      name: 'model_tokens_total',
      help: 'Tokens of prompts that were evaluated (in) and of answers (out), as the answers tell.',
      labelNames: ['model', 'direction'],
      registers,
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
    this.#inFlight.inc({ model });
  }

  finished(model: string): void {
    this.#inFlight.dec({ model });
  }

  /** Notes when an answer began, after the request came. */
  firstByte(model: string, seconds: number): void {
    this.#firstByte.observe({ model }, seconds);
  }

  betweenChunks(model: string, seconds: number): void {
    this.#between.observe({ model }, seconds);
  }

  tokens(model: string, { read, written }: Usage): void {
    this.#tokens.inc({ model, direction: 'in' }, read);
    this.#tokens.inc({ model, direction: 'out' }, written);
  }

  /** Counts a request; `route` is a route's path, never a client's. */
  observe(model: string, route: string, status: number, seconds: number): void {
    const labels = { model, route, status: `${Math.floor(status / 100)}xx` };
    this.#duration.observe(labels, seconds);
    this.#total.inc(labels);
  }
}

/** Serves /metrics, on a port of its own so that it never goes through an Ingress. */
export function createMetricsServer(registry: Registry): Server {
  return createServer((request, response) => {
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
