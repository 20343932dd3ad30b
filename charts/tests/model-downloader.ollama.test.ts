import { createHash } from 'node:crypto';
import { readFileSync, statfsSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { run } from '../../ci/tools/run.ts';
import { tool } from '../../ci/tools/tools.ts';
import { Downloads } from '../../service/agent/downloads.ts';
import { freePort } from '../../service/testing/ports.ts';
import { Downloader } from './downloader.ts';
import { Registry } from './registry.ts';
import { fleet, model, render } from './render.ts';

let registry: Registry;
let binaries: string;

beforeAll(async () => {
  binaries = path.dirname(await tool('ollama'));
  registry = await Registry.start();
  await registry.push(['tiny:1b']);
  await registry.push(['large:1b'], 'A licence. '.repeat(400_000));
});
afterAll(() => registry[Symbol.asyncDispose]());

const insecure = { modelRegistry: { insecure: true } };

async function downloaderOf(models: Record<string, object>, rest: object = insecure): Promise<Downloader> {
  const OLLAMA_HOST = `127.0.0.1:${await freePort()}`;
  return Downloader.of(models, rest, { PATH: `${binaries}:${process.env.PATH}`, OLLAMA_HOST });
}

/** What Ollama has built under a name: the texts of its layers by their type. */
function built(downloader: Downloader, name: string, tag = 'latest'): Record<string, string> {
  const read = (...steps: string[]) => readFileSync(path.join(downloader.models, ...steps), 'utf8');
  const host = name.includes('/') ? name : `registry.ollama.ai/library/${name}`;
  const { layers } = JSON.parse(read('manifests', host, tag)) as { layers: { mediaType: string; digest: string }[] };
  const small = layers.filter(({ mediaType }) => /system|params/.test(mediaType));
  return Object.fromEntries(
    small.map(({ mediaType, digest }) => [mediaType.split('.').at(-1), read('blobs', digest.replace(':', '-'))]),
  );
}

describe('a pull', () => {
  test('brings every model as its values have it, and finds it there at the next start', async () => {
    const system = '  "Quote", she said\\n | a\tb\n\n# é 😀\r\ntail';
    const parameters = { seed: 1_000_000, temperature: 0.25, use_mmap: false, stop: ' <|a\\n|> é' };
    using downloader = await downloaderOf({
      '1.a': model('ns/a:7b', { pull: registry.name('tiny:1b'), system, parameters }),
      b: { pull: registry.name('tiny:1b') },
    });
    const first = await downloader.run('pull');
    expect(first).toMatchObject({ status: 0, log: expect.stringContaining('1.a: ns/a:7b is on disk') });
    expect(first.log).toMatch(/b: pulled and verified by Ollama in \d+ s/);
    const layers = built(downloader, 'registry.ollama.ai/ns/a', '7b');
    expect(layers.system).toBe(system);
    expect(JSON.parse(layers.params!)).toEqual({ ...parameters, stop: [parameters.stop], num_thread: 2 });
    expect(JSON.parse(built(downloader, 'b').params!)).toEqual({ num_thread: 2 });
    const { status, log } = await downloader.run('pull');
    expect(status).toBe(0);
    expect(log).toContain('1.a: ns/a:7b is on disk already');
    expect(log).toContain('b: b is on disk already');
    expect(log).not.toContain('pulling');
  });

  test('builds in every text of a list, in its order', async () => {
    const stop = ['<|end|>', ' User:', '\\n', "don't", '<|end|>'];
    using downloader = await downloaderOf({
      a: model('a', { pull: registry.name('tiny:1b'), parameters: { stop, seed: 7 } }),
      b: model('b', { pull: registry.name('tiny:1b'), parameters: { stop: [] } }),
    });
    expect(await downloader.run('pull')).toMatchObject({ status: 0 });
    expect(JSON.parse(built(downloader, 'a').params!)).toEqual({ stop, seed: 7, num_thread: 2 });
    expect(JSON.parse(built(downloader, 'b').params!)).toEqual({ num_thread: 2 });
  });

  test('is what a waiting pod waits for', async () => {
    using downloader = await downloaderOf({ a: model('a', { pull: registry.name('tiny:1b') }) });
    const waiting = downloader.start('wait');
    await waiting.until('a: waiting for a');
    expect((await downloader.run('pull')).status).toBe(0);
    expect(await waiting.ended).toBe(0);
  });

  test('builds a model anew when its values change, and no other', async () => {
    const values = (system: string) => ({
      a: model('a', { pull: registry.name('tiny:1b'), system }),
      b: model('b', { pull: registry.name('tiny:1b') }),
    });
    using downloader = await downloaderOf(values('One.'));
    expect((await downloader.run('pull')).status).toBe(0);
    const rendered = await render(fleet({ server: { models: ['a', 'b'] } }, values('Two.'), insecure));
    downloader.tell(rendered.get('ConfigMap', 'server').data);
    const { log } = await downloader.run('pull');
    expect(log).toMatch(/a: pulled and verified/);
    expect(log).toContain('b: b is on disk already');
    expect(built(downloader, 'a').system).toBe('Two.');
  });

  test('leaves a model as it is to be when another pulls the name that it is served under', async () => {
    const base = registry.name('tiny:1b');
    const values = (system: string) => ({
      a: model(base, { pull: base, system: 'Mine.' }),
      b: model('b', { pull: base, system }),
    });
    using downloader = await downloaderOf(values('One.'));
    for (const system of ['One.', 'Two.']) {
      const rendered = await render(fleet({ server: { models: ['a', 'b'] } }, values(system), insecure));
      downloader.tell(rendered.get('ConfigMap', 'server').data);
      expect((await downloader.run('pull')).status).toBe(0);
      expect(built(downloader, base.slice(0, -':1b'.length), '1b').system).toBe('Mine.');
      expect(built(downloader, 'b').system).toBe(system);
    }
  });

  test('that is ended writes down how far it came, and the next goes on from there', async () => {
    using downloader = await downloaderOf({ a: model('a', { pull: registry.name('large:1b') }) });
    registry.ranges.length = 0;
    registry.bytesPerSecond = 500_000;
    try {
      const pulling = downloader.start('pull');
      await expect
        .poll(() => registry.ranges.some((range) => /^bytes=0-4\d{6}$/.test(range)), { timeout: 20_000 })
        .toBe(true);
      await expect
        .poll(() => readFileSync(downloader.at('home', 'pull.log'), 'utf8'), { timeout: 20_000 })
        .toMatch(/[1-9][0-9]%/);
      expect(await pulling.terminate()).toBeLessThan(4000);
      expect(await pulling.ended).toBe(143);
    } finally {
      registry.bytesPerSecond = 0;
    }
    registry.ranges.length = 0;
    expect((await downloader.run('pull')).status).toBe(0);
    expect(registry.ranges[0]).toMatch(/^bytes=[1-9]\d+-4\d{6}$/);
  });

  test('accepts the digest that the manifest has', async () => {
    const headers = { accept: 'application/vnd.docker.distribution.manifest.v2+json' };
    const answer = await fetch(`http://${registry.host}/v2/library/tiny/manifests/1b`, { headers });
    const digest = `sha256:${createHash('sha256')
      .update(await answer.text())
      .digest('hex')}`;
    using downloader = await downloaderOf({ a: model('a', { pull: registry.name('tiny:1b'), digest }) });
    expect(await downloader.run('pull')).toMatchObject({ status: 0 });
  });
});

describe('the progress of a pull, as an agent reads it', () => {
  const read = (downloader: Downloader, failures: string[] = []) =>
    new Downloads({
      folder: downloader.models,
      isWanted: () => true,
      onFailure: (model, reason) => failures.push(`${model}: ${reason}`),
    });

  test('grows to the size of the model, and is over when it is built', async () => {
    using downloader = await downloaderOf({
      a: model('a', { pull: registry.name('tiny:1b') }),
      b: model('b', { pull: registry.name('large:1b') }),
    });
    const downloads = read(downloader);
    const seen: { bytes: number; totalBytes: number }[] = [];
    registry.bytesPerSecond = 1_000_000;
    try {
      const pulling = downloader.start('pull');
      while (pulling.running) {
        const status = await downloads.status();
        if (status?.model === 'b' && status.state === 'pulling' && status.bytes > 0) seen.push(status);
        await sleep(100);
      }
      expect(await pulling.ended).toBe(0);
    } finally {
      registry.bytesPerSecond = 0;
      downloads.stop();
    }
    // At its end some hundred bytes are thrown away again.
    const bytes = seen.map((status) => Math.floor(status.bytes / 4096));
    expect(bytes).toEqual(bytes.toSorted((a, b) => a - b));
    expect(new Set(bytes).size).toBeGreaterThan(5);
    expect(seen.some((status) => status.bytes < status.totalBytes / 2)).toBe(true);
    // The licence of 4.4 MB and, shared with the model before, no weights.
    expect(seen.at(-1)!.totalBytes).toBeGreaterThan(4_400_000);
    expect(await downloads.status()).toBeUndefined();
  });

  test('says why a pull failed, on a full volume too, and counts on after a start', async () => {
    using downloader = await downloaderOf({ a: model('a', { pull: registry.name('large:1b') }) });
    await run('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', downloader.models]);
    const failures: string[] = [];
    const downloads = read(downloader, failures);
    try {
      await downloads.status();
      for (const count of [1, 2]) {
        await downloader.run('pull');
        expect(await downloads.status()).toMatchObject({
          state: 'failed',
          model: 'a',
          failures: count,
          reason: 'no_space',
          error: expect.stringMatching(/^no space: the volume of .* raise cache\.size/),
        });
      }
      expect(failures).toEqual(['a: no_space', 'a: no_space']);
    } finally {
      downloads.stop();
      await run('umount', [downloader.models]);
    }
  });
});

