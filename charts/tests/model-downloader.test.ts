import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { output } from '../../ci/tools/run.ts';
import { Downloader, script } from './downloader.ts';
import { model } from './render.ts';

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');

test('is a script without errors of syntax for a plain shell', async () => {
  expect(await output('sh', ['-n', script])).toEqual({ status: 0, stdout: '', stderr: '' });
});

test('refuses a mode that it does not have', async () => {
  using downloader = await Downloader.of({ a: model('tiny') });
  expect(await downloader.run('push')).toMatchObject({
    status: 1,
    log: expect.stringContaining("no such mode: 'push': call it with pull, wait or verify"),
  });
});

describe('the mode verify', () => {
  const digest = 'a'.repeat(8);
  test.each([
    ['tiny', 'registry.ollama.ai/library/tiny/latest'],
    ['tiny:1b', 'registry.ollama.ai/library/tiny/1b'],
    ['ns/tiny', 'registry.ollama.ai/ns/tiny/latest'],
    ['ns/tiny:1b', 'registry.ollama.ai/ns/tiny/1b'],
    ['example.com/ns/tiny', 'example.com/ns/tiny/latest'],
    ['host:5000/ns/tiny', 'host:5000/ns/tiny/latest'],
    ['host:5000/ns/tiny:1b-q4_0', 'host:5000/ns/tiny/1b-q4_0'],
  ])('finds %s where Ollama keeps it, and refuses a folder without it', async (name, file) => {
    using downloader = await Downloader.of({ a: model(name) });
    const missing = `${downloader.models}/manifests/${file}`;
    expect(await downloader.run('verify')).toMatchObject({
      status: 1,
      log: expect.stringContaining(
        `a: the image has no model ${name} (${missing} is missing): build it with this model`,
      ),
    });
    downloader.write(`manifests/${file}`, digest);
    expect(await downloader.run('verify')).toMatchObject({
      status: 0,
      log: expect.stringContaining(`a: ${name} is in the image`),
    });
  });

  test('refuses a folder that lacks the second of two models', async () => {
    using downloader = await Downloader.of({ a: model('a'), b: model('b') });
    downloader.write('manifests/registry.ollama.ai/library/a/latest', digest);
    const { status, log } = await downloader.run('verify');
    expect(status).toBe(1);
    expect(log).toContain('a: a is in the image');
    expect(log).toContain('b: the image has no model b');
  });
});

describe('the mode wait', () => {
  const file = 'manifests/registry.ollama.ai/library/tiny/latest';

  test('ends when what it waits for is noted, and not before', async () => {
    using downloader = await Downloader.of({ a: model('tiny') });
    const [, , , , checksum] = downloader.list[0]!;
    const waiting = downloader.start('wait');
    await waiting.until('a: waiting for tiny to be pulled to the shared volume by the Job');
    downloader.write(file, 'half');
    // Another version of it, and one whose manifest a pull has replaced since.
    downloader.write('.model-management/a', `${'0'.repeat(64)} ${sha256('half')}\n`);
    await sleep(2500);
    downloader.write('.model-management/a', `${checksum} ${sha256('other')}\n`);
    await sleep(2500);
    expect(waiting.running).toBe(true);
    downloader.write('.model-management/a', `${checksum} ${sha256('half')}\n`);
    expect(await waiting.ended).toBe(0);
    expect(waiting.log).toContain('a: tiny is on disk');
  });

  test('ends when it is told to', async () => {
    using downloader = await Downloader.of({ a: model('tiny') });
    const waiting = downloader.start('wait');
    await waiting.until('waiting for tiny');
    // A sleep that has just begun may not hear of it, and is one of two seconds; who did not hear of it at all would wait for ever.
    expect(await waiting.terminate()).toBeLessThan(10_000);
    expect(await waiting.ended).toBe(143);
  });
});
