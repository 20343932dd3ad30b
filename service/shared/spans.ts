import type { IncomingHttpHeaders } from 'node:http';
import { hostname } from 'node:os';
import {
  type Attributes,
  type Context,
  DiagLogLevel,
  defaultTextMapGetter,
  diag,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  type Tracer,
  trace,
} from '@opentelemetry/api';
import { setGlobalErrorHandler, W3CTraceContextPropagator } from '@opentelemetry/core';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { defaultResource, resourceFromAttributes } from '@opentelemetry/resources';
import {
  BatchSpanProcessor,
  ParentBasedSampler,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from '@opentelemetry/sdk-trace';
import type { Priority, Tracing as Settings } from '../../schema/types.ts';
import packageJson from '../package.json' with { type: 'json' };
import { Refusal } from './errors.ts';
import type { Headers } from './headers.ts';
import type { Usage } from './meter.ts';
import type { Outcome } from './proxy.ts';

// Loading this file loads the SDK of OpenTelemetry, which costs memory: tracing.ts does it where traces are asked for.

/** Spans that wait for the collector, at most; those beyond are dropped and counted. A span takes about 1 KiB. */
const maxQueueSize = 2048;

/** Spans in one message to the collector: few enough that writing them down holds up no stream for long. */
const maxExportBatchSize = 128;

/** How often spans are sent, in ms. */
const scheduledDelayMillis = 1000;

/** Longest time for the collector to take a message, in ms, with all attempts. */
const timeoutMillis = 5000;

/** A collector may answer at any length; no more than this is logged, in characters. */
const longestProblem = 500;

/** What is asked of a model on a route, as the conventions for generative AI call it; the rest has no name there. */
const operations: Record<string, string> = {
  '/api/chat': 'chat',
  '/v1/chat/completions': 'chat',
  '/api/generate': 'text_completion',
  '/v1/completions': 'text_completion',
  '/api/embed': 'embeddings',
  '/api/embeddings': 'embeddings',
  '/v1/embeddings': 'embeddings',
};

/** Whose traces they are. */
export interface Source {
  component: string;
  /** The server that an agent belongs to. */
  server?: string;
}

const propagator = new W3CTraceContextPropagator();

/** Makes the spans of this process and sends them to a collector. */
export class Recorder {
  readonly #provider: TracerProvider;
  readonly #tracer: Tracer;
  readonly #complain: (problem: string) => void;

  /** Throws where the endpoint is no address. What keeps spans from arriving is told to `complain`. */
  constructor({ endpoint, sampleRatio }: Settings, { component, server }: Source, complain: (problem: string) => void) {
    this.#complain = complain;
    setGlobalErrorHandler((error) => complain(describe(error)));
    const isText = (part: unknown) => typeof part === 'string';
    const report = (...parts: unknown[]) => complain(parts.filter(isText).join(' ').slice(0, longestProblem));
    const silent = () => {};
    diag.setLogger(
      { error: report, warn: report, info: silent, debug: silent, verbose: silent },
      { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true },
    );
    const exporter = new OTLPTraceExporter({ url: endpoint, timeoutMillis });
    const { version } = packageJson;
    this.#provider = new TracerProvider({
      resource: defaultResource().merge(
        resourceFromAttributes({
          'service.namespace': 'model-management',
          'service.name': `model-management-${component}`,
          'service.version': version,
          'service.instance.id': hostname(),
          ...(server !== undefined && { 'model_management.server': server }),
        }),
      ),
      sampler: new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(sampleRatio) }),
      spanProcessors: [new BatchSpanProcessor({ exporter, maxQueueSize, maxExportBatchSize, scheduledDelayMillis })],
    });
    this.#tracer = this.#provider.getTracer('model-management', version);
  }

  /** Begins the span of a request that came on a route; it belongs to the trace that its client's headers speak of, if any. */
  begin(route: string, requestId: string, headers: IncomingHttpHeaders): RequestTrace {
    const parent = propagator.extract(ROOT_CONTEXT, headers, defaultTextMapGetter);
    return new RequestTrace(this.#tracer, route, requestId, parent);
  }

  /** Sends what is left; never rejects. */
  async close(): Promise<void> {
    await this.#provider.shutdown().catch((error) => this.#complain(describe(error)));
  }
}

/** How a request ended. */
export interface End {
  status: number;
  /** Key of the model that it was for in the end. */
  model: string;
  /** Time to the first byte of the answer's body in seconds; undefined where there was none. */
  firstSeconds: number | undefined;
}

/** The trace of one request through this hop. Nothing that clients write gets into it but sane request ids. */
export class RequestTrace {
  readonly id: string;
  readonly #tracer: Tracer;
  readonly #route: string;
  readonly #span: Span;
  readonly #context: Context;
  #model: string | undefined;
  #waitedMs: number | undefined;

  constructor(tracer: Tracer, route: string, requestId: string, parent: Context) {
    const attributes = {
      'http.request.method': 'POST',
      'http.route': route,
      'url.path': route,
      'url.scheme': 'http',
      'model_management.request.id': requestId,
    };
    this.#tracer = tracer;
    this.#route = route;
    this.#span = tracer.startSpan(`POST ${route}`, { kind: SpanKind.SERVER, attributes }, parent);
    this.#context = trace.setSpan(ROOT_CONTEXT, this.#span);
    this.id = this.#span.spanContext().traceId;
  }