describe('a registry with a certificate of its own authority', () => {
  test('is pulled from where that is trusted, beside the public ones, and nowhere else', async () => {
    const { host, authority } = await registry.serveTls();
    const models = { a: model('a', { pull: `${host}/library/tiny:1b` }) };
    const port = await freePort();
    const environment = { PATH: `${binaries}:${process.env.PATH}`, OLLAMA_HOST: `127.0.0.1:${port}` };
    using untrusting = await Downloader.of(models, {}, environment);
    expect(await untrusting.run('pull')).toMatchObject({
      status: 1,
      log: expect.stringMatching(
        /failed: the registry's certificate is not trusted: name .* in modelRegistry\.caBundle/,
      ),
    });
    const rest = { modelRegistry: { caBundle: { existingConfigMap: 'company', key: 'root.pem' } } };
    using trusting = await Downloader.of(models, rest, { ...environment, SSL_CERT_FILE: authority });
    expect(await trusting.run('pull')).toMatchObject({ status: 0, log: expect.stringContaining('a is on disk') });
  });
});

describe('a pull that cannot succeed says why and ends', () => {
  const refusals: [string, () => object, object, RegExp][] = [
    [
      'there is no such model',
      () => ({ pull: registry.name('none:1b') }),
      insecure,
      /failed: no such model: .* check models\.\*\.pull and modelRegistry\.host\. Ollama says: .*file does not exist/,
    ],
    [
      'the registry speaks plain HTTP',
      () => ({ pull: registry.name('tiny:1b') }),
      {},
      /failed: the registry speaks plain HTTP: set modelRegistry\.insecure/,
    ],
    [
      'Ollama takes the name for none',
      () => ({ pull: `${registry.host}/tiny:1b` }),
      insecure,
      /failed: no name of a model: write model:tag, namespace\/model:tag or host\/namespace\/model:tag in models\.\*\.pull/,
    ],
    [
      'the digest is another',
      () => ({ pull: registry.name('tiny:1b'), digest: `sha256:${'0'.repeat(64)}` }),
      insecure,
      /a: wrong digest: .*tiny:1b has the manifest sha256:[0-9a-f]{64}, and models\.a\.digest wants sha256:0{64}/,
    ],
    [
      'there is no such parameter',
      () => ({ pull: registry.name('tiny:1b'), parameters: { nonsense: 1 } }),
      insecure,
      /building a failed: Ollama does not take a parameter of it: check models\.\*\.parameters\. Ollama says: .*'nonsense'/,
    ],
    [
      'a parameter is of the wrong type',
      () => ({ pull: registry.name('tiny:1b'), parameters: { seed: 'one' } }),
      insecure,
      /building a failed: Ollama does not take a parameter of it: .*invalid int value/,
    ],
  ];

  test.each(refusals)('when %s', async (_, changes, rest, words) => {
    using downloader = await downloaderOf({ a: model('a', changes()) }, rest);
    const { status, log } = await downloader.run('pull');
    expect(status).toBe(1);
    expect(log).toMatch(words);
    expect(log.match(/attempt/g)).toHaveLength(1);
    expect(log).not.toContain('a is on disk');
  });

  test('when there is no space', async () => {
    using downloader = await downloaderOf({ a: model('a', { pull: registry.name('large:1b') }) });
    await run('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', downloader.models]);
    try {
      expect(statfsSync(downloader.models).blocks).toBeLessThan(1000);
      const { status, log } = await downloader.run('pull');
      expect(status).toBe(1);
      expect(log).toMatch(/failed: no space: the volume of .* is full \(.* left\): raise cache\.size/);
    } finally {
      await run('umount', [downloader.models]);
    }
  });

  test('when it has no folder to write to', async () => {
    using downloader = await downloaderOf({ a: model('a', { pull: registry.name('tiny:1b') }) });
    await run('rmdir', [downloader.models]);
    const { status, log } = await downloader.run('pull');
    expect(status).toBe(1);
    expect(log).toContain(`cannot write to ${downloader.models}: check the volume and its fsGroup`);
  });
});

test('a registry that does not answer is tried again, later each time, and the end is not waited for', async () => {
  const nowhere = `127.0.0.1:${await freePort()}/library/tiny:1b`;
  using downloader = await downloaderOf({ a: model('a', { pull: nowhere }) });
  const pulling = downloader.start('pull');
  await pulling.until('trying again in 4 s');
  expect(pulling.log).toMatch(/failed: no route: the registry does not answer: .*connection refused/);
  expect(pulling.log).toMatch(/attempt 1 of 5[\s\S]*trying again in 2 s[\s\S]*attempt 2 of 5/);
  expect(await pulling.terminate()).toBeLessThan(4000);
  expect(await pulling.ended).toBe(143);
});
