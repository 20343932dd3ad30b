import { readFile } from 'node:fs/promises';
import { request as overHttp } from 'node:http';
import { request as overHttps } from 'node:https';
import { describe, expect, it } from 'vitest';
import { startOauth2Proxy } from '../../ci/cluster/oauth2-proxy.ts';
import { startTraefik, type Traefik } from '../../ci/cluster/traefik.ts';
import { selfSigned } from '../../ci/testing/certificate.ts';
import { defined } from '../../ci/testing/crds.ts';
import { temporaryFolder } from '../../ci/testing/project.ts';
import { mergeValues, type ValuesOverrides } from '../../generator/environment.ts';
import { type Fleet, testFleet, tinyServer } from './fleet.ts';

const host = 'models.example.com';

/** A certificate for the host, as a Secret, and what it is trusted by. */
async function certificate(): Promise<{ secret: object; ca: string }> {
  await using folder = await temporaryFolder();
  const { certificate, key } = await selfSigned(folder.path, `DNS:${host}`);
  const ca = await readFile(certificate, 'utf8');
  const stringData = { 'tls.crt': ca, 'tls.key': await readFile(key, 'utf8') };
  const metadata = { name: 'model-management-tls' };
  return { secret: { apiVersion: 'v1', kind: 'Secret', type: 'kubernetes.io/tls', metadata, stringData }, ca };
}

/** A namespace for a fleet with its certificate, and an edge before it; both are gone at the end of the test. */
async function atTheEdge() {
  await using made = new AsyncDisposableStack();
  const fleet = made.use(await testFleet());
  const { cluster } = fleet.namespace;
  made.use(await defined(cluster.kubectl, 'gateway'));
  const edge = made.use(await startTraefik(cluster));
  const { secret, ca } = await certificate();
  await fleet.namespace.apply(secret);
  const kept = made.move();
  return { fleet, edge, ca, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

interface Answer {
  status: number;
  location: string | undefined;
  /** What has arrived, piece by piece. */
  pieces: string[];
}

/** Asks the host at the edge: by HTTPS with what its certificate is trusted by, else by HTTP. */
function ask(
  edge: Traefik,
  route: string,
  options: { ca?: string; body?: object; cookie?: string | undefined } = {},
): Promise<Answer> {
  const { ca, body, cookie } = options;
  return new Promise((resolve, reject) => {
    const sent = (ca === undefined ? overHttp : overHttps)({
      host: edge.address,
      port: ca === undefined ? edge.ports.http : edge.ports.https,
      path: route,
      method: body ? 'POST' : 'GET',
      headers: { host, 'content-type': 'application/json', ...(cookie && { cookie }) },
      timeout: 30_000,
      ...(ca !== undefined && { ca, servername: host }),
    });
    sent.on('error', reject);
    sent.on('timeout', () => sent.destroy(new Error(`${route}: no answer for 30 s`)));
    sent.on('response', (response) => {
      const pieces: string[] = [];
      response.on('data', (data) => pieces.push(String(data)));
      response.on('error', reject);
      response.on('end', () => resolve({ status: response.statusCode!, location: response.headers.location, pieces }));
    });
    sent.end(body && JSON.stringify(body));
  });
}

/** A chat that is streamed, through the edge. */
const chat = (edge: Traefik, ca: string) =>
  ask(edge, '/api/chat', { ca, body: { model: 'one', messages: [{ role: 'user', content: 'hello' }] } });

/** A fleet of one server, at an edge that serves its host. */
async function served(fleet: Fleet, edge: Traefik, ca: string, ingress: object) {
  const values = { ingress: { enabled: true, host, tls: { clusterIssuer: '' }, ...ingress } };
  await fleet.deploy(mergeValues(tinyServer('one'), values) as ValuesOverrides);
  await Promise.all([fleet.untilReady('ollama-one'), fleet.untilGateway()]);
  await fleet.namespace.until('an answer at the edge', 60, () =>
    ask(edge, '/api/tags', { ca }).then(
      ({ status }) => status === 200,
      () => false,
    ),
  );
}

describe.each([
  [
    'an HTTPRoute, at a Gateway of the chart',
    (className: string) => ({ kind: 'httpRoute', gateway: { create: true, className } }),
    301,
  ],
  ['an Ingress', (className: string) => ({ kind: 'ingress', className }), 308],
])('%s', (_, ingressOf, redirect) => {
  it('streams a chat by HTTPS, and sends HTTP there', async () => {
    await using place = await atTheEdge();
    const { fleet, edge, ca } = place;
    await served(fleet, edge, ca, ingressOf(edge.className));
    const { status, pieces } = await chat(edge, ca);
    expect(status).toBe(200);
    const parts = pieces
      .join('')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(parts.at(-1)).toMatchObject({ done: true });
    expect(parts.length).toBeGreaterThan(1);
    const plain = await ask(edge, '/api/tags?a=b');
    expect([plain.status, plain.location]).toEqual([redirect, `https://${host}/api/tags?a=b`]);
  });
});

it('an Ingress asks for a sign-in to the status page, and lets programs through', async () => {
  await using place = await atTheEdge();
  const { fleet, edge, ca } = place;
  const { hostAddress } = fleet.namespace.cluster.node.layout;
  await using proxy = await startOauth2Proxy(hostAddress, 'somebody', 'right');
  await served(fleet, edge, ca, {
    kind: 'ingress',
    className: edge.className,
    oauth2Proxy: { enabled: true, url: proxy.url },
  });
  const page = async (cookie?: string) => (await ask(edge, '/ui/', { ca, cookie })).status;
  await fleet.namespace.until('a status page behind the sign-in', 60, async () => (await page()) === 401);
  expect((await chat(edge, ca)).status).toBe(200);
  expect((await ask(edge, '/ui/data/fleet', { ca })).status).toBe(401);
  expect(await proxy.signIn('somebody', 'wrong')).toBeUndefined();
  const cookie = await proxy.signIn('somebody', 'right');
  expect(await page(cookie)).toBe(200);
  expect(await page(`${cookie!.slice(0, -8)}AAAAAAAA`)).toBe(401);
});
