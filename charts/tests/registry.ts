import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createReadStream, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http';
import { request as requestTls } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { selfSigned } from '../../ci/testing/certificate.ts';
import { spawnMortal } from '../../ci/testing/mortal.ts';
import { tool } from '../../ci/tools/tools.ts';
import { RealOllama } from '../../service/testing/ollama.ts';
import { freePort } from '../../service/testing/ports.ts';

/** Whether a registry answers; by HTTPS where `ca` says whose certificate to trust. */
async function answers(host: string, ca?: Buffer): Promise<boolean> {
  const asked = ca ? requestTls(`https://${host}/v2/`, { ca }) : request(`http://${host}/v2/`);
  try {
    const [answer] = (await once(asked.end(), 'response')) as [IncomingMessage];
    answer.resume();
    return answer.statusCode === 200;
  } catch {
    return false;
  }
}

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
  readonly #processes: ChildProcess[] = [];

  private constructor(port: number) {
    this.host = `127.0.0.1:${port}`;
    this.#blobs = createServer((request, response) => void this.#serve(request, response));
  }

  static async start(): Promise<Registry> {
    const registry = new Registry(await freePort());
    await registry.showBlobs();
    await registry.#listen(registry.host);
    return registry;
  }

  /** Serves the same by HTTPS too, with a certificate that no public authority gave; gives back its host and that of whoever did. */
  async serveTls(): Promise<{ host: string; authority: string }> {
    const host = `127.0.0.1:${await freePort()}`;
    const tls = await selfSigned(this.#folder, 'IP:127.0.0.1');
    await this.#listen(host, tls);
    return { host, authority: tls.certificate };
  }

  async #listen(host: string, tls?: { certificate: string; key: string }): Promise<void> {
    const config = {
      version: 0.1,
      log: { level: 'error' },
      storage: { filesystem: { rootdirectory: this.#folder }, delete: { enabled: true } },
      middleware: { storage: [{ name: 'redirect', options: { baseurl: `http://localhost:${this.#blobsPort}` } }] },
      http: { addr: host, ...(tls && { tls }) },
    };
    const file = path.join(this.#folder, `config-${host.replace(':', '-')}.yml`);
    writeFileSync(file, JSON.stringify(config));
    const environment = { ...process.env, OTEL_TRACES_EXPORTER: 'none' };
    this.#processes.push(spawnMortal(await tool('registry'), ['serve', file], { env: environment, stdio: 'ignore' }));
    const ca = tls && readFileSync(tls.certificate);
    for (const deadline = Date.now() + 20_000; !(await answers(host, ca)); await sleep(50)) {
      if (Date.now() > deadline) throw new Error(`the registry did not come up at ${host}`);
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
    for (const process of this.#processes.filter(({ exitCode }) => exitCode === null)) {
      process.kill('SIGKILL');
      await once(process, 'exit');
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
