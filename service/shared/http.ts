import Fastify, { type FastifyError, type FastifyInstance, type FastifyRequest } from 'fastify';
import type { Drain } from './drain.ts';
import { errorBody, Refusal } from './errors.ts';
import { requestIdHeader, requestIdOf } from './headers.ts';
import type { Logger } from './logging.ts';

/** Longest time in ms for a client to send its whole request. */
const requestTimeout = 300_000;

/** Longer than any client of ours keeps an idle connection, so that it is never this side that closes one under a request. */
const keepAliveTimeout = 75_000;

/** A server that leaves the bodies of requests unread and says what goes wrong in the dialect of the path. */
export function createApp(log: Logger, drain: Drain): FastifyInstance {
  const app = Fastify({
    genReqId: (request) => requestIdOf(request.headers),
    requestTimeout,
    keepAliveTimeout,
    return503OnClosing: false,
    routerOptions: { maxParamLength: 1024 },
  });

  // Bodies go on byte for byte, whatever their clients call them: curl says that its JSON is a form.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', (_request, _payload, done) => done(null));

  app.addHook('onRequest', (request, reply, done) => {
    reply.headers(hopHeaders(request, drain));
    done();
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
    return reply.code(refusal.status).send(errorBody(pathOf(request), refusal));
  });

  return app;
}

/** Headers of every answer: the request's id, and on the way out the wish that the client connects anew, elsewhere. */
export function hopHeaders(request: FastifyRequest, drain: Drain): Record<string, string> {
  const id = { [requestIdHeader]: request.id };
  return drain.draining ? { ...id, connection: 'close' } : id;
}

const pathOf = (request: FastifyRequest) => request.url.split('?', 1)[0]!;

function unforeseen(error: FastifyError, log: Logger, request: FastifyRequest): Refusal {
  const status = error.statusCode ?? 500;
  if (status < 500) return new Refusal(status, error.message);
  log.error({ requestId: request.id, err: error }, 'unforeseen error');
  return new Refusal(500, `internal error; the logs have more under request id ${request.id}`);
}
