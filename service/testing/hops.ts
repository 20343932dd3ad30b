import type { AddressInfo } from 'node:net';
import type { FastifyInstance } from 'fastify';
import type { AgentConfig, AgentModel, GatewayConfig, GatewayModel } from '../../schema/config.ts';
import { Agent } from '../agent/app.ts';
import { AgentMetrics } from '../agent/metrics.ts';
import { Gateway } from '../gateway/app.ts';
import { KeyRing } from '../gateway/keys.ts';
import { GatewayMetrics } from '../gateway/metrics.ts';
import { Drain } from '../shared/drain.ts';
import { createLogger, type Logger } from '../shared/logging.ts';

/** A hop of the test's own process, listening on a free port. */
interface RunningHop<Hop, Metrics> extends AsyncDisposable {
  hop: Hop;
  url: string;
  metrics: Metrics;
  drain: Drain;
}

/** The configuration of a gateway for models, each served under its key with `:latest` by a server at a URL. */
export function gatewayConfig(urls: Record<string, string>, more: Partial<GatewayConfig> = {}): GatewayConfig {
  const keys = Object.keys(urls);
  return {
    models: Object.fromEntries(keys.map((key) => [key, gatewayModel(key)])),
    servers: Object.fromEntries(keys.map((key) => [`server-${key}`, { url: urls[key]!, slots: 64 }])),
    namespace: '',
    apiKeysFile: '',
    generationTimeoutSeconds: 60,
    maxBodyMiB: 1,
    logLevel: 'info',
    ...more,
  };
}

/** A model of a gateway: its name is `team/KEY:latest`, its server `server-KEY`. */
export function gatewayModel(key: string, more: Partial<GatewayModel> = {}): GatewayModel {
  const queue = { depth: 64, waitSeconds: 30, holdSeconds: 30 };
  return { name: `team/${key}:latest`, server: `server-${key}`, aliases: [], fallbacks: [], queue, ...more };
}

/** The configuration of an agent for models by key, which are whatever else is said of them. */
export function agentConfig(
  ollamaUrl: string,
  models: Record<string, Pick<AgentModel, 'name'> & Partial<AgentModel>>,
  more: Partial<AgentConfig> = {},
): AgentConfig {
  const rest = { priority: 'standard', idleSeconds: 0, memoryMiB: 0, runnerOptions: 'replace' } as const;
  const limits = { parallel: 2, allowance: 1, maxBodyMiB: 20, memoryMiB: 0 };
  const timeouts = { loadTimeoutSeconds: 60, generationTimeoutSeconds: 60 };
  return {
    server: 'ollama-test',
    models: Object.fromEntries(Object.entries(models).map(([key, model]) => [key, { ...rest, ...model }])),
    ollamaUrl,
    ...limits,
    ...timeouts,
    logLevel: 'info',
    ...more,
  };
}

export async function startGateway(
  config: GatewayConfig,
  drainDelayMs = 0,
): Promise<RunningHop<Gateway, GatewayMetrics>> {
  const metrics = new GatewayMetrics();
  const drain = new Drain(drainDelayMs, () => config.generationTimeoutSeconds * 1000);
  const log = silent();
  const hop = new Gateway(config, new KeyRing(config.apiKeysFile, log), log, drain, metrics);
  return { hop, metrics, drain, ...(await listen(hop)) };
}

export async function startAgent(config: AgentConfig, drainDelayMs = 0): Promise<RunningHop<Agent, AgentMetrics>> {
  const metrics = new AgentMetrics();
  const drain = new Drain(drainDelayMs, () => config.generationTimeoutSeconds * 1000);
  const hop = new Agent(config, silent(), drain, metrics, () => undefined);
  return { hop, metrics, drain, ...(await listen(hop)) };
}

function silent(): Logger {
  const log = createLogger('test', 'error');
  log.level = 'silent';
  return log;
}

async function listen(hop: { app: FastifyInstance; destroy(): void }): Promise<AsyncDisposable & { url: string }> {
  await hop.app.listen({ host: '127.0.0.1', port: 0 });
  const { server } = hop.app;
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      hop.destroy();
      server.closeAllConnections();
      await hop.app.close();
    },
  };
}
