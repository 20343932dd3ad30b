import { readFileSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { requireSystem } from '../../ci/tools/packages.ts';
import { root } from '../../ci/tools/paths.ts';
import { tool } from '../../ci/tools/tools.ts';
import type { AgentConfig, GatewayConfig } from '../../schema/config.ts';
import type { Queue } from '../../schema/types.ts';
import { freePort } from '../../service/testing/ports.ts';
import { Job, type Run } from './job.ts';

/** What stands between clients and Ollama: nothing, another proxy, our gateway, or our gateway and agent. */
export const candidateNames = ['direct', 'nginx', 'litellm', 'gateway', 'agent'] as const;
export type CandidateName = (typeof candidateNames)[number];

/** Their names in figures. */
export const titles: Record<CandidateName, string> = {
  direct: 'direct',
  nginx: 'nginx',
  litellm: 'LiteLLM',
  gateway: 'gateway',
  agent: 'gateway and agent',
};

/** What a candidate stands before, and how much of it there is. */
export interface Fleet {
  ollamaUrl: string;
  /** Names of the models, which are their keys too. */
  models: string[];
  /** Requests for one model that may be sent up at a time. */
  slots: number;
  queue: Queue;
}

/** No limit that the loads of a benchmark come to. */
export const roomy = { slots: 512, queue: { depth: 10_000, waitSeconds: 30, holdSeconds: 0 } };

/** A candidate that takes requests. */
export interface Candidate extends AsyncDisposable {
  name: CandidateName;
  url: string;
  /** Where it answers chats: LiteLLM has the OpenAI dialect alone. */
  path: string;
  models: string[];
  headers: Record<string, string>;
  /** Its processes. */
  jobs: Job[];
}

const ollamaPath = '/api/chat';

/** How the entry points of the service are started beyond what is usual. */
export type NodeArgs = (component: 'gateway' | 'agent') => string[];

export async function startCandidate(
  run: Run,
  name: CandidateName,
  fleet: Fleet,
  nodeArgs: NodeArgs = () => [],
): Promise<Candidate> {
  await using stack = new AsyncDisposableStack();
  const jobs: Job[] = [];
  const launch = (name: string, command: string, args: string[], env: NodeJS.ProcessEnv) => {
    const job = stack.use(new Job(run, name, command, args, env));
    jobs.push(job);
    return job;
  };
  const service = async (component: 'gateway' | 'agent', config: object) => {
    const { job, url } = await startService(run, component, config, nodeArgs(component));
    jobs.push(stack.use(job));
    return url;
  };
  const start: Record<CandidateName, () => Promise<Pick<Candidate, 'url'> & Partial<Candidate>>> = {
    direct: async () => ({ url: fleet.ollamaUrl }),
    nginx: async () => {
      await requireSystem(['/usr/sbin/nginx']);
      const port = await freePort();
      const file = write(run, `nginx-${port}.conf`, nginxConfig(port, fleet.ollamaUrl, run.folder));
      const job = launch('nginx', '/usr/sbin/nginx', ['-e', 'stderr', '-p', run.folder, '-c', file], {});
      const url = `http://127.0.0.1:${port}`;
      await job.answers(run, `${url}/api/version`);
      return { url };
    },
    litellm: async () => {
      const port = await freePort();
      const file = write(run, `litellm-${port}.json`, JSON.stringify(litellmConfig(fleet)));
      const args = ['--config', file, '--host', '127.0.0.1', '--port', `${port}`, '--keepalive_timeout', '75'];
      const workers = ['--num_workers', `${os.availableParallelism()}`];
      const job = launch('LiteLLM', await tool('litellm'), [...args, ...workers], litellmEnvironment(run.folder));
      const url = `http://127.0.0.1:${port}`;
      await job.answers(run, `${url}/health/readiness`);
      return { url, path: '/v1/chat/completions', headers: { authorization: `Bearer ${litellmKey}` } };
    },
    gateway: async () => ({ url: await service('gateway', gatewayConfig(fleet, fleet.ollamaUrl)) }),
    agent: async () => {
      const agent = await service('agent', agentConfig(fleet));
      return { url: await service('gateway', gatewayConfig(fleet, agent)) };
    },
  };
  const own = await start[name]();
  const whole = stack.move();
  const { models } = fleet;
  const common = { name, path: ollamaPath, models, headers: {}, jobs };
  return { ...common, ...own, [Symbol.asyncDispose]: () => whole.disposeAsync() };
}

/** An entry point of the service that takes requests, as the image starts it but for where it listens. */
export async function startService(
  run: Run,
  component: 'gateway' | 'agent',
  config: object,
  nodeArgs: string[] = [],
): Promise<{ job: Job; url: string; metricsUrl: string }> {
  const image = readImage();
  const [port, metricsPort] = [await freePort(), await freePort()];
  // And but for the time in which clients hear that it goes.
  const args = ['--host', '127.0.0.1', '--port', `${port}`, '--metrics-port', `${metricsPort}`, '--drain-delay', '0'];
  const main = path.join(root, 'service', component, 'main.ts');
  const file = write(run, `${component}-${port}.json`, JSON.stringify(config));
  const environment = { PATH: process.env.PATH, ...image.environment };
  const command = [...image.flags, ...nodeArgs, main, '--config', file, ...args];
  const job = new Job(run, component, process.execPath, command, environment);
  const url = `http://127.0.0.1:${port}`;
  await job.answers(run, `${url}/health/ready`).catch(async (error) => {
    await job[Symbol.asyncDispose]();
    throw error;
  });
  return { job, url, metricsUrl: `http://127.0.0.1:${metricsPort}/metrics` };
}

/** What the image gives Node. */
export function readImage(): { flags: string[]; environment: Record<string, string> } {
  const dockerfile = readFileSync(path.join(root, 'service/Dockerfile'), 'utf8');
  const [, ...flags] = JSON.parse(/^ENTRYPOINT (\[.*\])$/m.exec(dockerfile)![1]!) as string[];
  const settings = /^ENV (.*)$/m
    .exec(dockerfile)![1]!
    .split(' ')
    .map((setting) => setting.split('=') as [string, string]);
  return { flags, environment: Object.fromEntries(settings) };
}

function write(run: Run, name: string, text: string): string {
  const file = path.join(run.folder, name);
  writeFileSync(file, text);
  return file;
}

export function gatewayConfig({ models, slots, queue }: Fleet, url: string): GatewayConfig {
  const server = 'ollama-bench';
  return {
    models: Object.fromEntries(models.map((name) => [name, { name, server, aliases: [], fallbacks: [], queue }])),
    servers: { [server]: { url, slots } },
    namespace: '',
    apiKeysFile: '',
    generationTimeoutSeconds: 600,
    maxBodyMiB: 64,
    logLevel: 'info',
  };
}

export function agentConfig({ models, slots, ollamaUrl }: Fleet): AgentConfig {
  const rest = { priority: 'standard', idleSeconds: 0, memoryMiB: 0, runnerOptions: 'replace' } as const;
  // More than 256 at a time no model answers; what is left over the agent takes beyond them.
  const parallel = Math.min(slots, 256);
  return {
    server: 'ollama-bench',
    models: Object.fromEntries(models.map((name) => [name, { name, ...rest }])),
    ollamaUrl,
    parallel,
    allowance: slots - parallel,
    maxBodyMiB: 64,
    memoryMiB: 0,
    loadTimeoutSeconds: 60,
    generationTimeoutSeconds: 600,
    logLevel: 'info',
  };
}

/** Connections that nginx keeps open upwards, and the files it may have open in all. */
const nginxKept = 512;
const nginxFiles = 16_384;

/** nginx with as little to do as a proxy of streams can have. */
export function nginxConfig(port: number, ollamaUrl: string, folder: string): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (kind) => `  ${kind}_temp_path ${folder}/nginx-${port}-${kind};`,
  );
  return `daemon off;
user ${os.userInfo().username};
pid ${folder}/nginx-${port}.pid;
error_log stderr warn;
worker_processes auto;
worker_rlimit_nofile ${nginxFiles};
events {
  worker_connections ${nginxFiles / 2};
}
http {
${temporary.join('\n')}
  access_log off;
  client_max_body_size 64m;
  keepalive_requests 1000000;
  upstream ollama {
    server ${new URL(ollamaUrl).host};
    keepalive ${nginxKept};
    keepalive_requests 1000000;
  }
  server {
    listen 127.0.0.1:${port};
    location / {
      proxy_pass http://ollama;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering off;
      proxy_read_timeout 600s;
    }
  }
}
`;
}

/** Made up: LiteLLM's documents ask for a master key in production. */
const litellmKey = 'sk-bench';

/** LiteLLM as its page of best practices for production has it, without a database and the settings that need one. */
function litellmConfig({ models, ollamaUrl }: Fleet): object {
  return {
    model_list: models.map((name) => ({
      model_name: name,
      litellm_params: { model: `openai/${name}`, api_base: `${ollamaUrl}/v1`, api_key: 'none' },
    })),
    litellm_settings: { request_timeout: 600, set_verbose: false, json_logs: true },
    general_settings: { proxy_batch_write_at: 60, disable_error_logs: true },
  };
}

/** Nothing of the environment of whoever runs the benchmark goes to it, and it asks nobody on the network. */
function litellmEnvironment(folder: string): NodeJS.ProcessEnv {
  return {
    PATH: process.env.PATH,
    HOME: folder,
    LITELLM_MASTER_KEY: litellmKey,
    LITELLM_MODE: 'PRODUCTION',
    LITELLM_LOG: 'ERROR',
    LITELLM_LOCAL_MODEL_COST_MAP: 'True',
  };
}
