import type { IncomingMessage, ServerResponse } from 'node:http';
import type { FastifyInstance } from 'fastify';
import type { Drain } from './drain.ts';
import { errorBody, messageIn, Refusal, shuttingDown } from './errors.ts';
import { addHeaders, allowedRequestHeaders, type HeaderList, type Headers, requestIdHeader } from './headers.ts';
import { addDirectRoute, hopHeaders } from './http.ts';
import type { Logger } from './logging.ts';
import { Meter, type Usage } from './meter.ts';
import { type RequestMetrics, unknownModel } from './metrics.ts';
import { forward, type Outcome, type Upward } from './proxy.ts';
import type { RequestTrace } from './spans.ts';
import { tracing } from './tracing.ts';

/** How an exchange ended that was not refused. */
export type Ended = Extract<Outcome, { kind: 'answered' | 'cut' | 'left' }>;

/** What a hop does its exchanges with. */
export interface Hop {
  log: Logger;
  drain: Drain;
  metrics: RequestMetrics;
}

/** Where a request goes, and what goes there. */
export interface Destination extends Pick<Upward, 'dispatcher' | 'body' | 'declines'> {
  /** What goes there beside the client's headers and the request's id. */
  headers: Headers;
  timeoutSeconds: number;
  /** Where it answers. */
  url: string;
  /** Whether it is a hop of ours, which takes the request's trace up. */
  isHop: boolean;
  /** How often the request was sent before. */
  resends?: number;
}

/**
 * How long a client that waits for a stream hears nothing, in ms: well below what load balancers cut idle connections at
 * (60 s and more), and long enough for an error that comes at once to keep its status.
 */
const heartbeatMs = 5_000;

/** Who waits for an answer. */
export interface Client {
  readonly hasLeft: boolean;
  /** Calls back when the client leaves. */
  onLeave(callback: () => void): void;
}

/** One request on its way through a hop. */
export class Exchange implements Client {
  readonly request: IncomingMessage;
  readonly path: string;
  /** When it came, in ms of `performance.now()`. */
  readonly began = performance.now();
  /** Headers of the answer, beside those of the hop. */
  readonly answerHeaders: Headers = {};
  /** Undefined while tracing is off. */
  readonly trace: RequestTrace | undefined;
  readonly #response: ServerResponse;
  /** By which both hops' logs know the request. */
  readonly #id: string;
  readonly #hop: Hop;
  readonly #meter: Meter;
  #model: string | undefined;
  #beating: NodeJS.Timeout | undefined;
  /** Told what the answer cost in tokens when it has ended, as far as it says so. */
  onUsage?: (usage: Usage) => void;

  constructor(request: IncomingMessage, response: ServerResponse, id: string, path: string, hop: Hop) {
    this.request = request;
    this.path = path;
    this.#response = response;
    this.#id = id;
    this.#hop = hop;
    this.#meter = new Meter((seconds) => hop.metrics.betweenChunks(this.model, seconds));
    this.trace = tracing.begin(path, id, request.headers);
  }

  /** Key of the model that the request is for. */
  get model(): string {
    return this.#model ?? unknownModel;
  }

  /** To be called once it is known for which model, by its key, the request is. */
  isFor(model: string): void {
    this.#model = model;
    this.trace?.isFor(model);
  }

  get hasLeft(): boolean {
    return this.#response.destroyed;
  }

  /** Calls back when the client leaves, or has got its answer. */
  onLeave(callback: () => void): void {
    this.#response.once('close', callback);
  }

  /** Sends the request on, and its answer back unless that is declined or fails before it has begun. */
  async forward({ dispatcher, body, headers, timeoutSeconds, url, isHop, ...more }: Destination): Promise<Outcome> {
    const { request, path, model } = this;
    const { metrics } = this.#hop;
    const meter = this.#meter;
    metrics.started(model);
    const sent = this.trace?.send({ model, url, isHop, resends: more.resends ?? 0 });
    const list = allowedRequestHeaders(request.headers);
    addHeaders(list, headers);
    if (sent) addHeaders(list, sent.headers);
    list.push(requestIdHeader, this.#id);
    const outcome = await forward(this.#response, {
      dispatcher,
      path,
      headers: list,
      body,
      timeoutMs: timeoutSeconds * 1000,
      answerHeaders: this.#allHeaders(),
      declines: more.declines,
      inStream: (status, body) => eventOf(refusalOf(status, body)),
      onStart: (status, received) => {
        this.#stopBeating();
        meter.start(status, received);
      },
      onData: (chunk) => meter.data(chunk),
    });
    metrics.finished(model);
    sent?.end(outcome, meter.usage());
    return outcome;
  }

