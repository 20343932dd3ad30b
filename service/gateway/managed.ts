import type { FastifyInstance } from 'fastify';
import { Refusal } from '../shared/errors.ts';

/** The routes that change which models an Ollama has. */
const routes = ['/api/pull', '/api/push', '/api/create', '/api/copy', '/api/delete', '/api/blobs/*'];

const why =
  'models of this fleet come from its registry, not from clients (GET /api/tags lists them): ' +
  'to add, change or remove one, change the registry, or the values of the Helm release, and upgrade the release';

/** Answers the routes that would change models with what to do instead, whatever their method. */
export function addManagedRoutes(app: FastifyInstance): void {
  const refuse = async () => {
    throw new Refusal(403, why, { code: 'models_are_managed' });
  };
  for (const route of routes) app.all(route, refuse);
  app.delete('/v1/models/*', refuse);
}
