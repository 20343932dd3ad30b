import { describe, expect, it } from 'vitest';
import { topLevelMembers } from '../shared/body.ts';
import type { Refusal } from '../shared/errors.ts';
import { pin, withEdits } from './runner-options.ts';

const model = { key: 'small', contextLength: 4096 };

function pinned(text: string, path = '/api/chat'): string {
  const body = Buffer.from(text);
  return withEdits(body, pin(path, body, topLevelMembers(body), 'replace', model)).toString();
}

function refusal(text: string, path = '/api/generate', about: Parameters<typeof pin>[4] = model): Refusal | undefined {
  const body = Buffer.from(text);
  try {
    expect(withEdits(body, pin(path, body, topLevelMembers(body), 'refuse', about)).toString()).toBe(text);
    return undefined;
  } catch (error) {
    return error as Refusal;
  }
}

describe('replacing runner options', () => {
  it.each([
    ['the only one', '{"options":{"num_ctx":1}}', '{"options":{}}'],
    ['the first', '{"options":{"num_ctx": 1 , "seed":2}}', '{"options":{"seed":2}}'],
    ['the last', '{"options":{ "seed":2 , "num_ctx":1 }}', '{"options":{ "seed":2 }}'],
    ['one between', '{"options":{"seed":2,"num_gpu":[1,{"a":"}"}],"top_k":3}}', '{"options":{"seed":2,"top_k":3}}'],
    [
      'many of them, and each of those that come twice',
      '{"options":{"num_thread":1,"num_ctx":1,"seed":1,"num_ctx":2,"main_gpu":0,"top_k":2,"use_mmap":false,"num_batch":9}}',
      '{"options":{"seed":1,"top_k":2}}',
    ],
    ['those of other versions', '{"options":{"numa":true,"low_vram":true,"draft_num_predict":4}}', '{"options":{}}'],
    ['one written with escapes', '{"options":{"num\\u005fct\\u0078":1,"seed":1}}', '{"options":{"seed":1}}'],
    ['those under a key in capitals, as Ollama reads it', '{"OptionS":{"num_ctx":1}}', '{"OptionS":{}}'],
    ['a member of the body that does the same', '{"model":"a","Shift":false,"b":1}', '{"model":"a","b":1}'],
    ['both', '{"shift":true,"options":{"num_ctx":1},"x":[ ]}', '{"options":{},"x":[ ]}'],
  ])('cuts %s, and changes nothing else', (_title, text, expected) => {
    expect(pinned(text)).toBe(expected);
  });

  it.each([
    ['other options', '{"options" : {"num_predict":1, "num_keep":2,"temperature":0} }'],
    ['none', '{"options":{}}'],
    ['null, which sets nothing', '{"options":{"num_ctx":null,"seed":1},"shift":null}'],
    ['options that are none', '{"options":"num_ctx"}'],
    [
      'what only looks like one',
      '{"options":{"NUM_CTX":1,"xnum_ctx":1},"num_ctx":1,"messages":[{"num_ctx":1,"shift":1}]}',
    ],
  ])('leaves %s as they are', (_title, text) => {
    expect(pinned(text)).toBe(text);
  });

  it.each(['/api/show', '/v1/chat/completions', '/v1/completions', '/v1/embeddings'])(
    'leaves alone what %s means by the same words',
    (path) => {
      const text = '{"options":{"num_ctx":1},"shift":true}';
      expect(pinned(text, path)).toBe(text);
    },
  );

  it.each(['/api/generate', '/api/embed', '/api/embeddings'])('does the same on %s', (path) => {
    expect(pinned('{"options":{"num_ctx":1}}', path)).toBe('{"options":{}}');
  });

  it('takes no more options than anybody has', () => {
    const options = Object.fromEntries(Array.from({ length: 1001 }, (_, n) => [`o${n}`, n]));
    expect(() => pinned(JSON.stringify({ options }))).toThrow('options has more than 1000 members');
  });
});

describe('refusing runner options', () => {
  it('names the option, what is served, and what to do', () => {
    expect(refusal('{"options":{"seed":1,"num_ctx":8192}}')).toMatchObject({
      status: 400,
      param: 'num_ctx',
      message:
        "num_ctx cannot be set by a request: model 'small' is served to all with its own (4096), and would have to be loaded anew: leave it out",
    });
    expect(refusal('{"options":{"num_ctx":8192}}', '/api/chat', { key: 'small' })?.message).toContain('its own, and');
    expect(refusal('{"shift":false}')?.message).toMatch(/^shift cannot be set .* its own, and/);
  });

  it('lets through what sets none', () => {
    expect(refusal('{"options":{"seed":1,"num_ctx":null}}')).toBeUndefined();
    expect(refusal('{"options":{"num_ctx":1}}', '/v1/completions')).toBeUndefined();
  });
});
