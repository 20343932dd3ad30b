import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Stands for what cannot be had here: exporters of GPUs (DCGM), of a bill (OpenCost), of certificates (cert-manager), a forecaster. */
export interface FakeExporter extends AsyncDisposable {
  /** `host:port`, for Prometheus. */
  target: string;
  /** What it answers with from now on, by the name of each series. */
  samples: Record<string, number>;
}

/** Starts one at an address that the cluster's node can reach. */
export async function startFakeExporter(host: string, samples: Record<string, number>): Promise<FakeExporter> {
  const exporter = { samples };
  const server = createServer((_request, response) => {
    response.writeHead(200, { 'content-type': 'text/plain; version=0.0.4' });
    for (const [series, value] of Object.entries(exporter.samples)) response.write(`${series} ${value}\n`);
    response.end();
  });
  server.listen(0, host);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return Object.assign(exporter, {
    target: `${host}:${port}`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  });
}