  /**
   * Keeps the connection of a stream's client that has to wait from being taken for idle: after a while the answer is begun
   * with comments, which every client of server-sent events ignores.
   */
  beat(): void {
    const response = this.#response;
    this.#beating ??= setInterval(() => {
      if (!response.headersSent && !response.destroyed) {
        const headers = ['content-type', 'text/event-stream', 'cache-control', 'no-cache'];
        response.writeHead(200, [...headers, ...this.#allHeaders()]);
      }
      response.write(': waiting\n\n');
    }, heartbeatMs);
  }

  /** Whether the answer's first line has gone out, so that an error has to be said within it. */
  get isOpen(): boolean {
    return this.#response.headersSent;
  }

  /** Ends an open answer with an error that the client reports. */
  fail(refusal: Refusal): void {
    this.#response.end(eventOf(refusal));
  }

  finished(status: number): void {
    this.#stopBeating();
    const { metrics } = this.#hop;
    const { model, path } = this;
    metrics.observe(model, path, status, (performance.now() - this.began) / 1000);
    const { firstAt } = this.#meter;
    const firstSeconds = firstAt === undefined ? undefined : (firstAt - this.began) / 1000;
    if (firstSeconds !== undefined && status < 400) metrics.firstByte(model, firstSeconds);
    const usage = this.#meter.usage();
    if (usage) {
      metrics.tokens(model, usage);
      this.onUsage?.(usage);
    }
    this.trace?.end({ status, model, firstSeconds });
  }

  #allHeaders(): HeaderList {
    const list: HeaderList = [];
    addHeaders(list, hopHeaders(this.#id, this.#hop.drain));
    addHeaders(list, this.answerHeaders);
    return list;
  }

  #stopBeating(): void {
    clearInterval(this.#beating);
  }
}

/** Adds a POST route whose requests `handle` passes on, or refuses by throwing a Refusal. */
export function addProxyRoute(
  app: FastifyInstance,
  hop: Hop,
  path: string,
  handle: (exchange: Exchange) => Promise<Ended>,
): void {
  addDirectRoute(app, path, async (request, response, requestId) => {
    const exchange = new Exchange(request, response, requestId, path, hop);
    const leave = hop.drain.enter();
    let status = 500;
    let cause: string | undefined;
    try {
      if (hop.drain.refusing) {
        throw shuttingDown();
      }
      const outcome = await handle(exchange);
      status = statusOf(outcome);
      if (outcome.kind === 'cut') cause = `the answer was cut short: ${reasonOf(outcome.cause)}`;
    } catch (error) {
      if (error instanceof Refusal) status = error.status;
      cause = reasonOf(error as Error);
      if (exchange.isOpen) exchange.fail(error instanceof Refusal ? error : new Refusal(500, 'internal error'));
      else throw error;
    } finally {
      leave();
      exchange.finished(status);
      const milliseconds = Math.round(performance.now() - exchange.began);
      const level = status >= 500 ? 'warn' : 'info';
      // A refusal's message may hold what the client wrote.
      const why = status >= 500 && { cause };
      const { model, trace } = exchange;
      hop.log[level]({ requestId, traceId: trace?.id, model, route: path, status, milliseconds, ...why }, 'request');
    }
  });
}

/** What is to be said of an outcome that brought no answer; `who` is the one that should have given it. */
export function refusalFor(outcome: Exclude<Outcome, Ended>, who: string, timeoutSeconds: number): Refusal {
  if (outcome.kind === 'declined') return refusalOf(outcome.status, outcome.body, outcome.retryAfter);
  if (outcome.why === 'timeout') return new Refusal(504, `${who} did not answer within ${timeoutSeconds} seconds`);
  return new Refusal(503, `${who} cannot be reached at the moment`, { retryAfter: 5, cause: outcome.cause });
}

/** The error that an answer of either dialect speaks of. */
function refusalOf(status: number, body: Buffer, retryAfter?: number): Refusal {
  const message = messageIn(body.toString()) ?? `status ${status}`;
  return new Refusal(status, message, retryAfter === undefined ? {} : { retryAfter });
}

/** An error as OpenAI sends it within a stream. */
const eventOf = (refusal: Refusal) => Buffer.from(`data: ${JSON.stringify(errorBody('/v1/', refusal))}\n\n`);

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
