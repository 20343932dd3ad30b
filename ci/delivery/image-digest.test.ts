import { createHash } from 'node:crypto';
import { mkdtempDisposable, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { digestOf, placeOf } from './image-digest.ts';

const manifest = JSON.stringify({ schemaVersion: 2, mediaType: 'application/vnd.oci.image.index.v1+json' });
const digest = `sha256:${createHash('sha256').update(manifest).digest('hex')}`;

interface Answer {
  status?: number;
  headers?: Record<string, string>;
  body?: string;
}

/** A registry that answers as it is told. */
async function registry(answer: (request: IncomingMessage, host: string) => Answer) {
  const asked: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    asked.push(request);
    const { status = 200, headers = {}, body = manifest } = answer(request, request.headers.host!);
    response.writeHead(status, headers).end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { host, asked, [Symbol.asyncDispose]: () => new Promise<void>((done) => void server.close(() => done())) };
}

afterEach(() => vi.unstubAllEnvs());

it.each([
  ['ollama/ollama', 'docker.io', 'ollama/ollama'],
  ['busybox', 'docker.io', 'library/busybox'],
  ['localhost/a', 'localhost', 'a'],
  ['registry.example.com/a/b', 'registry.example.com', 'a/b'],
  ['mirror:5000/a', 'mirror:5000', 'a'],
])('%s is of %s', (repository, host, name) => {
  expect(placeOf(repository, '1')).toEqual({ host, repository: name, tag: '1' });
});

describe('the digest of a tag', () => {
  it('is that of what the registry gives, of all architectures where there are several', async () => {
    await using there = await registry(() => ({ headers: { 'docker-content-digest': digest } }));
    expect(await digestOf(`${there.host}/a/b`, '1.0')).toBe(digest);
    expect(there.asked[0]!.url).toBe('/v2/a/b/manifests/1.0');
    expect(there.asked[0]!.headers.accept).toMatch(/^application\/vnd\.oci\.image\.index\.v1\+json, /);
    expect(there.asked[0]!.headers.authorization).toBeUndefined();
  });

  it.each([
    ['nobody is logged in', {}, undefined],
    ['Docker has a login', { auth: 'bWU6c2VjcmV0' }, 'Basic bWU6c2VjcmV0'],
  ])('is asked for with a token where the registry wants one and %s', async (_, login, sent) => {
    await using there = await registry(({ url, headers }, host) => {
      if (url!.startsWith('/token')) return { body: JSON.stringify({ token: 'of-a-minute' }) };
      if (headers.authorization === 'Bearer of-a-minute') return {};
      const realm = `Bearer realm="http://${host}/token",service="reg",scope="repository:a/b:pull"`;
      return { status: 401, headers: { 'www-authenticate': realm }, body: '' };
    });
    await using folder = await mkdtempDisposable(path.join(tmpdir(), 'docker-'));
    await writeFile(path.join(folder.path, 'config.json'), JSON.stringify({ auths: { [there.host]: login } }));
    vi.stubEnv('DOCKER_CONFIG', folder.path);
    expect(await digestOf(`${there.host}/a/b`, '1.0')).toBe(digest);
    const [, token] = there.asked;
    expect(token!.url).toBe('/token?service=reg&scope=repository%3Aa%2Fb%3Apull');
    expect(token!.headers.authorization).toBe(sent);
  });

  it('is refused where the registry says another than it gives', async () => {
    await using there = await registry(() => ({ headers: { 'docker-content-digest': `sha256:${'0'.repeat(64)}` } }));
    await expect(digestOf(`${there.host}/a`, '1')).rejects.toThrow(
      `${there.host}/a:1: is ${digest}, and ${there.host} says`,
    );
  });

  it('is said not to be there, or that the registry does not answer', async () => {
    const { host } = await (async () => {
      await using there = await registry(() => ({ status: 404, body: '' }));
      await expect(digestOf(`${there.host}/a`, '1')).rejects.toThrow(
        `${there.host}/a:1: ${there.host} answers 404: see`,
      );
      return there;
    })();
    await expect(digestOf(`${host}/a`, '1')).rejects.toThrow(`${host}/a:1: ${host} does not answer`);
  });
});
