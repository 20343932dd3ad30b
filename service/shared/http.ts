import type { IncomingMessage } from 'node:http';
import Fastify, { type FastifyError, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { BodyMemory, defaultBodyMemory } from './body-memory.ts';
import { type ConnectionProblem, Connections } from './connections.ts';
import type { Drain } from './drain.ts';
import { errorBody, Refusal } from './errors.ts';
import { requestIdHeader, requestIdOf } from './headers.ts';
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

/** A server that leaves the bodies of requests unread and says what goes wrong in the dialect of the path. */
export function createApp(log: Logger, drain: Drain, options: AppOptions = {}): FastifyInstance {
  const limits = { ...defaults, ...options.limits };
  const connections = new Connections(limits.maxConnections, (problem) => {
    log.debug({ problem }, 'a connection was ended or not served');
    options.onConnectionProblem?.(problem);
  });
  const memory = new BodyMemory(limits.bodyMemory);
  const { requestTimeout, headersTimeout, stallTimeout: connectionTimeout, checkInterval } = limits;
  const app = Fastify({
    genReqId: (request) => requestIdOf(request.headers),
    requestTimeout,
    connectionTimeout,
    keepAliveTimeout,
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
    },
    clientErrorHandler: (error, socket) => connections.clientError(error as object as NodeJS.ErrnoException, socket),
    // What the router can't read.
    frameworkErrors: (error, request, reply) => {
      const refusal = unforeseen(error, log, request as FastifyRequest);
      connections.inTurn(reply.raw, () => {
        reply.headers(hopHeaders(request as FastifyRequest, drain));
        (reply as FastifyReply).code(refusal.status).send(errorBody(pathOf(request as FastifyRequest), refusal));
      });
    },
  });
  connections.guard(app.server);
  app.server.maxHeadersCount = maxHeaders;
  app.server.on('checkExpectation', (request, response) => app.server.emit('request', request, response));

  // Bodies go on byte for byte, whatever their clients call them: curl says that its JSON is a form.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', (_request, _payload, done) => done(null));

  app.addHook('onRequest', (request, reply, done) => {
    const { raw } = request;
    connections.inTurn(reply.raw, () => {
      reply.headers(hopHeaders(request, drain));
      // Health checks go on where there are too many connections: a restart would help nobody.
      const isHealth = pathOf(request).startsWith('/health');
      const refusal = headProblem(raw) ?? (isHealth ? undefined : connections.crowdProblem(raw));
      if (refusal) reply.header('connection', 'close');
      else memory.give(raw, reply.raw);
      done(refusal);
    });
  });

  // A client that finds its idle connection closed opens another, to a process that stays.
  void drain.refused.then(() => app.server.closeIdleConnections());

  app.setNotFoundHandler((request, reply) => {
    const path = pathOf(request);
    const allowed = ['GET', 'POST'].filter((method) => app.hasRoute({ method, url: path }));
    const refusal =
      allowed.length > 0
        ? new Refusal(405, `${request.method} is not the way to ask for ${path}: use ${allowed.join(' or ')}`)
        : new Refusal(404, `${request.method} ${path.slice(0, 200)} is not offered here`);
    if (allowed.length > 0) reply.header('allow', allowed.join(', '));
    return reply.code(refusal.status).send(errorBody(path, refusal));
  });

  app.setErrorHandler((error: FastifyError | Refusal, request, reply) => {
    const refusal = error instanceof Refusal ? error : unforeseen(error, log, request);
    if (refusal.retryAfter !== undefined) reply.header('retry-after', refusal.retryAfter);
    if (refusal.status === 401) reply.header('www-authenticate', 'Bearer');
    return reply.code(refusal.status).send(errorBody(pathOf(request), refusal));
  });

  return app;
}

/** Headers of every answer: the request's id, and on the way out the wish that the client connects anew, elsewhere. */
export function hopHeaders(request: FastifyRequest, drain: Drain): Record<string, string> {
  const id = { [requestIdHeader]: request.id };
  return drain.draining ? { ...id, connection: 'close' } : id;
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
const pathOf = (request: FastifyRequest) => request.url.replace(/^https?:\/\/[^/?]*/i, '').split('?', 1)[0]!;

function unforeseen(error: FastifyError, log: Logger, request: FastifyRequest): Refusal {
  const status = error.statusCode ?? 500;
  if (status < 500) return new Refusal(status, error.message);
  log.error({ requestId: request.id, err: error }, 'unforeseen error');
  return new Refusal(500, `internal error; the logs have more under request id ${request.id}`);
}
