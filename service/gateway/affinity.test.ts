import { describe, expect, it } from 'vitest';
import { topLevelMembers } from '../shared/body.ts';
import { affinityOf } from './affinity.ts';

const of = (body: object | string) => {
  const bytes = Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
  return affinityOf(bytes, topLevelMembers(bytes));
};

const system = { role: 'system', content: 'Be brief. "]}{[' };
const user = (content: string, more: object = {}) => ({ role: 'user', content, ...more });
const assistant = (content: string) => ({ role: 'assistant', content });
const chat = (...messages: object[]) => of({ model: 'small', messages });

describe('messages', () => {
  it('gives every turn of a conversation the same number', () => {
    const first = chat(system, user('one'));
    expect(first).toBeTypeOf('number');
    expect(chat(system, user('one'), assistant('1'), user('two'))).toBe(first);
    expect(chat(system, user('one'), assistant('1'), user('two'), assistant('2'), user('three'))).toBe(first);
    expect(of({ options: { seed: 1 }, messages: [system, user('one')], stream: false })).toBe(first);
    expect(of({ Messages: [system, user('one')] })).toBe(first);
  });

  it('tells conversations apart, by the system prompt too', () => {
    const all = [
      chat(user('one')),
      chat(user('two')),
      chat(system, user('one')),
      chat({ ...system, content: 'Be verbose.' }, user('one')),
      chat(user('one', { images: ['aGVsbG8='] })),
    ];
    expect(new Set(all).size).toBe(all.length);
  });

  it('does not take a word in a message for its role', () => {
    const tricky = { content: '{"role":"user"}', name: 'user', inner: { role: 'user' }, role: 'system' };
    expect(chat(tricky, user('one'))).not.toBe(chat(tricky, user('two')));
    expect(chat({ role: 'system', content: 'a' }, { content: 'last', role: 'User' })).toBe(
      chat({ role: 'system', content: 'a' }, { content: 'last', role: 'User' }, user('more')),
    );
  });

  it('tells long beginnings apart by either end and by their length', () => {
    const long = 'x'.repeat(40_000);
    const all = [`${long}a`, `${long}b`, `a${long}`, `${long}`, `${long}xx`].map((text) => chat(system, user(text)));
    expect(new Set(all).size).toBe(all.length);
    expect(chat(system, user(`${long}a`), assistant('1'), user('two'))).toBe(all[0]);
  });

  it('keeps to the beginning of what is too long to look through', () => {
    const images = ['A'.repeat(2 * 1024 ** 2)];
    const first = chat(user('what is this?', { images }));
    expect(first).toBeTypeOf('number');
    expect(chat(user('what is this?', { images }), assistant('a cat'), user('sure?'))).toBe(first);
    expect(chat(user('what is that?', { images }))).not.toBe(first);
    const many = Array.from({ length: 40 }, (_, n) => ({ role: 'tool', content: String(n) }));
    expect(chat(...many, user('a'))).toBe(chat(...many, user('b')));
    expect(chat(...many.toReversed(), user('a'))).not.toBe(chat(...many, user('a')));
  });

  it('spreads over all of its range', () => {
    const halves = Array.from({ length: 1000 }, (_, n) => (chat(system, user(`question ${n}`))! >= 2 ** 31 ? 1 : 0));
    expect(halves.reduce<number>((sum, half) => sum + half, 0) / 1000).toBeCloseTo(0.5, 1);
  });

  it.each([
    '[]',
    'null',
    '{}',
    '"user"',
    '[1,"user",null]',
    '[[{"role":"user"}]]',
    '[{"role":"system"}]',
    '[{"role":"system"},]',
    '[{"role":"system"} {"role":"user"}]',
    '[{"role" "user"}]',
    '[{"role":7}]',
    '[{"\\x":1}]',
    '[{]]',
    '[{"role":"us',
    '[',
    '',
  ])('knows nothing of %s', (messages) => {
    const members = new Map([['messages', { start: 12, end: 12 + messages.length }]]);
    expect(affinityOf(Buffer.from(`{"messages":${messages}}`), members)).toBeUndefined();
  });
});

describe('a prompt', () => {
  const opening = 'Once upon a time. '.repeat(40);

  it('counts with its beginning and the system prompt', () => {
    const first = of({ prompt: opening, system: 'a' });
    expect(first).toBeTypeOf('number');
    expect(of({ prompt: `${opening}And then?`, system: 'a' })).toBe(first);
    expect(of({ prompt: opening, system: 'b' })).not.toBe(first);
    expect(of({ prompt: opening })).not.toBe(first);
    expect(of({ prompt: `Or: ${opening}`, system: 'a' })).not.toBe(first);
    expect(of({ prompt: 'short' })).not.toBe(of({ prompt: 'other' }));
  });

  it('may be an array', () => {
    expect(of({ prompt: [opening, 'x'] })).toBe(of({ prompt: [opening, 'y'] }));
    expect(of({ prompt: ['a'] })).not.toBe(of({ prompt: ['b'] }));
  });

  it('counts less than the tokens of the turns before', () => {
    const context = Array.from({ length: 200 }, (_, n) => 1000 + n);
    const second = of({ prompt: 'And then?', context });
    expect(of({ prompt: 'Why?', context: [...context, 1, 2, 3] })).toBe(second);
    expect(of({ prompt: 'Why?', context: context.toReversed() })).not.toBe(second);
    expect(of({ prompt: 'a', context: [] })).toBe(of({ prompt: 'a' }));
  });

  it.each([
    '{"prompt":""}',
    '{"prompt":null}',
    '{"prompt":5}',
    '{"prompt":[]}',
    '{"system":"a"}',
    '{"input":"a"}',
    '{}',
  ])('is missing in %s', (body) => {
    expect(of(body)).toBeUndefined();
  });
});
