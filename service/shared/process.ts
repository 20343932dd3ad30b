import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import type { FastifyInstance } from 'fastify';
import type { Registry } from 'prom-client';
import type { Logger } from './logging.ts';
import { createMetricsServer } from './metrics.ts';
import type { Options } from './options.ts';

/** What an entry point runs. */
export interface Service {
  app: FastifyInstance;
  metrics: { readonly registry: Registry };
  /** What it tells others of itself, beside its metrics. */
  status?(): object;
  log: Logger;
  /** Lets go of the work in hand, as gently as the time allows. */
  drain(): Promise<void>;
  /** Ends what runs in the background. */
  stop(): void;
}

/** How long closing may take after draining, in ms: nothing is left that is worth waiting for. */
const closingMs = 1000;

/**
 * Connections that wait until they are taken. Of Node's 511 one that comes later tries anew after a second; the kernel has its own bound
 * (net.core.somaxconn), which is 4096.
 */
const backlog = 4096;

/** Runs an entry point until a signal ends it. What is wrong at the start is said in one line on standard error. */
export async function runService(
  component: string,
  start: () => Promise<{ service: Service; options: Options }>,
): Promise<void> {
  try {
    const { service, options } = await start();
    await listen(service, options);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const fix = code === 'EADDRINUSE' ? ': name another port with --port or --metrics-port' : '';
    process.stderr.write(`${component}: ${message}${fix}\n`);
    process.exit(1);
  }
}

async function listen({ app, metrics, status, log, drain, stop }: Service, options: Options): Promise<void> {
  const { host } = options;
  const metricsServer = createMetricsServer(metrics.registry, status);
  await app.listen({ host, port: options.port, backlog });
  metricsServer.listen(options.metricsPort, host);
  await once(metricsServer, 'listening');
  const port = (app.server.address() as AddressInfo).port;
  log.info({ host, port, metricsPort: (metricsServer.address() as AddressInfo).port }, 'listening');

  let ending = false;
  const end = async (signal: string) => {
    if (ending) return;
    ending = true;
    log.info({ signal }, 'draining');
    await drain();
    stop();
    await Promise.race([app.close(), new Promise((resolve) => setTimeout(resolve, closingMs))]);
    log.info('stopped');
    process.exit(0);
  };
  process.on('SIGTERM', end);
  process.on('SIGINT', end);
}
