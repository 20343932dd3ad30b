import type { FastifyInstance } from 'fastify';
import type { Drain } from '../shared/drain.ts';
import { Refusal, shuttingDown } from '../shared/errors.ts';
import { gatewayHeader } from '../shared/headers.ts';
import type { Admission } from './admission.ts';

/** Longest name of a gateway. */
const maxNameLength = 253;

/** Who may be asked for a slot, and for which models. */
export interface Reserving {
  admission: Admission;
  drain: Drain;
  /** Whether a model, by its key, is one of the configuration. */
  has(key: string): boolean;
}

/** POST /slots/MODEL: a gateway waits for a slot of a model to be kept for it. */
export function addReservations(app: FastifyInstance, { admission, drain, has }: Reserving): void {
  app.post<{ Params: { model: string } }>('/slots/:model', async ({ params: { model }, headers }, reply) => {
    const gateway = String(headers[gatewayHeader] ?? '');
    if (gateway === '' || gateway.length > maxNameLength) {
      throw new Refusal(400, `${gatewayHeader} must be the name of a gateway`);
    }
    if (!has(model)) throw new Refusal(404, `model '${model.slice(0, 255)}' not found`);
    if (drain.refusing) throw shuttingDown();
    const leave = new AbortController();
    reply.raw.once('close', () => leave.abort());
    return admission.reserve(model, gateway, leave.signal);
  });
}
