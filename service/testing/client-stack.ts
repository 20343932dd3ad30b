import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { tool } from '../../ci/tools/tools.ts';
import type { GatewayConfig } from '../../schema/config.ts';
import { get, until } from './client.ts';
import { Entry } from './entry.ts';
import { nowhere } from './gateway.ts';
import { agentConfig, gatewayConfig, gatewayModel } from './hops.ts';
import { RealOllama } from './ollama.ts';
import { Tap } from './tap.ts';

/** A template with tools: what the model says as the JSON of a call is one. */
const template =
  '{{ if .Tools }}Tools.{{ end }}{{ range .Messages }}{{ .Role }}: {{ .Content }}' +
  '{{ range .ToolCalls }}{"name": "{{ .Function.Name }}", "parameters": {{ .Function.Arguments }}}{{ end }} {{ end }}';

/**
 * What real clients are tried on: gateway, agent and a real Ollama, with a tap before it. Each of the models says as many
 * tokens as it is asked for, and `summary` 16 to whoever asks for no number. Both it and `tools` can call tools, `single`
 * takes one request at a time and lets none wait. The server of `away` has no replica, for which requests wait some seconds; that of
 * `down` cannot be reached, and `summary` answers in its place.
 */
export class ClientStack implements AsyncDisposable {
  readonly config: GatewayConfig;
  readonly ollama: RealOllama;
  readonly tap: Tap;
  readonly agent: Entry;
  readonly gateway: Entry;
  readonly #whole: AsyncDisposableStack;

  private constructor(
    config: GatewayConfig,
    ollama: RealOllama,
    tap: Tap,
    agent: Entry,
    gateway: Entry,
    whole: AsyncDisposableStack,
  ) {
    this.config = config;
    this.ollama = ollama;
    this.tap = tap;
    this.agent = agent;
    this.gateway = gateway;
    this.#whole = whole;
  }

  static async start(): Promise<ClientStack> {
    await using disposables = new AsyncDisposableStack();
    const keys = ['summary', 'tools', 'single'];
    const name = (key: string) => `team/${key}:latest`;
    const ollama = disposables.use(await RealOllama.start(keys.map(name)));
    await derive(ollama, name('summary'), { parameters: { num_thread: 1, num_predict: 16 }, template });
    await derive(ollama, name('tools'), { parameters: { num_thread: 1 }, template });
    const tap = disposables.use(await Tap.before(ollama.url));
    const models = Object.fromEntries(keys.map((key) => [key, { name: name(key), idleSeconds: 600 }]));
    const agent = disposables.use(await Entry.start('agent', agentConfig(tap.url, models), '--drain-delay', '0'));
    const config = gatewayConfig({
      ...Object.fromEntries(keys.map((key) => [key, agent.url])),
      away: nowhere,
      down: nowhere,
    });
    config.models.summary!.aliases = ['gpt-4o-mini'];
    config.servers['server-single']!.slots = 1;
    config.models.single = gatewayModel('single', { queue: { depth: 0, waitSeconds: 0, holdSeconds: 0 } });
    config.models.away = gatewayModel('away', { queue: { depth: 9, waitSeconds: 0, holdSeconds: 7 } });
    config.servers['server-away']!.replicas = [];
    config.models.down = gatewayModel('down', { fallbacks: ['summary'] });
    const gateway = disposables.use(await Entry.start('gateway', config, '--drain-delay', '0'));
    await until(async () => (await get(`${agent.url}/health/ready`)).status === 200);
    return new ClientStack(config, ollama, tap, agent, gateway, disposables.move());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#whole.disposeAsync();
  }
}

/** Has a model of an Ollama made anew from itself, with something else about it. */
async function derive(ollama: RealOllama, model: string, more: object): Promise<void> {
  const body = JSON.stringify({ model, from: model, stream: false, ...more });
  const answer = await fetch(`${ollama.url}/api/create`, { method: 'POST', body });
  if (!answer.ok) throw new Error(`${model}: ${answer.status} ${await answer.text()}`);
}

/** What a command did. */
export interface Ran {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** A home of its own, in which clients may leave what they like. */
export class Home implements Disposable {
  readonly folder = mkdtempSync(path.join(tmpdir(), 'client-'));

  /** Runs a command in it, with nothing on its standard input, and no more of the environment than is given. */
  run(command: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Ran> {
    return new Promise((resolve) => {
      const options = {
        cwd: this.folder,
        env: { PATH: process.env.PATH, HOME: this.folder, ...env },
        timeout: 60_000,
      };
      const child = execFile(command, args, options, (error, stdout, stderr) => {
        const code = error === null ? 0 : typeof error.code === 'number' ? error.code : null;
        resolve({ code, stdout, stderr });
      });
      child.stdin!.end();
    });
  }

  /** Runs the ollama command, of a server at `url`. */
  async ollama(url: string, ...args: string[]): Promise<Ran> {
    return this.run(await tool('ollama'), args, { OLLAMA_HOST: url });
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
