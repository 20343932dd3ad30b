import type { FastifyInstance } from 'fastify';
import packageJson from '../package.json' with { type: 'json' };
import type { Drain } from '../shared/drain.ts';
import { addHealth, ill, well } from '../shared/health.ts';
import { createApp } from '../shared/http.ts';
import type { Logger } from '../shared/logging.ts';
import type { Forecasts } from './forecasts.ts';

/**
 * The health of a forecaster, which is all that it answers. It is ready while it has something to say that is no older than it
 * has to be: a rollout keeps the one before until the new one has read the history. It is alive without Prometheus, too.
 */
export function createForecasterApp(forecasts: Forecasts, log: Logger, drain: Drain): FastifyInstance {
  const app = createApp(log, drain);
  addHealth(app, {
    live: () => well,
    startup: () => well,
    ready: () => {
      if (drain.draining) return ill('draining');
      if (forecasts.fresh) return well;
      return ill(forecasts.problem || 'the history is being read');
    },
    summary: () => ({
      servers: Object.fromEntries(forecasts.states().map(({ server, ...state }) => [server, state])),
      lastBin: forecasts.lastBin === undefined ? null : new Date(forecasts.lastBin * 1000).toISOString(),
      prometheus: forecasts.problem || 'ok',
      draining: drain.draining,
      versions: { service: packageJson.version, node: process.versions.node },
    }),
  });
  return app;
}
