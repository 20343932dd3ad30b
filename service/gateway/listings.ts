import type { IncomingHttpHeaders } from 'node:http';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { Refusal } from '../shared/errors.ts';
import type { Catalog, MayAsk } from './catalog.ts';
import type { Routing } from './routing.ts';

/** Who knows the clients by what they say of themselves, as a KeyRing does. */
export interface Clients {
  /** Throws a Refusal for one that may not ask at all. */
  identify(headers: IncomingHttpHeaders): Client;
}

/** A client, and which models it may ask, by their keys. */
export interface Client {
  mayAsk(key: string): boolean;
  /** Throws a Refusal for a model that it may not ask. */
  checkModel(key: string): void;
}

/** The routes that tell what the fleet has, of all servers together: of each client's models, and of no others. */
export function addListings(
  app: FastifyInstance,
  { catalog, routing, keys }: { catalog: Catalog; routing(): Routing; keys: Clients },
): void {
  const mayAsk = ({ headers }: FastifyRequest): MayAsk => {
    const client = keys.identify(headers);
    return (key) => client.mayAsk(key);
  };
  // What the ollama command asks for before anything else.
  app.get('/', (_request, reply) => reply.type('text/plain; charset=utf-8').send('Ollama is running'));
  app.get('/api/version', async () => {
    const version = await catalog.version();
    if (version === undefined) throw new Refusal(503, 'no server can be reached at the moment', { retryAfter: 5 });
    return { version };
  });
  app.get('/api/tags', async (request) => ({ models: await catalog.tags(mayAsk(request)) }));
  app.get('/api/ps', async (request) => ({ models: await catalog.resident(mayAsk(request)) }));
  app.get('/v1/models', async (request) => ({ object: 'list', data: await catalog.models(mayAsk(request)) }));
  // Names have slashes.
  app.get<{ Params: { '*': string } }>('/v1/models/*', async (request) => {
    const given = request.params['*'];
    const client = keys.identify(request.headers);
    const target = routing().find(given);
    client.checkModel(target.key);
    return catalog.model(target, given);
  });
}
