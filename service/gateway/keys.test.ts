import { createHash } from 'node:crypto';
import { rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { temporaryFolder } from '../../ci/testing/project.ts';
import type { ApiKey } from '../../schema/config.ts';
import { createLogger } from '../shared/logging.ts';
import { until } from '../testing/client.ts';
import { refusalOf } from '../testing/refusal.ts';
import { KeyRing } from './keys.ts';

const sha256 = (key: string) => createHash('sha256').update(key).digest('hex');
const bearer = (key: string) => ({ authorization: `Bearer ${key}` });

/** Key rings of a test, with a time that it sets, and what they log. */
class Rings implements AsyncDisposable {
  readonly file: string;
  readonly logs: { level: string; problem?: string; msg: string }[] = [];
  readonly time = { date: Date.parse('2026-03-01T12:00:00Z'), monotonic: 0 };
  readonly #folder: Awaited<ReturnType<typeof temporaryFolder>>;
  readonly #open: KeyRing[] = [];

  private constructor(folder: Awaited<ReturnType<typeof temporaryFolder>>) {
    this.#folder = folder;
    this.file = path.join(folder.path, 'keys.json');
  }

  static async start(): Promise<Rings> {
    return new Rings(await temporaryFolder());
  }

  write(keys: ApiKey[] | string): void {
    writeFileSync(this.file, typeof keys === 'string' ? keys : JSON.stringify({ keys }));
  }

  open(file: string): KeyRing {
    const log = createLogger('test', 'info');
    log.level = 'silent';
    for (const level of ['info', 'warn', 'error'] as const) {
      log[level] = (first: object | string, second?: string) =>
        this.logs.push(typeof first === 'string' ? { level, msg: first } : { level, ...first, msg: second! });
    }
    const clock = { date: () => this.time.date, monotonic: () => this.time.monotonic };
    const ring = new KeyRing(file, log, { clock, intervalMs: 10 });
    this.#open.push(ring);
    return ring;
  }

  of(...keys: ApiKey[]): KeyRing {
    this.write(keys);
    return this.open(this.file);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const ring of this.#open) ring.close();
    await this.#folder.remove();
  }
}

let rings: Rings;
beforeEach(async () => {
  rings = await Rings.start();
});
afterEach(() => rings[Symbol.asyncDispose]());

describe('identify', () => {
  it('knows the holder of a key, in either header, whatever the case of the scheme', () => {
    const ring = rings.of({ name: 'alice', sha256: sha256('mm-a') }, { name: 'bob', sha256: sha256('mm-b') });
    expect(ring.isOn).toBe(true);
    expect(ring.identify(bearer('mm-a')).name).toBe('alice');
    expect(ring.identify({ authorization: 'bearer mm-b' }).name).toBe('bob');
    expect(ring.identify({ authorization: 'BEARER   mm-b' }).name).toBe('bob');
    expect(ring.identify({ 'x-api-key': 'mm-a' }).name).toBe('alice');
    expect(ring.identify({ ...bearer('mm-a'), 'x-api-key': 'mm-a' }).name).toBe('alice');
  });

  it('knows a key by the bytes that came over the wire', () => {
    const ring = rings.of({ name: 'alice', sha256: sha256('clé') });
    expect(ring.identify(bearer(Buffer.from('clé').toString('latin1'))).name).toBe('alice');
  });

  it.each<[string, Record<string, string>, string]>([
    ['no key', {}, 'an API key is required: send it as `Authorization: Bearer KEY` or as `x-api-key: KEY`'],
    ['an empty key', { 'x-api-key': '' }, 'an API key is required'],
    ['another scheme', { authorization: 'Basic bW0tYQ==' }, 'write it as `Authorization: Bearer KEY`'],
    ['the scheme alone', { authorization: 'Bearer' }, 'write it as `Authorization: Bearer KEY`'],
    ['a key that is none', bearer('mm-secret'), 'the API key is not valid'],
    ['a key in other case', bearer('MM-A'), 'the API key is not valid'],
    ['the hash of a key', bearer(sha256('mm-a')), 'the API key is not valid'],
    ['two keys', { ...bearer('mm-a'), 'x-api-key': 'mm-secret' }, 'have different API keys: send one of them'],
    ['two keys in one header', bearer('mm-a, Bearer mm-secret'), 'write it as `Authorization: Bearer KEY`'],
    ['two keys in the other header', { 'x-api-key': 'mm-a, mm-secret' }, 'the API key is not valid'],
  ])('refuses %s with 401, and never repeats it', (_title, headers, why) => {
    const ring = rings.of({ name: 'alice', sha256: sha256('mm-a') });
    const refusal = refusalOf(() => ring.identify(headers));
    expect(refusal).toMatchObject({ status: 401, code: 'invalid_api_key' });
    expect(refusal.message).toContain(why);
    expect(refusal.message).not.toMatch(/mm-|bW0/);
  });

  it('takes everybody as anonymous where no keys are asked for, and says so in the log', () => {
    const ring = rings.open('');
    expect(ring.isOn).toBe(false);
    expect(rings.logs).toEqual([
      { level: 'warn', msg: 'no API keys are asked for: whoever reaches this gateway may ask its models' },
    ]);
    for (const headers of [{}, bearer('ollama'), { 'x-api-key': 'x' }]) {
      const caller = ring.identify(headers);
      expect(caller.name).toBe('anonymous');
      expect(caller.mayAsk('anything')).toBe(true);
      caller.checkModel('anything');
      caller.spent(1e15);
      caller.admit();
    }
  });

  it('lets nobody in when the file has no keys', () => {
    const ring = rings.of();
    expect(refusalOf(() => ring.identify({})).status).toBe(401);
    expect(refusalOf(() => ring.identify(bearer('mm-a'))).status).toBe(401);
  });

  it('takes well under a millisecond among ten thousand keys', () => {
    const names = Array.from({ length: 10_000 }, (_, n) => `k${n}`);
    const ring = rings.of(...names.map((name) => ({ name, sha256: sha256(name) })));
    const began = performance.now();
    for (const name of names) expect(ring.identify({ 'x-api-key': name }).name).toBe(name);
    expect((performance.now() - began) / names.length).toBeLessThan(0.5);
  });
});

describe('what a key allows', () => {
  it('is every model, or those that it names', () => {
    const ring = rings.of(
      { name: 'all', sha256: sha256('a') },
      { name: 'some', sha256: sha256('s'), models: ['summary', 'qwen'] },
      { name: 'none', sha256: sha256('n'), models: [] },
    );
    const [all, some, none] = ['a', 's', 'n'].map((key) => ring.identify(bearer(key)));
    const allowed = ['llama', 'qwen', 'summary'].filter((model) => some!.mayAsk(model));
    expect(allowed).toEqual(['qwen', 'summary']);
    expect([all!.mayAsk('llama'), none!.mayAsk('llama')]).toEqual([true, false]);
    some!.checkModel('qwen');
    expect(refusalOf(() => some!.checkModel('llama'))).toMatchObject({
      status: 403,
      message: "this API key may not ask model 'llama'",
      param: 'model',
      code: 'model_not_allowed',
    });
  });

  it('is its own priority and those below', () => {
    const ring = rings.of(
      { name: 'plain', sha256: sha256('p') },
      { name: 'high', sha256: sha256('h'), priority: 'interactive' },
      { name: 'low', sha256: sha256('l'), priority: 'batch' },
    );
    const given = (key: string) =>
      [undefined, 'interactive', 'standard', ' Batch '].map((word) => ring.identify(bearer(key)).priority(word));
    expect(given('p')).toEqual(['standard', 'standard', 'standard', 'batch']);
    expect(given('h')).toEqual(['interactive', 'interactive', 'standard', 'batch']);
    expect(given('l')).toEqual(['batch', 'batch', 'batch', 'batch']);
  });

  it('is every priority where no keys are asked for', () => {
    const caller = rings.open('').identify({});
    expect([undefined, 'interactive', 'standard', 'batch'].map((word) => caller.priority(word))).toEqual([
      'standard',
      'interactive',
      'standard',
      'batch',
    ]);
  });

  it.each(['', 'urgent', 'batch, interactive'])('is no priority %j', (word) => {
    const ring = rings.of({ name: 'alice', sha256: sha256('a') });
    for (const caller of [ring.identify(bearer('a')), rings.open('').identify({})]) {
      expect(refusalOf(() => caller.priority(word))).toMatchObject({
        status: 400,
        message: 'x-model-management-priority must be one of interactive, standard, batch',
      });
    }
  });

  it('is counted for each key by itself, however often it is identified', () => {
    const ring = rings.of(
      { name: 'alice', sha256: sha256('a'), requestsPerMinute: 2, tokensPerDay: 100 },
      { name: 'bob', sha256: sha256('b'), requestsPerMinute: 1 },
    );
    ring.identify(bearer('a')).admit();
    ring.identify({ 'x-api-key': 'a' }).admit();
    expect(refusalOf(() => ring.identify(bearer('a')).admit())).toMatchObject({ status: 429, retryAfter: 60 });
    ring.identify(bearer('b')).admit();
    rings.time.monotonic += 60_000;
    ring.identify(bearer('a')).spent(100);
    expect(refusalOf(() => ring.identify(bearer('a')).admit())).toMatchObject({ status: 429, retryAfter: 12 * 3600 });
    ring.identify(bearer('b')).admit();
  });
});

describe('a changed file', () => {
  const alice: ApiKey = { name: 'alice', sha256: sha256('a'), requestsPerMinute: 2 };

  it('brings keys, takes others away, and counts on for those that stay or are replaced', async () => {
    const ring = rings.of(alice, { name: 'bob', sha256: sha256('b'), tokensPerDay: 10 });
    ring.identify(bearer('a')).admit();
    const running = ring.identify(bearer('b'));
    rings.write([
      { ...alice, models: ['summary'] },
      { name: 'bob', sha256: sha256('b2'), tokensPerDay: 10 },
    ]);
    await until(() => !ring.identify(bearer('a')).mayAsk('llama'));
    ring.identify(bearer('a')).admit();
    expect(refusalOf(() => ring.identify(bearer('a')).admit()).status).toBe(429);
    expect(refusalOf(() => ring.identify(bearer('b'))).status).toBe(401);
    // An answer that was under way counts for its holder.
    running.spent(10);
    expect(refusalOf(() => ring.identify(bearer('b2')).admit()).status).toBe(429);
    rings.write([]);
    await until(() => rings.logs.filter(({ msg }) => msg === 'configuration changed').length === 2);
    expect(refusalOf(() => ring.identify(bearer('a'))).status).toBe(401);
  });

  it.each<[string, ApiKey[] | string, string]>([
    ['is no JSON', '{"keys":[{"name":"alice","sha256":"mm-oops"', 'not JSON: '],
    ['has a key as it is', [{ name: 'alice', sha256: 'mm-oops' }], 'keys.0.sha256: must match pattern'],
    [
      'has a name twice',
      [alice, { name: 'alice', sha256: sha256('b') }],
      'keys.1.name: alice is the name of keys.0 too',
    ],
    ['has a key twice', [alice, { name: 'bob', sha256: sha256('a') }], 'keys.1.sha256: it is the key of keys.0 too'],
  ])('is refused when it %s, and the old keys stay', async (_title, text, problem) => {
    const ring = rings.of(alice);
    rings.write(text);
    await until(() => rings.logs.some(({ level }) => level === 'error'));
    expect(rings.logs.at(-1)!.problem).toContain(`${rings.file}: ${problem}`);
    expect(rings.logs.at(-1)!.problem).not.toContain('oops');
    expect(ring.identify(bearer('a')).name).toBe('alice');
  });

  it('keeps the old keys while it is away', async () => {
    const ring = rings.of(alice);
    rmSync(rings.file);
    await until(() => rings.logs.some(({ level }) => level === 'error'));
    expect(ring.identify(bearer('a')).name).toBe('alice');
  });
});

it('cannot begin without a sound file, and says what to do', () => {
  expect(() => rings.open('/nowhere/keys.json')).toThrow(
    '/nowhere/keys.json: cannot be read (ENOENT): name another in apiKeysFile',
  );
  rings.write('{"keys":[{"name":"alice","sha256":mm-oops}]}');
  expect(() => rings.open(rings.file)).toThrow(`${rings.file}: not JSON: Unexpected token 'm': correct it`);
});
