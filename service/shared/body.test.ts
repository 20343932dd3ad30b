import { EventEmitter } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { randomFrom } from '../../ci/testing/random.ts';
import { refusalOf } from '../testing/refusal.ts';
import { readBody, stringAt, topLevelMembers, withStringAt } from './body.ts';
import { BodyMemory } from './body-memory.ts';

const members = (text: string) => {
  const body = Buffer.from(text);
  return Object.fromEntries(
    [...topLevelMembers(body)].map(([key, { start, end }]) => [key, JSON.parse(body.toString('utf8', start, end))]),
  );
};

const succeeds = (work: () => unknown) => {
  try {
    work();
    return true;
  } catch {
    return false;
  }
};

describe('topLevelMembers', () => {
  it('finds every member of an object, whatever its value is', () => {
    const object = {
      text: 'with "quotes", {braces} and \\ backslashes \\',
      list: [1, [2, { model: 'inner' }], ']'],
      object: { model: 'inner', deeper: { model: '}' } },
      number: -1.5e3,
      yes: true,
      nothing: null,
      model: 'outer',
      empty: {},
      last: '\\\\',
      bytes: 'é𝄞',
    };
    expect(members(JSON.stringify(object))).toEqual(object);
    expect(members(JSON.stringify(object, null, '\t\r\n '))).toEqual(object);
    expect(members(' { } ')).toEqual({});
  });

  it('agrees with JSON.parse on a thousand random objects', () => {
    let seed = 7;
    const random = (below: number) => {
      seed = (seed * 48271) % 2147483647;
      return seed % below;
    };
    const text = () =>
      Array.from({ length: random(6) }, () => ['"', '\\', 'a', '{', '}', ']', ',', ':', '\n', '€'][random(10)]).join(
        '',
      );
    const value = (depth: number): unknown => {
      const kind = random(depth > 3 ? 3 : 5);
      if (kind === 0) return text();
      if (kind === 1) return random(1000) - 500;
      if (kind === 2) return [true, false, null][random(3)];
      if (kind === 3) return Array.from({ length: random(4) }, () => value(depth + 1));
      return object(depth + 1);
    };
    const object = (depth: number) =>
      Object.fromEntries(Array.from({ length: random(5) }, () => [`${text()}${random(9)}`, value(depth)]));
    for (let round = 0; round < 1000; round++) {
      const written = object(0);
      expect(members(JSON.stringify(written, null, random(3)))).toEqual(written);
    }
  });

  it('takes of ten thousand mutilated objects those that JSON.parse takes', () => {
    const random = randomFrom(11);
    const whole = Buffer.from(
      '{"a":[1,-2.5e+3,0.1E-2,"x\\n\\u00e9é",true],"b":{"c":null,"d":[]},"e":"","f":{},"g":false}',
    );
    const bytes = Buffer.from('{}[]",:\\0123456789-+.eEtfnul \n\t\u0000\u001f\u007fé/');
    let taken = 0;
    for (let round = 0; round < 10_000; round++) {
      let text = whole;
      for (let changes = 1 + random.below(2); changes > 0; changes--) {
        const at = random.below(text.length);
        const put = random.below(3) === 0 ? Buffer.alloc(0) : Buffer.from([random.of([...bytes])]);
        text = Buffer.concat([text.subarray(0, at), put, text.subarray(at + random.below(2))]);
      }
      const [ours, theirs] = [() => topLevelMembers(text), () => JSON.parse(text.toString())].map(succeeds);
      // Which of two members that have one key is meant is nothing to guess at.
      if (ours !== theirs) expect(refusalOf(() => topLevelMembers(text)).message).toMatch(/ twice$/);
      if (ours) taken++;
    }
    expect(taken).toBeGreaterThan(1000);
  });

  it('reads keys as the decoder of Ollama does: without regard to case, also of letters beyond ASCII, escapes undone', () => {
    expect(members('{"MODEL":"b"}')).toEqual({ model: 'b' });
    expect(members('{"mod\\u0065l":"c"}')).toEqual({ model: 'c' });
    expect(members('{"option\u017f":{},"\\u212aeep_alive":1}')).toEqual({ options: {}, keep_alive: 1 });
  });

  it.each([
    ['{"model":"a","MODEL":"b"}', 'model'],
    ['{"options":{"num_ctx":1},"option\u017f":{}}', 'options'],
    ['{"x":1,"\\u0078":null}', 'x'],
  ])('refuses %s, of which a decoder may take either', (text, key) => {
    const { status, message, param } = refusalOf(() => topLevelMembers(Buffer.from(text)));
    expect([status, message, param]).toEqual([400, `the request body has "${key}" twice`, key]);
  });

  it.each([
    ['', 'it is empty'],
    [' ', 'it is empty'],
    ['[]', 'it is not an object'],
    ['"model"', 'it is not an object'],
    ['\ufeff{}', 'it is not an object'],
    ['{"model":"a"', 'it ends too early'],
    ['{"model":"a', 'a string has no end'],
    ['{"model":"a\\', 'a string has no end'],
    ['{"model":"a\n"}', 'a string has a control character at byte 11'],
    ['{"model":"\\x"}', 'a string has an unknown escape at byte 10'],
    ['{"model":"\\u12g4"}', 'a string has an unknown escape at byte 10'],
    ['{"model"}', 'a colon was expected at byte 8'],
    ['{"model":"a" "b":1}', "a comma or the object's end was expected at byte 13"],
    ['{model:"a"}', 'a key was expected at byte 1'],
    ['{"a":1,}', 'a key was expected'],
    ['{"a":{"b":1,}}', 'a key was expected'],
    ['{"a":[1', 'it ends too early'],
    ['{"a":[1,]}', 'a value was expected at byte 8'],
    ['{"a":[1}', "a comma or the list's end was expected at byte 7"],
    ['{"a":nope}', 'a value was expected'],
    ['{"a":tru}', 'a value was expected'],
    ['{"a":NaN}', 'a value was expected'],
    ['{"a":01}', "a comma or the object's end was expected"],
    ['{"a":1.}', 'a digit was expected'],
    ['{"a":-}', 'a digit was expected'],
    ['{"a":1e}', 'a digit was expected'],
    ['{"a":}', 'a value was expected'],
    ['{} {}', "it goes on after the object's end at byte 2"],
    ['{}\u0000', "it goes on after the object's end"],
  ])('refuses %j', (text, why) => {
    const { status, message } = refusalOf(() => topLevelMembers(Buffer.from(text)));
    expect(status).toBe(400);
    expect(message).toContain(`the request body is not valid JSON: ${why}`);
  });

  it('takes 512 levels and no more', () => {
    const nested = (levels: number) => Buffer.from(`${'{"a":'.repeat(levels - 1)}[]${'}'.repeat(levels - 1)}`);
    expect(topLevelMembers(nested(512)).has('a')).toBe(true);
    expect(refusalOf(() => topLevelMembers(nested(513)))).toMatchObject({
      status: 400,
      message: 'the request body is not valid JSON: it is nested more than 512 levels deep',
    });
  });

  it('takes a thousand members with keys of a thousand bytes, and no more', () => {
    const object = (count: number, length: number) =>
      Buffer.from(
        JSON.stringify(Object.fromEntries(Array.from({ length: count }, (_, n) => [`${n}`.padEnd(length), n]))),
      );
    expect(topLevelMembers(object(1000, 990)).size).toBe(1000);
    expect(refusalOf(() => topLevelMembers(object(1001, 4))).message).toBe(
      'the request body has more than 1000 members',
    );
    expect(refusalOf(() => topLevelMembers(object(1, 1000))).message).toBe(
      'the request body has a key of more than 1000 bytes',
    );
  });

  const size = 8 * 1024 ** 2;
  it.each([
    ['one long string', `"${'A'.repeat(size)}"`],
    ['backslashes', `"${'\\'.repeat(size)}"`],
    ['quotes behind backslashes', `"${'\\"'.repeat(size / 2)}"`],
    [
      'quotes behind more and more backslashes',
      `"${Array.from({ length: 2800 }, (_, n) => '\\'.repeat(2 * n + 1)).join('"')}""`,
    ],
    ['empty lists', `[${'[],'.repeat(size / 3)}1]`],
    ['empty strings', `[${'"",'.repeat(size / 3)}1]`],
    ['digits', '1'.repeat(size)],
    ['white space', `${' '.repeat(size)}1`],
  ])('takes a time that grows with the size alone for 8 MiB of %s', (_title, value) => {
    const body = Buffer.from(`{"a":${value},"model":"x"}`);
    const began = performance.now();
    expect(topLevelMembers(body).has('model')).toBe(true);
    // A tenth of it as a rule; what grows with the square of the size takes hours.
    expect(performance.now() - began).toBeLessThan(2000);
  });
});

