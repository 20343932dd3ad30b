import { hash } from 'node:crypto';
import { once } from 'node:events';
import { rename, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { temporaryFolder } from '../../ci/testing/project.ts';
import type { ApiKey } from '../../schema/config.ts';
import { get, jsonOf, post, until } from '../testing/client.ts';
import { Entry } from '../testing/entry.ts';
import { FakeOllama, json } from '../testing/fake-ollama.ts';
import { gatewayConfig } from '../testing/hops.ts';

const secrets = { plain: 'mm-plain', narrow: 'mm-narrow', few: 'mm-few', thrifty: 'mm-thrifty' };
const prompt = 'what-nobody-else-should-read';

const keyOf = (name: keyof typeof secrets, more: Partial<ApiKey> = {}): ApiKey => ({
  name,
  sha256: hash('sha256', secrets[name]),
  ...more,
});

/** What a body or an answer's listing names. */
const names = (listing: { name?: string; id?: string }[]) => listing.map(({ name, id }) => name ?? id);

describe('a gateway with API keys', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let agent: FakeOllama;
  let gateway: Entry;
  let file: string;
  const keys = [
    keyOf('plain'),
    keyOf('narrow', { models: ['large'] }),
    keyOf('few', { requestsPerMinute: 2 }),
    keyOf('thrifty', { tokensPerDay: 10 }),
  ];

  beforeAll(async () => {
    folder = await temporaryFolder();
    file = path.join(folder.path, 'keys.json');
    await writeFile(file, JSON.stringify({ keys }));
    agent = await FakeOllama.start(['team/small:latest', 'team/large:latest']);
    const config = gatewayConfig({ small: agent.url, large: agent.url }, { apiKeysFile: file, logLevel: 'debug' });
    gateway = await Entry.start('gateway', config, '--drain-delay', '0');
  });
  beforeEach(() => agent.reset());
  afterAll(async () => {
    await gateway?.[Symbol.asyncDispose]();
    await agent?.[Symbol.asyncDispose]();
    await folder?.remove();
  });

  const ask = (secret: string, model = 'small', at = '/api/chat', headers = {}) =>
    post(`${gateway.url}${at}`, { model, prompt }, { authorization: `Bearer ${secret}`, ...headers });

  it('answers whoever has one, and passes nothing of it on', async () => {
    expect((await ask(secrets.plain)).status).toBe(200);
    expect((await post(`${gateway.url}/api/chat`, { model: 'small' }, { 'x-api-key': secrets.plain })).status).toBe(
      200,
    );
    expect(agent.on('/api/chat')).toHaveLength(2);
    for (const { headers } of agent.on('/api/chat')) expect(JSON.stringify(headers)).not.toMatch(/mm-|auth|api-key/);
  });

  it.each(['/api/chat', '/v1/chat/completions'])('answers nobody else: %s', async (at) => {
    for (const headers of [{}, { authorization: 'Bearer mm-other' }, { 'x-api-key': 'mm-other' }]) {
      const answer = await post(`${gateway.url}${at}`, { model: 'small' }, headers);
      expect([answer.status, answer.headers['www-authenticate']]).toEqual([401, 'Bearer']);
      if (at.startsWith('/v1/')) expect(jsonOf(answer).error).toMatchObject({ code: 'invalid_api_key' });
      else expect(jsonOf(answer).error).toMatch(/API key/);
    }
    for (const listing of ['/api/tags', '/api/ps', '/v1/models', '/v1/models/small']) {
      expect((await get(gateway.url + listing)).status).toBe(401);
    }
    expect(agent.received).toEqual([]);
  });

  it('answers health checks of anybody, and tells of its fleet only who has a key', async () => {
    for (const check of ['live', 'ready', 'startup']) {
      expect((await get(`${gateway.url}/health/${check}`)).status).toBe(200);
    }
    expect((await get(`${gateway.url}/health`)).status).toBe(401);
    const known = await fetch(`${gateway.url}/health`, { headers: { authorization: `Bearer ${secrets.plain}` } });
    expect(await known.json()).toHaveProperty('models.small');
  });

  it('counts the connections that it ends', async () => {
    const socket = connect(Number(new URL(gateway.url).port), '127.0.0.1');
    socket.end('no HTTP\r\n\r\n');
    await once(socket.resume(), 'close');
    await until(async () =>
      (await get(gateway.metricsUrl)).text.includes('connection_problems_total{problem="malformed"} 1'),
    );
  });

  it('shows and asks only the models of a key', async () => {
    const answer = await ask(secrets.narrow, 'small', '/v1/chat/completions');
    expect([answer.status, jsonOf(answer).error]).toEqual([
      403,
      expect.objectContaining({ message: "this API key may not ask model 'small'", code: 'model_not_allowed' }),
    ]);
    expect((await ask(secrets.narrow, 'large')).status).toBe(200);
    expect(agent.on('/v1/chat/completions')).toEqual([]);
    const listed = async (at: string) =>
      (await fetch(gateway.url + at, { headers: { authorization: `Bearer ${secrets.narrow}` } })).json() as Promise<{
        models: object[];
        data: object[];
      }>;
    expect(names((await listed('/api/tags')).models)).toEqual(['team/large:latest']);
    expect(names((await listed('/v1/models')).data)).toEqual(['team/large:latest']);
  });

  it('takes no more requests in a minute than a key has', async () => {
    const answers = await Promise.all([1, 2, 3, 4].map(() => ask(secrets.few)));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 200, 429, 429]);
    const refused = answers.find(({ status }) => status === 429)!;
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(50);
    expect(Number(refused.headers['retry-after'])).toBeLessThanOrEqual(60);
    expect(agent.on('/api/chat')).toHaveLength(2);
  });

  it('takes no more requests once the tokens of the day are used up', async () => {
    agent.answers['/api/chat'] = json({ done: true, prompt_eval_count: 4, eval_count: 3 });
    expect([(await ask(secrets.thrifty)).status, (await ask(secrets.thrifty)).status]).toEqual([200, 200]);
    await until(async () => (await ask(secrets.thrifty)).status === 429);
    expect(jsonOf(await ask(secrets.thrifty, 'small', '/v1/completions')).error.code).toBe('insufficient_quota');
  });

  it('refuses a priority that is none', async () => {
    const answer = await ask(secrets.plain, 'small', '/api/chat', { 'x-model-management-priority': 'urgent' });
    expect([answer.status, jsonOf(answer).error]).toEqual([
      400,
      'x-model-management-priority must be one of interactive, standard, batch',
    ]);
  });

  /** Puts another file there at once, as a mounted Secret does. */
  const replace = async (text: string) => {
    await writeFile(`${file}.new`, text);
    await rename(`${file}.new`, file);
  };

  it('takes up changed keys without a restart, with what was used before, and logs no key and no prompt', async () => {
    await replace(JSON.stringify({ keys: keys.slice(1) }));
    await until(async () => (await ask(secrets.plain)).status === 401);
    expect((await ask(secrets.few)).status).toBe(429);
    await replace(`{"keys":[{"name":"plain","sha256":"${secrets.plain}"}]}`);
    await until(() => gateway.logged('new configuration refused, the old one stays').length === 1);
    expect((await ask(secrets.narrow, 'large')).status).toBe(200);
    expect(gateway.logged('request').length).toBeGreaterThan(10);
    const logs = JSON.stringify(gateway.logs) + gateway.errors;
    for (const secret of [...Object.values(secrets), prompt, 'mm-other']) expect(logs).not.toContain(secret);
  });
});

it('ends at the start with one line when the file of its keys cannot be read', async () => {
  await using entry = Entry.launch('gateway', gatewayConfig({}, { apiKeysFile: '/nowhere/keys.json' }));
  expect(await entry.ended()).toBe(1);
  expect(entry.errors).toBe('gateway: /nowhere/keys.json: cannot be read (ENOENT): name another in apiKeysFile\n');
});
