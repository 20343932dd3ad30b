import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createReadStream, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { spawnMortal } from '../../ci/testing/mortal.ts';
import { tool } from '../../ci/tools/tools.ts';
import { RealOllama } from '../../service/testing/ollama.ts';
import { freePort } from '../../service/testing/ports.ts';

/**
 * A real registry on loopback. Its blobs are on another host, as those of the public one are, or `ollama pull` does not
 * take them: a server of the same files, which can be slow or away.
 */
export class Registry implements AsyncDisposable {
  readonly host: string;
  /** Bytes of blobs a second; 0 for all at once. */
  bytesPerSecond = 0;
  /** The `Range` of each request for a blob. */
  readonly ranges: string[] = [];
  readonly #folder = mkdtempSync(path.join(tmpdir(), 'registry-'));
  readonly #blobs: Server;
  #blobsPort = 0;
  #process: ChildProcess | undefined;

  private constructor(port: number) {
    this.host = `127.0.0.1:${port}`;
    this.#blobs = createServer((request, response) => void this.#serve(request, response));
  }

  static async start(): Promise<Registry> {
    const registry = new Registry(await freePort());
    await registry.showBlobs();
    const config = {
      version: 0.1,
      log: { level: 'error' },
      storage: { filesystem: { rootdirectory: registry.#folder }, delete: { enabled: true } },
      middleware: { storage: [{ name: 'redirect', options: { baseurl: `http://localhost:${registry.#blobsPort}` } }] },
      http: { addr: registry.host },
    };
    const file = path.join(registry.#folder, 'config.yml');
    writeFileSync(file, JSON.stringify(config));
    const environment = { ...process.env, OTEL_TRACES_EXPORTER: 'none' };
    registry.#process = spawnMortal(await tool('registry'), ['serve', file], { env: environment, stdio: 'ignore' });
    for (const deadline = Date.now() + 20_000; ; await sleep(50)) {
      const answer = await fetch(`http://${registry.host}/v2/`).catch(() => undefined);
      if (answer?.ok) return registry;
      if (Date.now() > deadline) throw new Error(`the registry did not come up at ${registry.host}`);
    }
  }

  /** Takes the blobs off the network, with whatever is being read. */
  async hideBlobs(): Promise<void> {
    this.#blobs.close();
    this.#blobs.closeAllConnections();
    await once(this.#blobs, 'close');
  }

  async showBlobs(): Promise<void> {
    this.#blobs.listen(this.#blobsPort, 'localhost');
    await once(this.#blobs, 'listening');
    this.#blobsPort = (this.#blobs.address() as AddressInfo).port;
  }

  /** The name of a model in this registry. */
  name(model: string): string {
    return `${this.host}/library/${model}`;
  }

  /** Makes tiny models with a real Ollama and pushes them. `licence` is a text of any size to make one larger. */
  async push(models: string[], licence = ''): Promise<void> {
    await using ollama = await RealOllama.start(models.map((model) => this.name(model)));
    const post = async (route: string, body: object) => {
      const answer = await fetch(ollama.url + route, {
        method: 'POST',
        body: JSON.stringify({ ...body, stream: false }),
      });
      const text = await answer.text();
      if (!answer.ok || text.includes('"error"')) throw new Error(`${route}: ${answer.status} ${text}`);
    };
    for (const model of models.map((each) => this.name(each))) {
      if (licence) await post('/api/create', { model, from: model, license: licence });
      await post('/api/push', { model, insecure: true });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#blobs.listening) await this.hideBlobs();
    if (this.#process && this.#process.exitCode === null) {
      this.#process.kill('SIGKILL');
      await once(this.#process, 'exit');
    }
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const file = path.join(this.#folder, new URL(request.url!, 'http://localhost').pathname);
    const { size } = statSync(file);
    const [, from = '0', to = `${size - 1}`] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '') ?? [];
    const [start, end] = [Number(from), Number(to || size - 1)];
    this.ranges.push(request.headers.range ?? '');
    response.writeHead(request.headers.range ? 206 : 200, {
      'content-length': end - start + 1,
      'content-range': `bytes ${start}-${end}/${size}`,
    });
    if (request.method === 'HEAD') return void response.end();
    const piece = this.bytesPerSecond > 0 ? Math.ceil(this.bytesPerSecond / 20) : 65_536;
    for await (const data of createReadStream(file, { start, end, highWaterMark: piece })) {
      if (response.destroyed) return;
      response.write(data);
      if (this.bytesPerSecond > 0) await sleep(50);
    }
    response.end();
  }
}
