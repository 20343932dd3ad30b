import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import path from 'node:path';

/** An image as a registry knows it. */
interface Place {
  /** `host[:port]` of its registry. */
  host: string;
  repository: string;
  tag: string;
}

const hub = 'docker.io';

/** Where a reference leads, by the rules of Docker: a first part without a dot, a port or `localhost` is none of a host. */
export function placeOf(repository: string, tag: string): Place {
  const [first, ...rest] = repository.split('/');
  if (rest.length > 0 && /[.:]|^localhost$/.test(first!)) return { host: first!, repository: rest.join('/'), tag };
  return { host: hub, repository: rest.length > 0 ? repository : `library/${repository}`, tag };
}

/** What a registry may give for a tag: first what names an image for each architecture. */
const manifests = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.v2+json',
].join(', ');

/** The digest that a tag stands for now, by the registry's word. Logs in as Docker would, where that has been to the registry. */
export async function digestOf(repository: string, tag: string): Promise<string> {
  const place = placeOf(repository, tag);
  const local = /^(localhost|127\.\d+\.\d+\.\d+)(:\d+)?$/.test(place.host);
  const api = place.host === hub ? 'registry-1.docker.io' : place.host;
  const url = `${local ? 'http' : 'https'}://${api}/v2/${place.repository}/manifests/${tag}`;
  const ask = (authorization?: string) =>
    fetch(url, {
      headers: { accept: manifests, ...(authorization && { authorization }) },
      signal: AbortSignal.timeout(30_000),
    });
  const name = `${place.host}/${place.repository}:${tag}`;
  let answer = await ask().catch((error: Error) => {
    throw new Error(
      `${name}: ${place.host} does not answer (${error.cause ?? error.message}): see whether it can be reached`,
    );
  });
  if (answer.status === 401) answer = await ask(await authorizationFor(answer, place));
  if (!answer.ok) {
    throw new Error(
      `${name}: ${place.host} answers ${answer.status}: see whether it is there, and log in by docker login`,
    );
  }
  const body = Buffer.from(await answer.arrayBuffer());
  const digest = `sha256:${createHash('sha256').update(body).digest('hex')}`;
  const said = answer.headers.get('docker-content-digest');
  if (said !== null && said !== digest) {
    throw new Error(`${name}: is ${digest}, and ${place.host} says ${said}: see what stands between you and it`);
  }
  return digest;
}

/** What a registry that asks for it gets as `authorization`: our login, or the token that it trades for it (or for none). */
async function authorizationFor(answer: Response, { host, repository }: Place): Promise<string | undefined> {
  const login = await loginTo(host);
  const basic = login && `Basic ${login}`;
  const [, scheme, rest = ''] = /^(\w+) (.*)$/.exec(answer.headers.get('www-authenticate') ?? '') ?? [];
  if (scheme?.toLowerCase() !== 'bearer') return basic;
  const parts = Object.fromEntries([...rest.matchAll(/(\w+)="([^"]*)"/g)].map(([, key, value]) => [key!, value!]));
  const url = new URL(parts.realm!);
  if (parts.service) url.searchParams.set('service', parts.service);
  url.searchParams.set('scope', parts.scope ?? `repository:${repository}:pull`);
  const given = await fetch(url, {
    ...(basic && { headers: { authorization: basic } }),
    signal: AbortSignal.timeout(30_000),
  });
  if (!given.ok) return undefined;
  const { token, access_token } = (await given.json()) as { token?: string; access_token?: string };
  return `Bearer ${token ?? access_token}`;
}

/** The login that Docker keeps of a registry, as it is sent. Those that it leaves to a helper of its own are not seen. */
async function loginTo(host: string): Promise<string | undefined> {
  const folder = process.env.DOCKER_CONFIG ?? path.join(homedir(), '.docker');
  const text = await readFile(path.join(folder, 'config.json'), 'utf8').catch(() => '{}');
  const { auths = {} } = JSON.parse(text) as { auths?: Record<string, { auth?: string }> };
  return auths[host === hub ? 'https://index.docker.io/v1/' : host]?.auth || undefined;
}
