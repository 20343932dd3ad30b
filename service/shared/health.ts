import type { IncomingHttpHeaders } from 'node:http';
import type { FastifyInstance, FastifyReply } from 'fastify';

/** The answer of one health path: whether all is well, and in words why not. */
export interface Verdict {
  ok: boolean;
  reason: string;
}

export interface Health {
  live(): Verdict;
  ready(): Verdict;
  startup(): Verdict;
  /** What a human wants to see at /health. */
  summary(): object;
  /** Throws a Refusal for whoever is not to see it; without it, everybody may. Probes have no key and need none. */
  guard?(headers: IncomingHttpHeaders): void;
}

export const well: Verdict = { ok: true, reason: 'ok' };
export const ill = (reason: string): Verdict => ({ ok: false, reason });

/** /health/live, /health/ready and /health/startup (200 or 503), and /health (200, with everything in it). */
export function addHealth(app: FastifyInstance, health: Health): void {
  const answer = (reply: FastifyReply, { ok, reason }: Verdict) =>
    reply.code(ok ? 200 : 503).send({ status: ok ? 'ok' : 'unavailable', reason });
  app.get('/health/live', (_request, reply) => answer(reply, health.live()));
  app.get('/health/ready', (_request, reply) => answer(reply, health.ready()));
  app.get('/health/startup', (_request, reply) => answer(reply, health.startup()));
  app.get('/health', async ({ headers }) => {
    health.guard?.(headers);
    return { live: health.live(), ready: health.ready(), startup: health.startup(), ...health.summary() };
  });
}
