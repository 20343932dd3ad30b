import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Drain } from './drain.ts';
import { Refusal } from './errors.ts';
import { allowedRequestHeaders, requestIdHeader } from './headers.ts';
import { hopHeaders } from './http.ts';
import type { Logger } from './logging.ts';
import { type RequestMetrics, unknownModel } from './metrics.ts';
import { forward, type Outcome, type Upward } from './proxy.ts';

/** How an exchange ended that was not refused. */
type Ended = Exclude<Outcome, { kind: 'failed' }>;

/** What a hop does its exchanges with. */
export interface Hop {
  log: Logger;
  drain: Drain;
  metrics: RequestMetrics;
}

/** Where a request goes, and what goes there. */
export interface Destination extends Pick<Upward, 'dispatcher' | 'headers' | 'body'> {
  /** How the one that answers is called in messages. */
  who: string;
  timeoutSeconds: number;
}

/** One request on its way through a hop. */
export class Exchange {
  readonly request: FastifyRequest;
  readonly #metrics: RequestMetrics;
  #model: string | undefined;

  constructor(request: FastifyRequest, metrics: RequestMetrics) {
    this.request = request;
    this.#metrics = metrics;
  }

  /** Key of the model that the request is for. */
  get model(): string {
    return this.#model ?? unknownModel;
  }

  /** To be called once it is known for which model, by its key, the request is. */
  isFor(model: string): void {
    this.#model = model;
    this.#metrics.started(model);
  }

  finished(route: string, status: number, seconds: number): void {
    if (this.#model !== undefined) this.#metrics.finished(this.#model);
    this.#metrics.observe(this.model, route, status, seconds);
  }
}

/** Adds a POST route whose requests are passed on to where `plan` says; it may throw a Refusal instead. */
export function addProxyRoute(
  app: FastifyInstance,
  hop: Hop,
  path: string,
  plan: (exchange: Exchange) => Destination | Promise<Destination>,
): void {
  const handle = async (exchange: Exchange, response: Parameters<typeof forward>[0]): Promise<Ended> => {
    if (hop.drain.refusing)
      throw new Refusal(503, 'this server is shutting down, another takes over', { retryAfter: 1 });
    const { who, timeoutSeconds, headers, ...destination } = await plan(exchange);
    const { request } = exchange;
    const outcome = await forward(response, {
      ...destination,
      path,
      headers: { ...allowedRequestHeaders(request.headers), ...headers, [requestIdHeader]: request.id },
      timeoutMs: timeoutSeconds * 1000,
      answerHeaders: hopHeaders(request, hop.drain),
    });
    if (outcome.kind !== 'failed') return outcome;
    if (outcome.why === 'timeout') throw new Refusal(504, `${who} did not answer within ${timeoutSeconds} seconds`);
    throw new Refusal(503, `${who} cannot be reached at the moment`, { retryAfter: 5, cause: outcome.cause });
  };

  app.route({
    method: 'POST',
    url: path,
    handler: async (request, reply) => {
      const began = performance.now();
      const exchange = new Exchange(request, hop.metrics);
      const leave = hop.drain.enter();
      let status = 500;
      let cause: string | undefined;
      try {
        const outcome = await handle(exchange, reply.raw);
        reply.hijack();
        status = statusOf(outcome);
        if (outcome.kind === 'cut') cause = `the answer was cut short: ${reasonOf(outcome.cause)}`;
      } catch (error) {
        if (error instanceof Refusal) status = error.status;
        cause = reasonOf(error as Error);
        throw error;
      } finally {
        leave();
        const milliseconds = Math.round(performance.now() - began);
        exchange.finished(path, status, milliseconds / 1000);
        const level = status >= 500 ? 'warn' : 'info';
        // A refusal's message may hold what the client wrote.
        const why = status >= 500 && { cause };
        hop.log[level](
          { requestId: request.id, model: exchange.model, route: path, status, milliseconds, ...why },
          'request',
        );
      }
    },
  });
}

/** The status to count: what the client makes of a cut answer is no success, whatever its first line said. */
function statusOf(outcome: Ended): number {
  if (outcome.kind === 'left') return 499;
  if (outcome.kind === 'cut') return outcome.why === 'timeout' ? 504 : 502;
  return outcome.status;
}

/** A connection's error that tried several addresses has no message but a code. */
function reasonOf(error: Error): string {
  const own = error.message || (error as NodeJS.ErrnoException).code || error.name;
  return error.cause instanceof Error ? `${own}: ${reasonOf(error.cause)}` : own;
}
