import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A request as it arrived. */
export interface Received {
  method: string;
  path: string;
  headers: IncomingMessage['headers'];
  body: Buffer;
}

type Answer = (response: ServerResponse, received: Received) => void | Promise<void>;

/** What a model takes in memory, in bytes. */
interface Size {
  size: number;
  size_vram: number;
}

/**
 * Stands for an Ollama, or an agent, that does what a real one can't be made to do: hang, break in the middle, send a
 * flood, load when the test says so. By itself it has models on disk, loads and unloads them at once when it is asked
 * to by a request without a prompt, lists those that are loaded, and answers everything else with `{}`.
 */
export class FakeOllama implements AsyncDisposable {
  readonly url: string;
  readonly received: Received[] = [];
  /** What it answers on a path, instead of what it does by itself. */
  readonly answers: Record<string, Answer> = {};
  /** What it answers on a path before it has read anything of the body, and then closes the connection. */
  readonly early: Record<string, Answer> = {};
  /** The models that are loaded, by the name under which each was. */
  readonly loaded = new Set<string>();
  /** What each takes; one byte where nothing is said. */
  readonly sizes: Record<string, Size> = {};
  /**
   * What a model is made from; its own name where nothing is said. Of the models made from the same, one process runs
   * all.
   */
  readonly madeFrom: Record<string, string> = {};
  /** What the loads and unloads wait for before they are answered; one that rejects fails. */
  beforeLoad: (model: string) => Promise<void> | void = () => {};
  beforeUnload: (model: string) => Promise<void> | void = () => {};
  /** What an unload waits for when it has been answered, as Ollama does before it is done. */
  whileUnloading: (model: string) => Promise<void> | void = () => {};
  /** The loads and unloads in the order in which they were done. */
  readonly history: string[] = [];
  readonly #server: Server;

  readonly #models: string[];

  private constructor(server: Server, models: string[]) {
    this.#server = server;
    this.#models = models;
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    this.reset();
  }

  static async start(models: string[] = [], port = 0): Promise<FakeOllama> {
    const server = createServer();
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    const fake = new FakeOllama(server, models);
    server.on('request', async (request, response) => {
      const chunks: Buffer[] = [];
      const path = request.url!;
      if (!fake.early[path]) for await (const chunk of request) chunks.push(chunk);
      const received = { method: request.method!, path, headers: request.headers, body: Buffer.concat(chunks) };
      fake.received.push(received);
      await (fake.early[path] ?? fake.answers[path] ?? json({}))(response, received);
    });
    return fake;
  }

  /** As at the start: no special answer, and no request seen. */
  reset(): void {
    this.received.length = 0;
    this.history.length = 0;
    this.loaded.clear();
    this.beforeLoad = () => {};
    this.beforeUnload = () => {};
    this.whileUnloading = () => {};
    for (const path of Object.keys(this.answers)) delete this.answers[path];
    const modified_at = '2026-01-01T00:00:00Z';
    this.answers['/api/version'] = json({ version: '0.11.4' });
    this.answers['/api/tags'] = json({
      models: this.#models.map((name) => ({ name, model: name, size: 1, modified_at })),
    });
    this.answers['/api/generate'] = (response, received) => this.#generate(response, received);
    this.answers['/api/show'] = (response, received) => {
      const name = String(bodyOf(received).model);
      const from = this.#originOf(name);
      // What is in the prompt of a model only looks like what it is made from.
      const modelfile = `# made\n\nFROM /blobs/${from}\nTEMPLATE {{ .Prompt }}\nSYSTEM """\nFROM ${name}\n"""`;
      return json({ modelfile })(response, received);
    };
    this.answers['/api/ps'] = (response, received) => {
      const models = [...this.loaded].map((name) => ({
        ...{ name, model: name, size: 1, size_vram: 0 },
        ...{ expires_at: '2318-01-01T00:00:00Z', context_length: 4096, ...this.sizes[name] },
      }));
      return json({ models })(response, received);
    };
  }

  /** The requests that loaded or unloaded a model, or would have. */
  get loads(): { model: string; keep_alive: unknown }[] {
    return this.on('/api/generate').flatMap((received) => {
      const { model, prompt, keep_alive } = bodyOf(received);
      return prompt ? [] : [{ model: String(model), keep_alive }];
    });
  }

  async #generate(response: ServerResponse, received: Received): Promise<void> {
    const { model, prompt, keep_alive } = bodyOf(received);
    if (typeof model === 'string' && !prompt) {
      try {
        if (keep_alive === 0) {
          await this.beforeUnload(model);
          void this.#unload(model);
        } else await this.#load(model, response);
      } catch (error) {
        return json({ error: (error as Error).message }, 500)(response, received);
      }
    }
    return json({})(response, received);
  }

  async #load(model: string, response: ServerResponse): Promise<void> {
    await this.beforeLoad(model);
    // As Ollama does, it gives up a load whose client has left.
    if (response.destroyed || this.#runnerOf(model)) return;
    this.loaded.add(model);
    this.history.push(`load ${model}`);
  }

  async #unload(model: string): Promise<void> {
    await this.whileUnloading(model);
    const runner = this.#runnerOf(model);
    if (!runner) return;
    this.loaded.delete(runner);
    this.history.push(`unload ${model}`);
  }

  /** The name under which the process that runs a model was started. */
  #runnerOf(model: string): string | undefined {
    return [...this.loaded].find((other) => this.#originOf(other) === this.#originOf(model));
  }

  #originOf(model: string): string {
    return this.madeFrom[model] ?? model;
  }

  /** The requests that came on a path. */
  on(path: string): Received[] {
    return this.received.filter((received) => received.path === path);
  }

  /** Ends every connection and the server, as a crash does. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#server.listening) return;
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, 'close');
  }
}

/** What a request says; nothing where it is no JSON. */
function bodyOf({ body }: Received): Record<string, unknown> {
  try {
    return Object(JSON.parse(body.toString()));
  } catch {
    return {};
  }
}

/** Answers with JSON, as Ollama does. */
export function json(value: unknown, status = 200): Answer {
  return (response) => {
    const text = JSON.stringify(value);
    response.writeHead(status, {
      'content-type': 'application/json; charset=utf-8',
      'content-length': Buffer.byteLength(text),
    });
    response.end(text);
  };
}
