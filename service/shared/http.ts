import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import Fastify, { type FastifyError, type FastifyInstance, type FastifyReply } from 'fastify';
import { BodyMemory, defaultBodyMemory } from './body-memory.ts';
import { type ConnectionProblem, Connections } from './connections.ts';
import type { Drain } from './drain.ts';
import { errorBody, Refusal } from './errors.ts';
import { addHeaders, type HeaderList, type Headers, requestIdHeader, requestIdOf } from './headers.ts';
import type { Logger } from './logging.ts';

/** What clients may cost; times in ms. */
export interface HttpLimits {
  /** Connections at a time. Those beyond are told to try again; only health checks are answered on them. */
  maxConnections: number;
  /** Longest time for a client to send the headers of a request. */
  headersTimeout: number;
  /** The same for the whole request. */
  requestTimeout: number;
  /** Longest time for a client to take nothing of what is written for it. */
  stallTimeout: number;
  /** How often the times of requests are looked at. */
  checkInterval: number;
  /** Memory for the bodies of all requests in hand, in bytes. */
  bodyMemory: number;
}

const defaults: HttpLimits = {
  maxConnections: 4096,
  headersTimeout: 20_000,
  requestTimeout: 300_000,
  stallTimeout: 90_000,
  checkInterval: 5000,
  bodyMemory: defaultBodyMemory(),
};

/** Bytes of a request's headers, and how many of them. */
const maxHeaderSize = 16 * 1024;
const maxHeaders = 100;

/** Longer than any client of ours keeps an idle connection, so that it is never this side that closes one under a request. */
const keepAliveTimeout = 75_000;

/** A silent connection is asked by TCP after this time in ms whether its client is still there. */
const keepAliveInitialDelay = 30_000;

export interface AppOptions {
  limits?: Partial<HttpLimits>;
  /** Told of each connection that is ended or not served. */
  onConnectionProblem?(problem: ConnectionProblem): void;
}

/** Serves a request with the id by which logs know it; what it throws is said to the client unless an answer has begun. */
export type Serve = (request: IncomingMessage, response: ServerResponse, id: string) => Promise<void>;

declare module 'fastify' {
  interface FastifyInstance {
    /** The handlers of POST requests that need not be routed, by their paths. */
    direct: Map<string, Serve>;
  }
}

/**
 * Adds a POST route for which Fastify has nothing to do: what is asked for by exactly this path goes past it, which saves
 * a fifteenth of what a hop takes for a request, and what is spelled otherwise (with a query, say) comes by it.
 */
export function addDirectRoute(app: FastifyInstance, path: string, serve: Serve): void {
  app.direct.set(path, serve);
  app.post(path, async ({ raw, id }, reply) => {
    await serve(raw, reply.raw, id);
    reply.hijack();
  });
}

