import { createHash } from 'node:crypto';
import { mkdtempDisposable, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { Registry } from '../../charts/tests/registry.ts';
import { Rendered } from '../../charts/tests/render.ts';
import { root } from '../tools/paths.ts';
import { output } from '../tools/run.ts';
import { tool } from '../tools/tools.ts';
import { imagesOf, stalePins, stalePinsOf } from './pin-images.ts';

const npm = (...args: string[]) => output('npm', ['run', '--silent', 'pin-images', '--', ...args], { cwd: root });

/** Puts an image of one text into a registry, and gives back its digest. */
async function push(host: string, name: string, tag: string, text: string): Promise<string> {
  const url = `http://${host}/v2/${name}`;
  const digestOf = (data: string) => `sha256:${createHash('sha256').update(data).digest('hex')}`;
  const { headers } = await fetch(`${url}/blobs/uploads/`, { method: 'POST' });
  const upload = new URL(headers.get('location')!);
  upload.searchParams.set('digest', digestOf(text));
  expect((await fetch(upload, { method: 'PUT', body: text })).status).toBe(201);
  const mediaType = 'application/vnd.oci.image.manifest.v1+json';
  const config = { mediaType: 'application/vnd.oci.image.config.v1+json', digest: digestOf(text), size: text.length };
  const manifest = JSON.stringify({ schemaVersion: 2, mediaType, config, layers: [] });
  const put = { method: 'PUT', body: manifest, headers: { 'content-type': mediaType } };
  expect((await fetch(`${url}/manifests/${tag}`, put)).status).toBe(201);
  return digestOf(manifest);
}

it('npm run pin-images asks the registry, writes the digests, and production then deploys by them alone', async () => {
  await using registry = await Registry.start();
  const { host } = registry;
  const service = await push(host, 'service', '0.1.0', '{"service":1}');
  const ollama = await push(host, 'ollama', '0.30.0', '{"ollama":1}');
  const other = await push(host, 'ollama', '0.31.0', '{"ollama":2}');
  const restic = await push(host, 'restic', '0.18.1', '{"restic":1}');
  await using folder = await mkdtempDisposable(path.join(tmpdir(), 'pin-images-'));
  const file = path.join(folder.path, 'my.yaml');
  const said = `# Ours.
image:
  repository: ${host}/service # not of anybody else
serverDefaults:
  ollama: { image: { repository: ${host}/ollama } }
servers:
  ollama-qwen: { ollama: { image: { tag: 0.31.0 } } }
backup: { image: { repository: ${host}/restic } }
`;
  await writeFile(file, said);
  const render = async () => {
    const values = ['--values', `${root}/environments/production/values.yaml`, '--values', file];
    return output(await tool('helm'), ['template', 'rel', `${root}/charts`, ...values]);
  };
  expect((await render()).stderr).toContain(`image: ${host}/service:0.1.0 is named by a tag, which can be moved`);

  const first = await npm(file);
  expect([first.status, first.stderr]).toEqual([0, '']);
  expect(first.stdout).toContain(`image: ${host}/service:0.1.0 is ${service}\n`);
  const text = await readFile(file, 'utf8');
  expect(text).toContain('# Ours.');
  expect(text).toContain('# not of anybody else');
  expect(text).toContain(`digest: ${service} # ${host}/service:0.1.0\n`);
  expect(parse(text)).toMatchObject({
    image: { digest: service },
    serverDefaults: { ollama: { image: { digest: ollama } } },
    servers: { 'ollama-qwen': { ollama: { image: { tag: '0.31.0', digest: other } } } },
    backup: { image: { digest: restic } },
  });
  const { status, stdout, stderr } = await render();
  expect([status, stderr]).toEqual([0, '']);
  const images = Object.values(new Rendered(stdout).podTemplates).flatMap(({ spec }) =>
    [...(spec.initContainers ?? []), ...spec.containers].map(({ image }) => image),
  );
  expect(new Set(images)).toEqual(
    new Set([`${host}/service@${service}`, `${host}/ollama@${ollama}`, `${host}/ollama@${other}`]),
  );

  // A tag that has moved, and one that is gone.
  const moved = await push(host, 'service', '0.1.0', '{"service":2}');
  await writeFile(file, text.replace('tag: 0.31.0', 'tag: 0.32.0'));
  const second = await npm(file);
  expect(second.status).toBe(1);
  expect(second.stderr).toBe(
    `pin-images: servers.ollama-qwen.ollama.image: ${host}/ollama:0.32.0: ${host} answers 404: see whether it is there, and log in by docker login\n`,
  );
  expect(parse(await readFile(file, 'utf8')).image.digest).toBe(moved);
});

it.each([
  [['--env', 'nosuch', '/tmp/none.yaml'], /ENOENT.*environments\/nosuch\/values.yaml/],
  [['one.yaml', 'two.yaml'], /two\.yaml: unexpected: name one file\nusage: /],
  [['--nosuch'], /Unknown option '--nosuch'.*\nusage: /],
])('says in a line why it does not take %j', async (args, line) => {
  const { status, stderr } = await npm(...args);
  expect(stderr).toMatch(line);
  expect(status).toBe(1);
});

it('knows images of models, which are one text, by their tags', async () => {
  const cache = (reference: string) => ({ cache: { image: { reference, pullPolicy: 'Always' } } });
  const found = { path: ['cache', 'image', 'reference'], repository: 'registry:5000/models', tag: '1', whole: true };
  expect(imagesOf(cache('registry:5000/models:1'), '')).toEqual([found]);
  expect(imagesOf(cache(`registry:5000/models:1@sha256:${'0'.repeat(64)}`), '')).toEqual([found]);
  expect(imagesOf(cache(`registry:5000/models@sha256:${'0'.repeat(64)}`), '')).toEqual([]);
  expect(imagesOf(cache(''), '')).toEqual([]);
});

describe('pins', () => {
  const digest = `sha256:${'0'.repeat(64)}`;
  const image = (tag: string) => ({ image: { repository: 'a/b', tag, digest }, serverDefaults: {}, servers: {} });
  const stale = (tag: string, comment: string) =>
    stalePins(image(tag), 'images.yaml', `image:\n  digest: ${digest}${comment}\n`, '9.9.9');

  it('of an image that is named otherwise since are stale', () => {
    expect(stale('1', ' # a/b:1')).toEqual([]);
    expect(stale('', ' # a/b:9.9.9')).toEqual([]);
    expect(stale('2', ' # a/b:1')).toEqual([
      'images.yaml: image: is pinned to a/b:1, and is a/b:2: npm run pin-images',
    ]);
    expect(stale('2', '')).toEqual(['images.yaml: image: is pinned to no name, and is a/b:2: npm run pin-images']);
    expect(stalePins(image('2'), 'images.yaml', '', '')).toEqual([]);
  });

  it('of production are not', async () => {
    expect(await stalePinsOf('production')).toEqual([]);
  });

  it('are found by Renovate, with the image, its tag and its digest', async () => {
    const { customManagers } = JSON.parse(await readFile(path.join(root, 'renovate.json'), 'utf8'));
    const manager = customManagers.find(({ managerFilePatterns: [pattern] }: { managerFilePatterns: string[] }) =>
      new RegExp(pattern!.slice(1, -1)).test('environments/production/images.yaml'),
    );
    const found = new RegExp(manager.matchStrings[0]).exec(
      `    digest: ${digest} # mirror:5000/ollama/ollama:0.30.0\n`,
    );
    expect(found!.groups).toEqual({
      depName: 'mirror:5000/ollama/ollama',
      currentValue: '0.30.0',
      currentDigest: digest,
    });
  });
});

it('Renovate finds the images that the chart names itself', async () => {
  const { customManagers } = JSON.parse(await readFile(path.join(root, 'renovate.json'), 'utf8'));
  const text = await readFile(path.join(root, 'generator/values.ts'), 'utf8');
  const [{ matchStrings }] = customManagers;
  const found = [...text.matchAll(new RegExp(matchStrings[0], 'g'))].map(({ groups }) => groups!.depName);
  const values = parse(await readFile(path.join(root, 'charts/values.yaml'), 'utf8'));
  const named = imagesOf(values, '').filter(({ repository }) => repository.includes('/'));
  expect(found.sort()).toEqual([...new Set(named.map(({ repository }) => repository))].sort());
});
