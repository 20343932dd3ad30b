import type { ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { spawnMortal } from '../../ci/testing/mortal.ts';
import { tool } from '../../ci/tools/tools.ts';
import { freePort } from './ports.ts';
import { tinyModel } from './tiny-model.ts';

/** A real Ollama with a folder of its own, on a port that stays the same when it is started again. */
export class RealOllama implements AsyncDisposable {
  readonly url: string;
  readonly #binary: string;
  readonly #folder: string;
  readonly #environment: NodeJS.ProcessEnv;
  #process: ChildProcess | undefined;

  private constructor(binary: string, port: number, environment: NodeJS.ProcessEnv) {
    this.#binary = binary;
    this.#environment = environment;
    this.url = `http://127.0.0.1:${port}`;
    this.#folder = mkdtempSync(path.join(tmpdir(), 'ollama-'));
  }

  /**
   * Builds Ollama if need be, and starts it with the given models, each with the weights of its own seed. `environment` is what it has
   * beside that of every test.
   */
  static async start(models: string[], environment: NodeJS.ProcessEnv = {}): Promise<RealOllama> {
    const ollama = new RealOllama(await tool('ollama'), await freePort(), environment);
    await ollama.up();
    for (const [index, model] of models.entries()) await ollama.create(model, tinyModel(index + 1));
    return ollama;
  }

  get pid(): number {
    return this.#process!.pid!;
  }

  async up(): Promise<void> {
    const environment = {
      PATH: process.env.PATH,
      HOME: this.#folder,
      OLLAMA_HOST: this.url,
      OLLAMA_CONTEXT_LENGTH: '512',
      OLLAMA_NUM_PARALLEL: '2',
      ...this.#environment,
    };
    // A group of its own: the runners that it starts end with it.
    const spawned = spawnMortal(this.#binary, ['serve'], { env: environment, stdio: 'ignore', detached: true });
    this.#process = spawned;
    for (const deadline = Date.now() + 30_000; ; await sleep(50)) {
      const answer = await fetch(`${this.url}/api/version`).catch(() => undefined);
      await answer?.body?.cancel();
      if (answer?.ok) return;
      if (spawned.exitCode !== null || Date.now() > deadline) throw new Error(`Ollama did not come up at ${this.url}`);
    }
  }

  /** Ends it as a crash does. */
  async crash(): Promise<void> {
    const ended = this.#process!.exitCode === null ? once(this.#process!, 'exit') : undefined;
    process.kill(-this.pid, 'SIGKILL');
    await ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.crash().catch(() => undefined);
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** Adds a model. */
  async create(model: string, file: Buffer<ArrayBuffer>): Promise<void> {
    const digest = `sha256:${createHash('sha256').update(file).digest('hex')}`;
    await this.#post(`/api/blobs/${digest}`, file);
    // Two threads that wait for each other by spinning are slow where other tests have the second core.
    const parameters = { num_thread: 1 };
    await this.#post(
      '/api/create',
      JSON.stringify({ model, files: { 'tiny.gguf': digest }, parameters, stream: false }),
    );
  }

  async #post(route: string, body: Buffer<ArrayBuffer> | string): Promise<void> {
    const answer = await fetch(this.url + route, { method: 'POST', body });
    if (!answer.ok) throw new Error(`${route}: ${answer.status} ${await answer.text()}`);
  }
}