describe('stringAt and withStringAt', () => {
  it('replaces one string and leaves every other byte', () => {
    const body = Buffer.from('{ "n" : 1e2,\t"model" :\n"small" , "x":"\\u00e9 é"}');
    const span = topLevelMembers(body).get('model')!;
    expect(stringAt(body, 'model', span)).toBe('small');
    expect(withStringAt(body, span, 'a"b').toString()).toBe('{ "n" : 1e2,\t"model" :\n"a\\"b" , "x":"\\u00e9 é"}');
  });

  it('takes null as absent and refuses what is no string', () => {
    const read = (text: string) => {
      const body = Buffer.from(text);
      return stringAt(body, 'model', topLevelMembers(body).get('model'));
    };
    expect(read('{"model":null}')).toBeUndefined();
    expect(read('{}')).toBeUndefined();
    expect(refusalOf(() => read('{"model":7}'))).toMatchObject({ status: 400, message: 'model must be a string' });
    expect(refusalOf(() => read(`{"model":"${'/'.repeat(1000)}"}`))).toMatchObject({
      status: 400,
      message: 'model is too long',
    });
  });
});

describe('readBody', () => {
  /** A request as Node gives it, whose body is what a stream has. */
  const requestOf = (chunks: Iterable<Buffer> | AsyncIterable<Buffer>, headers = {}) =>
    Object.assign(Readable.from(chunks, { objectMode: false }), { headers }) as unknown as IncomingMessage;

  it('joins whatever pieces a body comes in', async () => {
    const random = randomFrom(5);
    for (let round = 0; round < 200; round++) {
      const pieces = Array.from({ length: random.below(20) }, () =>
        Buffer.alloc(1 + random.below(100), random.below(256)),
      );
      expect((await readBody(requestOf(pieces), 10_000)).equals(Buffer.concat(pieces))).toBe(true);
    }
  });

  it('keeps no object for each piece', async () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const heap = () => {
      collect();
      return process.memoryUsage().heapUsed;
    };
    const before = heap();
    let after = 0;
    const source = Buffer.alloc(64 * 1024, 'x');
    async function* pieces() {
      for (let n = 0; n < 300_000; n++) yield source.subarray(n % source.length, (n % source.length) + 1);
      after = heap();
    }
    expect(await readBody(requestOf(pieces()), 1024 ** 2)).toHaveLength(300_000);
    expect(after - before).toBeLessThan(10 * 1024 ** 2);
  });

  it('says so at once when the client has left already', async () => {
    const request = requestOf([Buffer.from('{}')]);
    request.on('error', () => {}).destroy(new Error('aborted'));
    await expect(readBody(request, 100)).rejects.toMatchObject({ status: 499 });
  });

  it('holds no more large bodies at a time than there is memory for, and takes small ones whatever is held', async () => {
    const memory = new BodyMemory(1024 ** 2);
    const ask = async (size: number) => {
      const response = new EventEmitter();
      const request = requestOf(Array.from({ length: size / 1024 }, () => Buffer.alloc(1024)));
      memory.give(request, response as ServerResponse);
      const body = await readBody(request, 4 * 1024 ** 2);
      expect(body).toHaveLength(size);
      return () => response.emit('close');
    };
    const [half, large] = [512 * 1024, 2 * 1024 ** 2];
    const done = [await ask(half), await ask(half)];
    const full = { status: 503, retryAfter: 1, message: 'there is no memory for another large request at the moment' };
    await expect(ask(65 * 1024)).rejects.toMatchObject(full);
    for (let n = 0; n < 100; n++) await ask(64 * 1024);
    done.pop()!();
    done.push(await ask(half));
    await expect(ask(large)).rejects.toMatchObject(full);
    for (const end of done) end();
    // One that is larger than all the memory there is passes alone: its own limit is another.
    const end = await ask(large);
    await expect(ask(half)).rejects.toMatchObject(full);
    end();
    await ask(half);
  });

  it('leaves what belongs to a request to the collection of young objects', () => {
    setFlagsFromString('--expose-gc');
    // V8 learns where objects come from that live long, and has those begin as old ones: others did so before this test.
    setFlagsFromString('--no-allocation-site-pretenuring');
    const collect = runInNewContext('gc') as (options?: { type: 'minor' }) => void;
    const memory = new BodyMemory(1024 ** 2);
    const come = (count: number) => {
      for (let n = 0; n < count; n++) {
        const request = {} as IncomingMessage;
        const response = Object.assign(new EventEmitter(), { req: request, weight: new Array(1000).fill(n) });
        memory.give(request, response as object as ServerResponse);
      }
      // Twice, since what has seen one of them is young no more.
      for (let times = 0; times < 2; times++) collect({ type: 'minor' });
      return process.memoryUsage().heapUsed;
    };
    come(1000);
    collect();
    const before = process.memoryUsage().heapUsed;
    expect(come(2000) - before).toBeLessThan(4 * 1024 ** 2);
  });
});
