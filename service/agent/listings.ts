import type { FastifyInstance } from 'fastify';
import type { Dispatcher } from 'undici';
import { Refusal } from '../shared/errors.ts';
import type { SlotCount } from './admission.ts';
import type { Loaded } from './ollama.ts';

/** How long Ollama may take to list what it has, in ms. */
const patienceMs = 5000;

/** Who knows what an agent lists. */
export interface Listed {
  ollama(): Dispatcher;
  /** Whether a name means a model of the configuration. */
  has(name: string): boolean;
  loaded(): Loaded[];
  slots(): Record<string, SlotCount>;
}

/** An entry of /v1/models; only what is read here is named. */
interface Entry {
  id: string;
  [more: string]: unknown;
}

/** The routes that tell what the Ollama of the pod has, and how much of each model this agent takes. */
export function addListings(app: FastifyInstance, { ollama, has, loaded, slots }: Listed): void {
  const ask = async (path: string) => {
    const signal = AbortSignal.timeout(patienceMs);
    return ollama()
      .request({ method: 'GET', path, signal })
      .catch((cause: Error) => {
        throw new Refusal(503, 'Ollama cannot be reached at the moment', { retryAfter: 5, cause });
      });
  };
  const models = async () => {
    const { statusCode, body } = await ask('/v1/models');
    const text = await body.text();
    if (statusCode !== 200) throw new Refusal(503, `Ollama answered ${statusCode}`, { retryAfter: 5 });
    // What Ollama has beside them (the bases that they are made from) cannot be asked.
    return (JSON.parse(text) as { data: Entry[] | null }).data?.filter(({ id }) => has(id)) ?? [];
  };
  for (const path of ['/api/tags', '/api/version']) {
    app.get(path, async (_request, reply) => {
      const answer = await ask(path);
      return reply.code(answer.statusCode).type('application/json; charset=utf-8').send(answer.body);
    });
  }
  // As far as the agent knows: Ollama itself may not say before a load has ended.
  app.get('/api/ps', () => ({ models: loaded() }));
  app.get('/slots', () => ({ models: slots() }));
  app.get('/v1/models', async () => ({ object: 'list', data: await models() }));
}
