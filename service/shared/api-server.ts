import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { Client } from './undici.ts';

/** Where Kubernetes puts what a pod needs to talk to the API server. */
const accountFolder = '/var/run/secrets/kubernetes.io/serviceaccount';

/** The API server, and how to be let in. */
export interface ApiServer {
  url: string;
  /** Read anew for each request: Kubernetes renews the token every hour. */
  tokenFile: string;
  /** Read anew for each connection; left out for http. */
  caFile?: string;
}

/** That of the cluster that this process runs in. Throws where it runs in none. */
export function ownApiServer(): ApiServer {
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port } = process.env;
  if (!host || !port) {
    throw new Error('namespace: this process is in no cluster: leave it empty, and list the replicas of each server');
  }
  return {
    url: `https://${host.includes(':') ? `[${host}]` : host}:${port}`,
    tokenFile: path.join(accountFolder, 'token'),
    caFile: path.join(accountFolder, 'ca.crt'),
  };
}

/** A connection to it that waits no longer than this for an answer to begin, or to go on, in ms; disposing of it gives up what is asked. */
export function connectTo({ url, caFile }: ApiServer, patienceMs: number): Client & AsyncDisposable {
  const connect = { timeout: patienceMs, ...(caFile && { ca: readFileSync(caFile) }) };
  const client = new Client(url, { connect, headersTimeout: patienceMs, bodyTimeout: patienceMs, allowH2: false });
  return Object.assign(client, { [Symbol.asyncDispose]: () => client.destroy() });
}

/** The headers of a request by this pod's account, for an answer in JSON. */
export async function asAccount({ tokenFile }: ApiServer): Promise<{ authorization: string; accept: string }> {
  return { authorization: `Bearer ${(await readFile(tokenFile, 'utf8')).trim()}`, accept: 'application/json' };
}