/** A server that leaves the bodies of requests unread and says what goes wrong in the dialect of the path. */
export function createApp(log: Logger, drain: Drain, options: AppOptions = {}): FastifyInstance {
  const limits = { ...defaults, ...options.limits };
  const connections = new Connections(limits.maxConnections, (problem) => {
    log.debug({ problem }, 'a connection was ended or not served');
    options.onConnectionProblem?.(problem);
  });
  const memory = new BodyMemory(limits.bodyMemory);
  const { requestTimeout, headersTimeout, stallTimeout, checkInterval } = limits;
  const direct = new Map<string, Serve>();

  /** Goes on with a request when its turn has come, with what it is to be refused for, if anything. */
  const letIn = (request: IncomingMessage, response: ServerResponse, go: (refusal?: Refusal) => void) =>
    connections.inTurn(response, () => {
      // Health checks go on where there are too many connections: a restart would help nobody.
      const isHealth = pathOf(request).startsWith('/health');
      const refusal = headProblem(request) ?? (isHealth ? undefined : connections.crowdProblem(request));
      if (!refusal) memory.give(request, response);
      go(refusal);
    });

  const serveDirectly = (serve: Serve, request: IncomingMessage, response: ServerResponse) => {
    const id = requestIdOf(request.headers);
    const refuse = (error: Error, isLast = drain.draining) => {
      // Nobody is there to be told, or an answer is cut short that has begun.
      if (response.destroyed || response.headersSent) return void response.destroy();
      const refusal = error instanceof Refusal ? error : unforeseen(error, log, id);
      const body = JSON.stringify(errorBody(pathOf(request), refusal));
      const headers: HeaderList = [requestIdHeader, id, 'content-type', 'application/json; charset=utf-8'];
      headers.push('content-length', `${Buffer.byteLength(body)}`);
      if (isLast) headers.push('connection', 'close');
      addHeaders(headers, refusalHeaders(refusal));
      response.writeHead(refusal.status, headers).end(body);
    };
    letIn(request, response, (refusal) => {
      if (refusal) refuse(refusal, true);
      else serve(request, response, id).catch(refuse);
    });
  };

  const app = Fastify({
    genReqId: (request) => requestIdOf(request.headers),
    serverFactory: (route, { http }) => {
      const server = createServer(http ?? {}, (request, response) => {
        const serve = request.method === 'POST' ? direct.get(request.url!) : undefined;
        if (serve) serveDirectly(serve, request, response);
        else route(request, response);
      });
      server.setTimeout(stallTimeout);
      return server;
    },
    return503OnClosing: false,
    routerOptions: { maxParamLength: 1024 },
    http: {
      maxHeaderSize,
      headersTimeout,
      requestTimeout,
      connectionsCheckingInterval: checkInterval,
      insecureHTTPParser: false,
      // What comes twice is seen as such, instead of the first of both by one hop and the last by another.
      joinDuplicateHeaders: true,
      // Answered here, in the dialect of the path.
      requireHostHeader: false,
      keepAlive: true,
      keepAliveInitialDelay,
      keepAliveTimeout,
    },
    clientErrorHandler: (error, socket) => connections.clientError(error as object as NodeJS.ErrnoException, socket),
    // What the router can't read.
    frameworkErrors: (error, request, reply) => {
      const refusal = unforeseen(error, log, request.id);
      connections.inTurn(reply.raw, () => {
        reply.headers(hopHeaders(request.id, drain));
        (reply as FastifyReply).code(refusal.status).send(errorBody(pathOf(request), refusal));
      });
    },
  });
  app.decorate('direct', direct);
  connections.guard(app.server);
  app.server.maxHeadersCount = maxHeaders;
  app.server.on('checkExpectation', (request, response) => app.server.emit('request', request, response));

  // Bodies go on byte for byte, whatever their clients call them: curl says that its JSON is a form.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', (_request, _payload, done) => done(null));

  app.addHook('onRequest', (request, reply, done) => {
    letIn(request.raw, reply.raw, (refusal) => {
      reply.headers(hopHeaders(request.id, drain));
      if (refusal) reply.header('connection', 'close');
      done(refusal);
    });
  });

  // A client that finds its idle connection closed opens another, to a process that stays.
  void drain.refused.then(() => app.server.closeIdleConnections());

  app.setNotFoundHandler((request, reply) => {
    const path = pathOf(request);
    // A star would be taken for a route's, and thrown back where it is none.
    const methods = path.includes('*') ? [] : ['GET', 'POST'];
    const allowed = methods.filter((method) => app.hasRoute({ method, url: path }));
    const refusal =
      allowed.length > 0
        ? new Refusal(405, `${request.method} is not the way to ask for ${path}: use ${allowed.join(' or ')}`)
        : new Refusal(404, `${request.method} ${path.slice(0, 200)} is not offered here`);
    if (allowed.length > 0) reply.header('allow', allowed.join(', '));
    return reply.code(refusal.status).send(errorBody(path, refusal));
  });

  app.setErrorHandler((error: FastifyError | Refusal, request, reply) => {
    const refusal = error instanceof Refusal ? error : unforeseen(error, log, request.id);
    reply.headers(refusalHeaders(refusal));
    return reply.code(refusal.status).send(errorBody(pathOf(request), refusal));
  });

  return app;
}

/** Headers of every answer: the request's id, and on the way out the wish that the client connects anew, elsewhere. */
export function hopHeaders(id: string, drain: Drain): Headers {
  const headers = { [requestIdHeader]: id };
  return drain.draining ? { ...headers, connection: 'close' } : headers;
}

/** Headers of an error. */
function refusalHeaders({ status, retryAfter }: Refusal): Headers {
  return {
    ...(retryAfter !== undefined && { 'retry-after': `${retryAfter}` }),
    ...(status === 401 && { 'www-authenticate': 'Bearer' }),
  };
}

/**
 * What is wrong with a request's head that Node's parser lets pass. Whoever stands before this hop may read such a head
 * otherwise, and see other requests on the connection than this hop does.
 */
function headProblem({ headers, httpVersion }: IncomingMessage): Refusal | undefined {
  if (httpVersion !== '1.1' && httpVersion !== '1.0')
    return new Refusal(505, 'HTTP/1.1 is spoken here, and nothing else');
  const { host, expect, 'transfer-encoding': encoding } = headers;
  if (host === undefined && httpVersion === '1.1') return new Refusal(400, 'the request has no header Host');
  if (host?.includes(',')) return new Refusal(400, 'the request has more than one header Host');
  if (encoding !== undefined && httpVersion === '1.0') return new Refusal(400, 'HTTP/1.0 has no Transfer-Encoding');
  if (encoding !== undefined && encoding.toLowerCase() !== 'chunked') {
    return new Refusal(501, 'a Transfer-Encoding other than chunked is not understood here');
  }
  if (expect !== undefined && expect.toLowerCase() !== '100-continue') {
    return new Refusal(417, 'nothing but 100-continue can be expected here');
  }
  return undefined;
}

/** The path of a request, also of one that names the host before it, as to a proxy. */
const pathOf = ({ url = '' }: { url?: string | undefined }) => {
  const path = url.startsWith('/') ? url : url.replace(/^https?:\/\/[^/?]*/i, '');
  return path.split('?', 1)[0]!;
};

function unforeseen(error: Partial<FastifyError>, log: Logger, requestId: string): Refusal {
  const status = error.statusCode ?? 500;
  if (status < 500) return new Refusal(status, error.message ?? '');
  log.error({ requestId, err: error }, 'unforeseen error');
  return new Refusal(500, `internal error; the logs have more under request id ${requestId}`);
}
