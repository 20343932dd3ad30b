import { describe, expect, it } from 'vitest';
import { addServer, emptyLook, found } from '../testing.ts';
import { apiKeys } from './secrets.ts';

describe('API keys', () => {
  const look = (text?: string) => {
    const look = emptyLook();
    addServer(look, 'one');
    const labels = { 'app.kubernetes.io/instance': 'fleet', 'app.kubernetes.io/component': 'gateway' };
    const volumes = [{ name: 'api-keys', secret: { secretName: 'keys', items: [{ key: 'keys.json' }] } }];
    const gateway = {
      metadata: { name: 'gateway', labels },
      spec: { template: { spec: { containers: [], volumes } } },
      status: {},
    };
    look.put('deployments', { value: [...look.list('deployments'), gateway] });
    const config = {
      metadata: { name: 'gateway', labels },
      data: { 'config.json': JSON.stringify({ models: { one: {} } }) },
    };
    look.put('configmaps', { value: [...look.list('configmaps'), config] });
    const data = text === undefined ? {} : { 'keys.json': Buffer.from(text).toString('base64') };
    look.secrets.set('keys', { value: { metadata: { name: 'keys' }, data } });
    return look;
  };
  const sha256 = 'a'.repeat(64);
  const keys = (...entries: object[]) => JSON.stringify({ keys: entries });

  it('are counted, and not shown', () => {
    expect(found(apiKeys, look(keys({ name: 'web', sha256, models: ['one'] })))).toEqual([
      'ok: 1 key in the Secret keys/keys.json',
    ]);
  });

  it('that are no keys are told by what is wrong where', () => {
    expect(found(apiKeys, look(`{"keys": [{"name": "web", "sha256": "${sha256}"`))[0]).toMatch(
      /^problem: keys\/keys.json: not JSON: [^"]*: correct it$/,
    );
    const [wrong] = found(apiKeys, look(keys({ name: 'web', sha: sha256 })));
    expect(wrong).toMatch(/^problem: keys\/keys.json: .*keys\.0\.sha: unknown key/);
    expect(wrong).not.toContain(sha256);
  });

  it('for models that there are not are a warning', () => {
    expect(found(apiKeys, look(keys({ name: 'web', sha256, models: ['one', 'two'] })))[1]).toBe(
      'warning: keys allow models that there are not: web (two)',
    );
  });

  it('without any entry let nobody in', () => {
    expect(found(apiKeys, look(keys()))).toEqual(['warning: the Secret keys/keys.json has no key in it']);
  });

  it('have to be in a Secret, under the key that is named', () => {
    expect(found(apiKeys, look())[0]).toMatch(/^problem: the Secret keys has no key keys.json; it has none$/);
    const without = look();
    without.secrets.set('keys', { problem: 'absent', message: '' });
    expect(found(apiKeys, without)).toEqual(['problem: the Secret keys is not there']);
  });
});
