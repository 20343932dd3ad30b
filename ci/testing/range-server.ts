import { once } from 'node:events';
import { createReadStream, statSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A server on loopback, with what ranges it was asked for. It is gone with its scope. */
export interface Listening extends AsyncDisposable {
  url: string;
  ranges: string[];
}

/** Starts a server, or one that serves a file by ranges, whatever the path. */
export async function listen(served: Server | string): Promise<Listening> {
  const ranges: string[] = [];
  const server = typeof served === 'string' ? ofFile(served, ranges) : served;
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    ranges,
    async [Symbol.asyncDispose]() {
      if (!server.listening) return;
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

function ofFile(file: string, ranges: string[]): Server {
  const { size } = statSync(file);
  return createServer(({ headers: { range = '' } }, response) => {
    ranges.push(range);
    const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(range) ?? [];
    if (first === undefined) return void createReadStream(file).pipe(response.writeHead(200));
    const [start, end] = [Number(first), Math.min(Number(last), size - 1)];
    response.writeHead(206, { 'content-range': `bytes ${start}-${end}/${size}`, 'content-length': end - start + 1 });
    createReadStream(file, { start, end }).pipe(response);
  });
}