  /** To be called once it is known for which model, by its key, the request is; the first counts, others fill in for it. */
  isFor(model: string): void {
    if (this.#model !== undefined) return;
    this.#model = model;
    this.#span.setAttribute('gen_ai.request.model', model);
  }

  hasPriority(priority: Priority): void {
    this.#span.setAttribute('model_management.priority', priority);
  }

  /** Shows the wait for a place at a replica of a model as a span of its own, unless there was a place at once. */
  queued<Place extends object>(model: string, place: Place | Promise<Place>): Place | Promise<Place> {
    this.#waitedMs ??= 0;
    return place instanceof Promise ? this.#wait(model, place) : place;
  }

  async #wait<Place>(model: string, place: Promise<Place>): Promise<Place> {
    const began = performance.now();
    const span = this.#tracer.startSpan('queue', { attributes: { 'gen_ai.request.model': model } }, this.#context);
    try {
      return await place;
    } catch (error) {
      if (error instanceof Refusal && error.status !== 499) fail(span, error.code ?? String(error.status));
      throw error;
    } finally {
      this.#waitedMs! += performance.now() - began;
      span.end();
    }
  }

  /** Begins the span of sending the request on. */
  send(options: SendOptions): Sending {
    return new Sending(this.#tracer, this.#route, this.#context, options);
  }

  end({ status, model, firstSeconds }: End): void {
    const span = this.#span;
    span.setAttribute('http.response.status_code', status);
    if (this.#waitedMs !== undefined) span.setAttribute('model_management.queue.wait_seconds', this.#waitedMs / 1000);
    if (status >= 500) fail(span, String(status));
    if (status < 400 && this.#model !== undefined) {
      span.setAttribute('gen_ai.response.model', model);
      if (model !== this.#model) span.setAttribute('model_management.fallback', true);
      if (firstSeconds !== undefined) span.setAttribute('gen_ai.response.time_to_first_chunk', firstSeconds);
    }
    span.end();
  }
}

export interface SendOptions {
  /** Key of the model that the one above is to answer with. */
  model: string;
  /** Where it answers. */
  url: string;
  /** How often the request was sent before. */
  resends: number;
  /** Whether it is a hop of ours, which takes the trace up; otherwise it is the model's server itself. */
  isHop: boolean;
}

/** One sending of a request. */
export class Sending {
  /** By which the one above takes the trace up; none for a model's server. */
  readonly headers: Headers = {};
  readonly #span: Span;
  readonly #isHop: boolean;

  constructor(tracer: Tracer, route: string, parent: Context, { model, url, resends, isHop }: SendOptions) {
    const { hostname: address, port } = new URL(url);
    const operation = operations[route];
    const attributes: Attributes = {
      'http.request.method': 'POST',
      'server.address': address,
      'server.port': Number(port || 80),
      'url.full': `${url}${route}`,
      'gen_ai.request.model': model,
      ...(resends > 0 && { 'http.request.resend_count': resends }),
      // Said once in a trace, where the model is asked: what adds up tokens must not count an answer for every hop.
      ...(!isHop && { 'gen_ai.provider.name': 'ollama', ...(operation && { 'gen_ai.operation.name': operation }) }),
    };
    this.#isHop = isHop;
    this.#span = tracer.startSpan(`POST ${route}`, { kind: SpanKind.CLIENT, attributes }, parent);
    if (isHop) propagator.inject(trace.setSpan(ROOT_CONTEXT, this.#span), this.headers, setter);
  }

  end(outcome: Outcome, usage: Usage | undefined): void {
    const span = this.#span;
    span.setAttribute('model_management.outcome', outcome.kind);
    if ('status' in outcome) span.setAttribute('http.response.status_code', outcome.status);
    const error = errorOf(outcome);
    if (error !== undefined) fail(span, error);
    if (usage && !this.#isHop) {
      span.setAttribute('gen_ai.usage.input_tokens', usage.read);
      span.setAttribute('gen_ai.usage.output_tokens', usage.written);
    }
    span.end();
  }
}

/** A state of the trace that says nothing would be an empty header. */
const setter = {
  set(headers: Headers, name: string, value: string) {
    if (value !== '') headers[name] = value;
  },
};

/** Without a message: that of an error may cite what its client wrote, and the logs have it under the request's id. */
function fail(span: Span, type: string): void {
  span.setAttribute('error.type', type);
  span.setStatus({ code: SpanStatusCode.ERROR });
}

function errorOf(outcome: Outcome): string | undefined {
  if (outcome.kind === 'left') return undefined;
  if (outcome.kind === 'cut' || outcome.kind === 'failed') {
    return outcome.why === 'timeout'
      ? 'timeout'
      : ((outcome.cause as NodeJS.ErrnoException).code ?? outcome.cause.name);
  }
  return outcome.status >= 400 ? String(outcome.status) : undefined;
}

/** A connection's error that tried several addresses has no message but a code. */
function describe(error: string | { message?: string; name?: string; code?: unknown }): string {
  if (typeof error === 'string') return error.slice(0, longestProblem);
  const { message, code, name } = error;
  return [message, code].filter(Boolean).join(': ').slice(0, longestProblem) || name || 'unknown';
}
