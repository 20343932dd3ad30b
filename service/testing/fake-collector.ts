import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { until } from './client.ts';

/** A span as it arrived. */
export interface CollectedSpan {
  /** `service.name` of the process that sent it. */
  service: string;
  name: string;
  kind: 'internal' | 'server' | 'client';
  traceId: string;
  spanId: string;
  /** Empty for the first of a trace. */
  parentSpanId: string;
  traceState: string;
  attributes: Record<string, unknown>;
  failed: boolean;
  seconds: number;
}

/** OTLP's JSON, as far as it is looked at here. */
interface Message {
  resourceSpans: {
    resource: { attributes: Attribute[] };
    scopeSpans: { spans: RawSpan[] }[];
  }[];
}
interface RawSpan {
  name: string;
  kind: number;
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  traceState?: string;
  startTimeUnixNano: string;
  endTimeUnixNano: string;
  attributes: Attribute[];
  status: { code: number };
}
interface Attribute {
  key: string;
  value: Record<string, unknown>;
}

const kinds: Record<number, CollectedSpan['kind']> = { 1: 'internal', 2: 'server', 3: 'client' };

/** Stands for a collector of OpenTelemetry, which can't be had here: it takes traces by OTLP over HTTP, in JSON. */
export class FakeCollector implements AsyncDisposable {
  readonly endpoint: string;
  readonly spans: CollectedSpan[] = [];
  /** Everything that it was sent, as it came. */
  text = '';
  /** Headers of each message. */
  readonly messages: IncomingHttpHeaders[] = [];
  /** What it answers; without one, nothing at all. */
  status: number | undefined = 200;
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
    this.endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/traces`;
  }

  static async start(): Promise<FakeCollector> {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const fake = new FakeCollector(server);
    server.on('request', async (request, response) => {
      let text = '';
      for await (const chunk of request) text += chunk;
      fake.messages.push(request.headers);
      fake.text += text;
      if (request.url !== '/v1/traces') return response.writeHead(404).end();
      if (fake.status === 200) fake.#take(JSON.parse(text));
      if (fake.status !== undefined) response.writeHead(fake.status, { 'content-type': 'application/json' }).end('{}');
    });
    return fake;
  }

  /** The spans of one service. */
  of(component: string): CollectedSpan[] {
    return this.spans.filter(({ service }) => service === `model-management-${component}`);
  }

  /** Waits for a number of spans. */
  async holds(count: number): Promise<void> {
    await until(() => this.spans.length >= count);
  }

  /** Waits for a trace that has at least a number of spans, its server's among them, which ends last. */
  async trace(traceId: string, count: number): Promise<CollectedSpan[]> {
    const spans = () => this.spans.filter((span) => span.traceId === traceId);
    await until(() => spans().length >= count && spans().some(({ kind }) => kind === 'server'));
    return spans();
  }

  #take({ resourceSpans }: Message): void {
    for (const { resource, scopeSpans } of resourceSpans) {
      const service = String(valuesOf(resource.attributes)['service.name']);
      for (const { spans } of scopeSpans) {
        for (const span of spans) {
          const { name, traceId, spanId, startTimeUnixNano, endTimeUnixNano } = span;
          this.spans.push({
            service,
            name,
            kind: kinds[span.kind]!,
            traceId,
            spanId,
            parentSpanId: span.parentSpanId ?? '',
            traceState: span.traceState ?? '',
            attributes: valuesOf(span.attributes),
            failed: span.status.code === 2,
            seconds: Number(BigInt(endTimeUnixNano) - BigInt(startTimeUnixNano)) / 1e9,
          });
        }
      }
    }
  }

  /** Ends every connection and the server, as a crash does. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#server.listening) return;
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, 'close');
  }
}

const valuesOf = (attributes: Attribute[]) =>
  Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]));
