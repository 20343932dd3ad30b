import { createServer, type Server } from 'node:http';
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

/** The label of a request whose model is not configured: labels are bounded by the configuration, never by clients. */
export const unknownModel = 'unknown';

/** The metrics that gateway and agent share. Each process has a registry of its own. */
export class RequestMetrics {
  readonly registry = new Registry();
  readonly #duration: Histogram<'model' | 'route' | 'status'>;
  readonly #total: Counter<'model' | 'route' | 'status'>;
  readonly #inFlight: Gauge<'model'>;

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
  }

  started(model: string): void {
    this.#inFlight.inc({ model });
  }

  finished(model: string): void {
    this.#inFlight.dec({ model });
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
