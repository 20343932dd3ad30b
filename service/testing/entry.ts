import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { spawnMortal } from '../../ci/testing/mortal.ts';
import type { AgentConfig, ForecasterConfig, GatewayConfig } from '../../schema/config.ts';
import { until } from './client.ts';

const service = path.join(import.meta.dirname, '..');

type Component = 'gateway' | 'agent' | 'forecaster';
type Config = GatewayConfig | AgentConfig | ForecasterConfig;

/** A file system that entry points run in, as seen from this one. */
export interface Place {
  /** A folder for what they are given. */
  readonly temporary: string;
  /** What a file of that folder is called there. */
  inside(file: string): string;
  /** The command that starts a component, its arguments aside. */
  command(component: Component): string[];
}

const here: Place = {
  temporary: tmpdir(),
  inside: (file) => file,
  command: (component) => [process.execPath, path.join(service, component, 'main.ts')],
};

/** Milliseconds until it listens: far more than it takes, emulated on a busy machine too. One that ended is not waited for. */
const startMs = 120_000;

/** A line of a log. */
export interface LogLine {
  msg: string;
  level: string;
  [more: string]: unknown;
}

/** An entry point run as in its container, on free ports. */
export class Entry implements AsyncDisposable {
  /** Where the configuration is; written over, it is read again. */
  readonly configFile: string;
  readonly logs: LogLine[] = [];
  url = '';
  metricsUrl = '';
  errors = '';
  readonly #folder: string;
  readonly #process: ChildProcess;

  private constructor(place: Place, component: Component, config: object | string, flags: string[]) {
    this.#folder = mkdtempSync(path.join(place.temporary, 'service-'));
    // There it may run as another user.
    chmodSync(this.#folder, 0o755);
    this.configFile = path.join(this.#folder, 'config.json');
    this.configure(config);
    const [command, ...args] = place.command(component);
    const ports = ['--host', '127.0.0.1', '--port', '0', '--metrics-port', '0'];
    args.push('--config', place.inside(this.configFile), ...ports, ...flags);
    // Told to end, it would wait for whatever request it has, for as long as an answer may take.
    this.#process = spawnMortal(command!, args, { stdio: ['ignore', 'pipe', 'pipe'] }, 'KILL');
    this.#process.stderr!.on('data', (text) => {
      this.errors += text;
    });
    createInterface(this.#process.stdout!).on('line', (line) => this.logs.push(JSON.parse(line)));
  }

  /** Starts it and waits until it listens. */
  static async start(component: 'gateway', config: GatewayConfig, ...flags: string[]): Promise<Entry>;
  static async start(component: 'agent', config: AgentConfig, ...flags: string[]): Promise<Entry>;
  static async start(component: 'forecaster', config: ForecasterConfig, ...flags: string[]): Promise<Entry>;
  static async start(component: Component, config: Config, ...flags: string[]): Promise<Entry> {
    return Entry.startIn(here, component, config, ...flags);
  }

  /** The same somewhere else than in the working copy, such as in an image. */
  static async startIn(place: Place, component: Component, config: Config, ...flags: string[]): Promise<Entry> {
    const entry = new Entry(place, component, config, flags);
    const listening = await entry.#listening().catch(async (error) => {
      await entry[Symbol.asyncDispose]();
      throw error;
    });
    entry.url = `http://127.0.0.1:${listening.port}`;
    entry.metricsUrl = `http://127.0.0.1:${listening.metricsPort}/metrics`;
    return entry;
  }

  /** The line in which it says where it listens; it takes the log level info or debug to be written. */
  async #listening(): Promise<LogLine> {
    await until(() => this.#process.exitCode !== null || this.logged('listening').length > 0, startMs);
    const [line] = this.logged('listening');
    if (!line) throw new Error(this.errors);
    return line;
  }

  /** Starts it without waiting. */
  static launch(component: Component, config: object | string, ...flags: string[]): Entry {
    return new Entry(here, component, config, flags);
  }

  configure(config: object | string): void {
    writeFileSync(this.configFile, typeof config === 'string' ? config : JSON.stringify(config));
  }

  logged(message: string): LogLine[] {
    return this.logs.filter(({ msg }) => msg === message);
  }

  signal(name: NodeJS.Signals): void {
    this.#process.kill(name);
  }

  /** Its exit code, once it has ended. */
  async ended(): Promise<number | null> {
    if (this.#process.exitCode === null && this.#process.signalCode === null) await once(this.#process, 'exit');
    return this.#process.exitCode;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.signal('SIGKILL');
    await this.ended();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
