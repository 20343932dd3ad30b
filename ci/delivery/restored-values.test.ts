import { describe, expect, it } from 'vitest';
import type { Values } from '../../schema/values.ts';
import { pinned, withRemovals } from './restored-values.ts';

describe('the values of a copy', () => {
  const named = {
    type: 'object',
    patternProperties: { '^.*$': { type: 'object', properties: { min: { type: 'integer' } } } },
  };
  const schema = { properties: { servers: named, gateway: { type: 'object', properties: { min: {}, later: {} } } } };
  const chart = { servers: { a: { min: 1 }, b: { min: 1 } }, gateway: { min: 2, later: 'new' } };

  it('take away what was taken away, and leave to the chart what it has got since', () => {
    expect(withRemovals({ servers: { a: { min: 3 }, own: {} }, gateway: { min: 4 } }, chart, schema)).toEqual({
      servers: { a: { min: 3 }, own: {}, b: null },
      gateway: { min: 4 },
    });
  });

  it('pin every pulled model to the digest that it had, unless they say one themselves', () => {
    const models = {
      llama: { pull: 'llama3:70b' },
      fixed: { pull: 'Qwen2.5:32b', digest: 'sha256:own' },
      unknown: { pull: 'other' },
    };
    const listed = [
      { server: 'a', name: 'llama3:70b', digest: 'aa', size: 1 },
      { server: 'a', name: 'qwen2.5:32b', digest: 'bb', size: 1 },
      { server: 'b', name: '', digest: undefined, size: undefined },
    ];
    const values = (host: string) => ({ models, modelRegistry: { host } }) as unknown as Values;
    expect(pinned(values(''), listed).models).toEqual({
      llama: { pull: 'llama3:70b', digest: 'sha256:aa' },
      fixed: { pull: 'Qwen2.5:32b', digest: 'sha256:own' },
      unknown: { pull: 'other' },
    });
    const mirrored = [{ server: 'a', name: 'mirror:5000/library/llama3:70b', digest: 'cc', size: 1 }];
    expect(pinned(values('mirror:5000'), mirrored).models.llama!.digest).toBe('sha256:cc');
    expect(pinned(values(''), mirrored).models.llama!.digest).toBeUndefined();
  });
});
