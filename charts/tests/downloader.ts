import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { spawnMortal } from '../../ci/testing/mortal.ts';
import type { Container } from './kinds.ts';
import { chart, fleet, render } from './render.ts';

export const script = path.join(chart, 'files', 'model-downloader.sh');

/** The model-downloader of a server, outside of a pod: what the chart renders for it in folders of its own. */
export class Downloader implements Disposable {
  readonly folder = mkdtempSync(path.join(tmpdir(), 'downloader-'));
  readonly #environment: NodeJS.ProcessEnv;
  readonly #processes: ChildProcess[] = [];

  private constructor(container: Container, environment: NodeJS.ProcessEnv) {
    const given = Object.fromEntries(container.env!.map(({ name, value }) => [name, value]));
    const places = { HOME: this.at('home'), OLLAMA_MODELS: this.models, MODEL_SPECS: this.at('specs') };
    this.#environment = { PATH: process.env.PATH, ...given, ...places, ...environment };
    for (const name of ['home', 'models', 'specs']) mkdirSync(this.at(name));
  }

  /** Of a server of these models. `rest` are values beside them, `environment` is what differs from the pod's. */
  static async of(
    models: Record<string, object>,
    rest: object = {},
    environment: NodeJS.ProcessEnv = {},
  ): Promise<Downloader> {
    const rendered = await render(fleet({ server: { models: Object.keys(models) } }, models, rest));
    const { initContainers } = rendered.get('Deployment', 'server').spec.template.spec;
    const downloader = new Downloader(initContainers!.find(({ name }) => name === 'model-downloader')!, environment);
    downloader.tell(rendered.get('ConfigMap', 'server').data);
    return downloader;
  }

  get models(): string {
    return this.at('models');
  }

  at(...steps: string[]): string {
    return path.join(this.folder, ...steps);
  }

  /** Puts the data of a ConfigMap where the script reads it. */
  tell(data: Record<string, string>): void {
    for (const [name, text] of Object.entries(data)) writeFileSync(this.at('specs', name), text);
  }

  /** The lines of models.list, in fields. */
  get list(): string[][] {
    const text = readFileSync(this.at('specs', 'models.list'), 'utf8');
    return text
      .trim()
      .split('\n')
      .map((line) => line.split('|'));
  }

  /** Writes a file, with the folders above it, into the folder of the models. */
  write(file: string, text: string): void {
    const place = path.join(this.models, file);
    mkdirSync(path.dirname(place), { recursive: true });
    writeFileSync(place, text);
  }

  start(mode: string): Running {
    // A group of its own, so that nothing that it starts outlives the test; in a pod the container's end does that.
    const child = spawnMortal('sh', [script, mode], { env: this.#environment, detached: true });
    this.#processes.push(child);
    return new Running(child);
  }

  /** Runs a mode to its end. */
  async run(mode: string): Promise<{ status: number | null; log: string }> {
    const running = this.start(mode);
    return { status: await running.ended, log: running.log };
  }

  [Symbol.dispose](): void {
    for (const { pid } of this.#processes) {
      try {
        process.kill(-pid!, 'SIGKILL');
      } catch {
        // Nothing of it is left.
      }
    }
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** A script that runs. */
export class Running {
  log = '';
  /** Its exit status. */
  readonly ended: Promise<number | null>;
  readonly #child: ChildProcess;

  constructor(child: ChildProcess) {
    this.#child = child;
    for (const stream of [child.stdout!, child.stderr!]) stream.on('data', (data) => (this.log += data));
    this.ended = once(child, 'exit').then(([code]) => code as number | null);
  }

  get running(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Waits until the log says something. */
  async until(words: string | RegExp, seconds = 20): Promise<void> {
    const deadline = Date.now() + seconds * 1000;
    while (!(typeof words === 'string' ? this.log.includes(words) : words.test(this.log))) {
      if (!this.running) throw new Error(`ended without "${words}": ${this.log}`);
      if (Date.now() > deadline) throw new Error(`not in ${seconds} s: "${words}": ${this.log}`);
      await sleep(20);
    }
  }

  /** Ends it as the kubelet does, and gives the milliseconds that it took. */
  async terminate(): Promise<number> {
    const started = performance.now();
    this.#child.kill('SIGTERM');
    await this.ended;
    return performance.now() - started;
  }
}
