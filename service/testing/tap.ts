import { once } from 'node:events';
import { request as ask, createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';

/** One request and its answer, as they went over the wire below the agent. */
export interface Tapped {
  path: string;
  requestHeaders: IncomingMessage['headers'];
  requestBody: Buffer;
  answerBody: Buffer;
}

/** Sits between an agent and its Ollama and notes what goes by, so that a test can compare bytes that name the time. */
export class Tap implements AsyncDisposable {
  readonly seen: Tapped[] = [];
  readonly #server = createServer();

  static async before(url: string): Promise<Tap> {
    const tap = new Tap();
    tap.#server.on('request', (request, response) => {
      const { method, headers, url: path } = request;
      const above = ask(url + path, { method: method!, headers });
      const note = { path: path!, requestHeaders: headers, requestBody: Buffer.alloc(0), answerBody: Buffer.alloc(0) };
      tap.seen.push(note);
      request.on('data', (chunk: Buffer) => {
        note.requestBody = Buffer.concat([note.requestBody, chunk]);
      });
      request.pipe(above);
      above.on('response', (answer) => {
        response.writeHead(answer.statusCode!, answer.headers);
        answer.on('data', (chunk: Buffer) => {
          note.answerBody = Buffer.concat([note.answerBody, chunk]);
        });
        answer.on('error', () => response.destroy());
        answer.pipe(response);
      });
      above.on('error', () => response.destroy());
      response.on('close', () => above.destroy());
    });
    tap.#server.listen(0, '127.0.0.1');
    await once(tap.#server, 'listening');
    return tap;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** The last that went by on a path. */
  last(path: string): Tapped {
    return this.seen.findLast((tapped) => tapped.path === path)!;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, 'close');
  }
}
