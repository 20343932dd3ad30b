import type { ServerResponse } from 'node:http';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Drain } from '../../shared/drain.ts';
import { Refusal } from '../../shared/errors.ts';
import type { Clients } from '../listings.ts';
import type { Routing } from '../routing.ts';
import type { Board } from './board.ts';
import { pageFile, pageHeaders, secureHeaders } from './page.ts';

/** Most that may watch at a time, at one gateway. */
const maxWatchers = 64;

/** The page and what it is made from. */
export interface StatusPageParts {
  board: Board;
  drain: Drain;
  keys: Clients;
  routing(): Routing;
  isOn(): boolean;
}

/**
 * The status page at /ui. The page itself is the same for everybody and has no secrets; what it shows is given to whoever may
 * ask the models, of the models that he may ask.
 */
export function addStatusPage(app: FastifyInstance, { board, drain, keys, routing, isOn }: StatusPageParts): void {
  const streams = new Set<ServerResponse>();
  void drain.refused.then(() => {
    for (const stream of streams) stream.end();
  });

  const page = (name: string, request: FastifyRequest, reply: FastifyReply) => {
    const file = isOn() ? pageFile(name) : undefined;
    if (!file) throw isNotHere(request);
    // TLS ends before this.
    const isSecure = request.headers['x-forwarded-proto'] === 'https';
    reply.headers({ ...pageHeaders, ...(isSecure && secureHeaders), 'cache-control': 'no-cache', etag: file.etag });
    if (request.headers['if-none-match'] === file.etag) return reply.code(304).send();
    return reply.type(file.type).send(file.body);
  };
  // What a browser that has it would not keep, nor show to another origin.
  const data = (reply: FastifyReply) => {
    const { 'cross-origin-resource-policy': policy, 'x-content-type-options': options } = pageHeaders;
    const headers = { 'cross-origin-resource-policy': policy, 'x-content-type-options': options };
    return reply.headers({ ...headers, 'cache-control': 'no-store' });
  };

  app.get('/ui', async (request, reply) => {
    if (!isOn()) throw isNotHere(request);
    return reply.redirect('ui/', 308);
  });
  app.get('/ui/', async (request, reply) => page('index.html', request, reply));
  app.get<{ Params: { file: string } }>('/ui/:file', async (request, reply) =>
    page(request.params.file, request, reply),
  );

  app.get('/ui/data/fleet', { exposeHeadRoute: false }, async (request, reply) => {
    if (!isOn()) throw isNotHere(request);
    const { mayAsk } = clientOf(request);
    const accepts = String(request.headers.accept).includes('text/event-stream');
    if (accepts && streams.size >= maxWatchers) {
      throw new Refusal(503, `${maxWatchers} watch this gateway already`, { retryAfter: 5 });
    }
    if (accepts) return stream(request, data(reply), mayAsk);
    await board.look();
    return data(reply).type('application/json; charset=utf-8').send(board.eventSince(-1, mayAsk));
  });

  app.get('/ui/data/history', async (request, reply) => {
    if (!isOn()) throw isNotHere(request);
    const { mayAsk } = clientOf(request);
    return data(reply).send(board.historyOfAll(mayAsk));
  });
  // Names have slashes.
  app.get<{ Params: { '*': string } }>('/ui/data/history/*', async (request, reply) => {
    if (!isOn()) throw isNotHere(request);
    const client = keys.identify(request.headers);
    const { key } = routing().find(request.params['*']);
    client.checkModel(key);
    return data(reply).send(board.historyOf(key));
  });

  const clientOf = ({ headers }: FastifyRequest) => {
    const client = keys.identify(headers);
    return { mayAsk: (key: string) => client.mayAsk(key) };
  };

  async function stream(request: FastifyRequest, reply: FastifyReply, mayAsk: (key: string) => boolean): Promise<void> {
    const { raw } = reply;
    reply.hijack();
    streams.add(raw);
    let isTaking = true;
    let seen = '';
    let version = -1;
    const send = () => {
      // Who does not take it gets the next one, with all that has changed meanwhile.
      if (!isTaking || raw.writableEnded) return;
      let client: ReturnType<Clients['identify']>;
      try {
        client = keys.identify(request.headers);
      } catch {
        // The key has been taken away.
        raw.end();
        return;
      }
      const all = routing().targets.flatMap(({ key }) => (client.mayAsk(key) ? key : []));
      const isAnew = seen !== all.join();
      seen = all.join();
      const text = board.eventSince(isAnew ? -1 : version, mayAsk);
      version = board.version;
      isTaking = raw.write(`event: ${isAnew ? 'fleet' : 'change'}\ndata: ${text}\n\n`);
    };
    raw.on('drain', () => {
      isTaking = true;
    });
    const headers = { 'content-type': 'text/event-stream', 'x-accel-buffering': 'no' };
    raw.writeHead(200, { ...(reply.getHeaders() as Record<string, string>), ...headers });
    raw.flushHeaders();
    let leave: (() => void) | undefined;
    raw.once('close', () => {
      streams.delete(raw);
      leave?.();
    });
    leave = await board.watch(send);
    if (raw.destroyed) leave();
    else send();
  }
}

const isNotHere = ({ url }: FastifyRequest) =>
  new Refusal(404, `GET ${url.split('?', 1)[0]!.slice(0, 200)} is not offered here`);
