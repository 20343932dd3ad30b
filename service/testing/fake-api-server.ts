import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** A request for EndpointSlices as it arrived. */
interface Asked {
  watch: boolean;
  /** The version that a watch begins after. */
  from: string | null;
  query: URLSearchParams;
}

interface Change {
  version: number;
  event: { type: string; object: object };
}

export interface Slice {
  metadata: { name: string; [more: string]: unknown };
  [more: string]: unknown;
}

/**
 * Stands for the API server where a test has to have it fail as it likes: away, silent, forgetful, cutting its answers
 * anywhere. It knows the EndpointSlices of one namespace, to be listed and watched.
 */
export class FakeApiServer implements AsyncDisposable {
  readonly asked: Asked[] = [];
  /** The tokens that it lets in. */
  readonly tokens = new Set(['token']);
  /** What it answers to lists or watches instead, by status. */
  readonly refuse: { list?: number; watch?: number } = {};
  /** How many bytes of a watch it sends at a time; without it, all there are. */
  pieceBytes: number | undefined;
  /** Whether watches begin and then bring nothing, as on a connection that died unnoticed. */
  silent = false;
  /** How it says that it has forgotten the changes since a version. */
  goneAs: 'status' | 'event' = 'event';
  readonly #slices = new Map<string, Slice>();
  #version = 100;
  #changes: Change[] = [];
  /** The last version of which it has forgotten what came after. */
  #forgotten = 0;
  readonly #watches = new Map<ServerResponse, Promise<void>>();
  readonly #sockets = new Set<Socket>();
  #server: Server | undefined;
  #port = 0;

  static async start(): Promise<FakeApiServer> {
    const fake = new FakeApiServer();
    await fake.start();
    return fake;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  get openWatches(): number {
    return this.#watches.size;
  }

  get openConnections(): number {
    return this.#sockets.size;
  }

  asksFor(kind: 'list' | 'watch'): Asked[] {
    return this.asked.filter(({ watch }) => watch === (kind === 'watch'));
  }

  /** Comes up, on the same port as before. */
  async start(): Promise<void> {
    const server = createServer((request, response) => this.#answer(request, response));
    server.on('connection', (socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
    });
    server.listen(this.#port, '127.0.0.1');
    await once(server, 'listening');
    this.#server = server;
    this.#port = (server.address() as AddressInfo).port;
  }

  /** Goes away, with every connection. What it knows it still knows when it comes back. */
  async stop(): Promise<void> {
    const server = this.#server;
    if (!server) return;
    this.#server = undefined;
    server.close();
    server.closeAllConnections();
    await once(server, 'close');
    this.#watches.clear();
  }

  put(slice: Slice): void {
    const type = this.#slices.has(slice.metadata.name) ? 'MODIFIED' : 'ADDED';
    const kept = { ...slice, metadata: { ...slice.metadata, resourceVersion: String(++this.#version) } };
    this.#slices.set(slice.metadata.name, kept);
    this.#change(type, kept);
  }

  delete(name: string): void {
    const { metadata, ...rest } = this.#slices.get(name)!;
    this.#slices.delete(name);
    this.#change('DELETED', { ...rest, metadata: { ...metadata, resourceVersion: String(++this.#version) } });
  }

  /** Tells the watches of the newest version, as it does every minute. */
  bookmark(): void {
    const object = { kind: 'EndpointSlice', metadata: { resourceVersion: String(++this.#version) } };
    this.#change('BOOKMARK', object);
  }

  /** Ends the watches that are open, as it does when their time is over. */
  endWatches(): void {
    for (const [response, sent] of this.#watches) void sent.then(() => response.end());
    this.#watches.clear();
  }

  /** Forgets all changes until now, so that no watch can begin before. */
  forget(): void {
    this.#changes = [];
    this.#forgotten = this.#version;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  #change(type: string, object: object): void {
    const change = { version: this.#version, event: { type, object } };
    this.#changes.push(change);
    if (this.silent) return;
    for (const response of this.#watches.keys()) this.#send(response, change.event);
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const { pathname, searchParams: query } = new URL(request.url!, this.url);
    const token = request.headers.authorization?.replace(/^Bearer /, '');
    const watch = query.get('watch') === '1';
    const from = query.get('resourceVersion');
    this.asked.push({ watch, from, query });
    const refused = watch ? this.refuse.watch : this.refuse.list;
    if (!token || !this.tokens.has(token)) fail(response, 401, 'Unauthorized');
    else if (pathname !== '/apis/discovery.k8s.io/v1/namespaces/test/endpointslices') fail(response, 404, 'not found');
    else if (refused) fail(response, refused, 'refused by the test');
    else if (watch) this.#watch(response, Number(from));
    else this.#list(response);
  }

  #list(response: ServerResponse): void {
    const metadata = { resourceVersion: String(this.#version) };
    const list = { kind: 'EndpointSliceList', metadata, items: [...this.#slices.values()] };
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(list));
  }

  #watch(response: ServerResponse, from: number): void {
    const gone = from < this.#forgotten;
    const message = `too old resource version: ${from} (${this.#forgotten})`;
    if (gone && this.goneAs === 'status') {
      fail(response, 410, message);
      return;
    }
    response.writeHead(200, { 'content-type': 'application/json' }).flushHeaders();
    this.#watches.set(response, Promise.resolve());
    response.once('close', () => this.#watches.delete(response));
    if (this.silent) return;
    const status = { kind: 'Status', code: 410, reason: 'Expired', message };
    const missed = this.#changes.flatMap(({ version, event }) => (version > from ? [event] : []));
    for (const event of gone ? [{ type: 'ERROR', object: status }] : missed) this.#send(response, event);
  }

  /** One after the other, or the pieces of two events would mix. */
  #send(response: ServerResponse, event: object): void {
    const bytes = Buffer.from(`${JSON.stringify(event)}\n`);
    const size = this.pieceBytes ?? bytes.length;
    const send = async () => {
      for (let at = 0; at < bytes.length; at += size) {
        response.write(bytes.subarray(at, at + size));
        if (size < bytes.length) await sleep(1);
      }
    };
    this.#watches.set(response, this.#watches.get(response)!.then(send));
  }
}

function fail(response: ServerResponse, code: number, message: string): void {
  response.writeHead(code, { 'content-type': 'application/json' });
  response.end(JSON.stringify({ kind: 'Status', status: 'Failure', message, code }));
}
