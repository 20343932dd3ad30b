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

/**
 * Stands for an Ollama, or an agent, that does what a real one can't be made to do: hang, break in the middle, send a
 * flood, load when the test says so. By itself it has models on disk, loads them at once and answers everything with `{}`.
 */
export class FakeOllama implements AsyncDisposable {
  readonly url: string;
  readonly received: Received[] = [];
  /** What it answers on a path, instead of what it does by itself. */
  readonly answers: Record<string, Answer> = {};
  /** What it answers on a path before it has read anything of the body, and then closes the connection. */
  readonly early: Record<string, Answer> = {};
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
    for (const path of Object.keys(this.answers)) delete this.answers[path];
    const modified_at = '2026-01-01T00:00:00Z';
    this.answers['/api/version'] = json({ version: '0.11.4' });
    this.answers['/api/tags'] = json({
      models: this.#models.map((name) => ({ name, model: name, size: 1, modified_at })),
    });
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
