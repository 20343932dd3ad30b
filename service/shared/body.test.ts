import { describe, expect, it } from 'vitest';
import { stringAt, topLevelMembers, withStringAt } from './body.ts';
import { Refusal } from './errors.ts';

const members = (text: string) => {
  const body = Buffer.from(text);
  return Object.fromEntries(
    [...topLevelMembers(body)].map(([key, { start, end }]) => [key, JSON.parse(body.toString('utf8', start, end))]),
  );
};

const refusal = (work: () => unknown): Refusal => {
  try {
    work();
  } catch (error) {
    if (error instanceof Refusal) return error;
    throw error;
  }
  throw new Error('not refused');
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

  it('reads keys as the decoder of Ollama does: without regard to case, the last one counts, escapes are undone', () => {
    expect(members('{"model":"a","MODEL":"b"}')).toEqual({ model: 'b' });
    expect(members('{"mod\\u0065l":"c"}')).toEqual({ model: 'c' });
  });

  it.each([
    ['', 'it is empty'],
    ['[]', 'it is not an object'],
    ['"model"', 'it is not an object'],
    ['{"model":"a"', "the object's end was expected"],
    ['{"model":"a', 'a string has no end'],
    ['{"model"}', 'a colon was expected'],
    ['{"model":"a" "b":1}', 'a comma'],
    ['{model:"a"}', 'a key was expected'],
    ['{"a":1,}', 'a key was expected'],
    ['{"a":[1', 'it ends too early'],
  ])('refuses %j', (text, why) => {
    const { status, message } = refusal(() => topLevelMembers(Buffer.from(text)).get('model') ?? 'no model');
    expect(status).toBe(400);
    expect(message).toContain(why);
  });

  it('steps over ten thousand nested lists and 32 MiB of image', () => {
    const deep = `{"a":${'['.repeat(10_000)}${']'.repeat(10_000)},"model":"x"}`;
    expect(topLevelMembers(Buffer.from(deep)).has('model')).toBe(true);
    const image = Buffer.from(`{"images":["${'A'.repeat(32 * 1024 ** 2)}"],"model":"x"}`);
    expect(topLevelMembers(image).has('model')).toBe(true);
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
    expect(refusal(() => read('{"model":7}'))).toMatchObject({ status: 400, message: 'model must be a string' });
    expect(refusal(() => read('{"model":nope}'))).toMatchObject({ status: 400 });
    expect(refusal(() => read('{"model":}'))).toMatchObject({ status: 400 });
  });
});
