import { randomUUID } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';

/** The header that names a request in both hops' logs and in the answer. */
export const requestIdHeader = 'x-request-id';

/** The header in which the gateway tells the agent for which model a request is, and the client which one answered, by its key. */
export const modelHeader = 'x-model-management-model';

/** The header in which a gateway tells an agent which one it is, so that they get slots in turn. */
export const gatewayHeader = 'x-model-management-gateway';

/** The only headers of a client that go on. Keys, cookies and forwarding headers are none of Ollama's business. */
const requestHeaders = ['accept', 'content-type'];

/** The only headers of Ollama that go back. Those of one connection (transfer-encoding, keep-alive…) each hop sets itself. */
const responseHeaders = ['cache-control', 'content-encoding', 'content-length', 'content-type', 'retry-after'];

export type Headers = Record<string, string>;

/** Headers as they go over the wire: each name is followed by its value. Made for every message, a list costs less than an object. */
export type HeaderList = string[];

const pick = (names: string[]) => (from: IncomingHttpHeaders) => {
  const headers: HeaderList = [];
  for (const name of names) {
    const value = from[name];
    if (typeof value === 'string') headers.push(name, value);
  }
  return headers;
};

export const allowedRequestHeaders = pick(requestHeaders);
export const allowedResponseHeaders = pick(responseHeaders);

/** Adds headers to a list of them. */
export function addHeaders(list: HeaderList, headers: Headers): void {
  for (const name of Object.keys(headers)) list.push(name, headers[name]!);
}

/** The client's request id if it is sane, or a new one. */
export function requestIdOf(headers: IncomingHttpHeaders): string {
  const given = headers[requestIdHeader];
  return typeof given === 'string' && /^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$/.test(given) ? given : randomUUID();
}
