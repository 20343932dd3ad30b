import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { GatewayConfig } from '../../schema/config.ts';
import { Drain } from '../shared/drain.ts';
import { Refusal } from '../shared/errors.ts';
import { createApp } from '../shared/http.ts';
import { createLogger } from '../shared/logging.ts';
import { Upstreams } from '../shared/upstream.ts';
import { until } from '../testing/client.ts';
import { FakeOllama, json } from '../testing/fake-ollama.ts';
import { nowhere } from '../testing/gateway.ts';
import { gatewayConfig, gatewayModel } from '../testing/hops.ts';
import { Catalog } from './catalog.ts';
import { addListings, type Clients } from './listings.ts';
import { Routing } from './routing.ts';

const everybody: Clients = { identify: () => ({ mayAsk: () => true, checkModel: () => {} }) };

/** The listings of a configuration, whose servers have the replicas that it says, or else one. */
async function serve(config: GatewayConfig, keys = everybody) {
  const log = createLogger('test', 'error');
  log.level = 'silent';
  const upstreams = new Upstreams();
  const app = createApp(log, new Drain(0, () => 0));
  const routing = () => new Routing(config);
  const urls = (server: string) => config.servers[server]!.replicas ?? [config.servers[server]!.url];
  addListings(app, { catalog: new Catalog(upstreams, routing, urls, log), routing, keys });
  await app.listen({ host: '127.0.0.1', port: 0 });
  const { port } = app.server.address() as AddressInfo;
  return {
    async get(path: string, headers: Record<string, string> = {}) {
      const answer = await fetch(`http://127.0.0.1:${port}${path}`, { headers });
      return { status: answer.status, body: JSON.parse(await answer.text()) };
    },
    async [Symbol.asyncDispose]() {
      await upstreams.destroy();
      app.server.closeAllConnections();
      await app.close();
    },
  };
}

const withReplicas = (...replicas: string[]): GatewayConfig => {
  const config = gatewayConfig({ small: nowhere });
  config.servers['server-small']!.replicas = replicas;
  return config;
};

const details = { format: 'gguf', family: 'llama' };
const modified_at = '2026-01-02T03:04:05Z';
const small = { name: 'Team/Small:latest', model: 'Team/Small:latest', modified_at, size: 7, digest: 'd', details };
const other = { name: 'base:1b', model: 'base:1b', modified_at, size: 9, digest: 'e', details };

let agent: FakeOllama;
beforeAll(async () => {
  agent = await FakeOllama.start();
});
beforeEach(() => {
  agent.reset();
  agent.answers['/api/tags'] = json({ models: [small, other] });
});
afterAll(() => agent[Symbol.asyncDispose]());

describe('/api/tags and /v1/models', () => {
  const created = 1767323045;

  it('list every configured model, with the details of those servers that answer', async () => {
    await using gateway = await serve(gatewayConfig({ small: agent.url, gone: nowhere }));
    const { models } = (await gateway.get('/api/tags')).body;
    expect(models).toHaveLength(2);
    expect(models[0]).toEqual(small);
    expect(models[1]).toMatchObject({ name: 'team/gone:latest', size: 0, digest: '0'.repeat(64) });
    expect((await gateway.get('/v1/models')).body).toEqual({
      object: 'list',
      data: [
        { id: 'Team/Small:latest', object: 'model', created, owned_by: 'Team' },
        { id: 'team/gone:latest', object: 'model', created: 0, owned_by: 'team' },
      ],
    });
  });

  it('list a model under its aliases too', async () => {
    const models = { small: gatewayModel('small', { aliases: ['gpt-4o-mini', 'openai/gpt:4'] }) };
    await using gateway = await serve(gatewayConfig({ small: agent.url }, { models }));
    expect((await gateway.get('/api/tags')).body.models).toEqual([
      small,
      { ...small, name: 'gpt-4o-mini:latest', model: 'gpt-4o-mini:latest' },
      { ...small, name: 'openai/gpt:4', model: 'openai/gpt:4' },
    ]);
    expect((await gateway.get('/v1/models')).body.data).toEqual(
      ['Team/Small:latest', 'gpt-4o-mini', 'openai/gpt:4'].map((id) => ({
        ...{ id, object: 'model', created, owned_by: 'Team' },
      })),
    );
  });

  it('show one model under any of its names', async () => {
    const models = { small: gatewayModel('small', { aliases: ['gpt-4o-mini'] }) };
    await using gateway = await serve(gatewayConfig({ small: agent.url }, { models }));
    for (const id of ['small', 'team/small', 'TEAM/small:latest', 'gpt-4o-mini']) {
      const shown = { id, object: 'model', created, owned_by: 'Team' };
      expect((await gateway.get(`/v1/models/${id}`)).body).toEqual(shown);
      expect((await gateway.get(`/v1/models/${encodeURIComponent(id)}`)).body).toEqual(shown);
    }
    const answer = await gateway.get('/v1/models/base:1b');
    expect(answer.status).toBe(404);
    expect(answer.body.error).toEqual({
      ...{ message: "model 'base:1b' not found", type: 'invalid_request_error' },
      ...{ param: 'model', code: 'model_not_found' },
    });
  });

  it('do not wait for a server that hangs', async () => {
    await using hanging = await FakeOllama.start();
    hanging.answers['/api/tags'] = () => {};
    await using gateway = await serve(gatewayConfig({ small: agent.url, hanging: hanging.url }));
    const began = performance.now();
    expect((await gateway.get('/api/tags')).body.models).toMatchObject([{ size: 7 }, { size: 0 }]);
    expect(performance.now() - began).toBeLessThan(10_000);
  });

  it('have the details from another replica where the first is away or hangs', async () => {
    await using hanging = await FakeOllama.start();
    hanging.answers['/api/tags'] = () => {};
    await using gateway = await serve(withReplicas(nowhere, hanging.url, agent.url));
    expect((await gateway.get('/api/tags')).body.models).toEqual([small]);
  });

  it('keep the details of a server that goes away', async () => {
    await using gateway = await serve(gatewayConfig({ small: agent.url }));
    await gateway.get('/api/tags');
    agent.answers['/api/tags'] = json({ error: 'busy' }, 503);
    await until(async () => {
      await gateway.get('/api/tags');
      return agent.on('/api/tags').length > 1;
    });
    expect((await gateway.get('/api/tags')).body.models).toEqual([small]);
  });

  it('ask one agent of a server, and once for many clients', async () => {
    await using second = await FakeOllama.start();
    await using gateway = await serve(withReplicas(agent.url, second.url));
    await Promise.all(Array.from({ length: 20 }, () => gateway.get('/api/tags')));
    expect(agent.on('/api/tags')).toHaveLength(1);
    expect(second.received).toEqual([]);
  });
});

describe('/api/version', () => {
  it("is the lowest of the servers'", async () => {
    await using older = await FakeOllama.start();
    older.answers['/api/version'] = json({ version: '0.9.6' });
    await using gateway = await serve(gatewayConfig({ small: agent.url, older: older.url, gone: nowhere }));
    expect((await gateway.get('/api/version')).body).toEqual({ version: '0.9.6' });
  });

  it('is 503 before one is known', async () => {
    await using gateway = await serve(gatewayConfig({ gone: nowhere }));
    expect((await gateway.get('/api/version')).status).toBe(503);
  });
});

describe('/api/ps', () => {
  const resident = (size: number, expires_at: string, more: object = {}) => ({
    ...{ name: small.name, model: small.name, size, digest: 'd', details, expires_at, size_vram: size },
    ...more,
  });

  it('lists what is loaded anywhere: each model once, the largest, for as long as one has it, the last to go first', async () => {
    const [early, late] = ['2026-01-01T01:00:00.123456789+01:00', '2026-01-01T00:30:00.5Z'];
    const name = 'team/big:latest';
    await using second = await FakeOllama.start();
    await using third = await FakeOllama.start();
    agent.answers['/api/ps'] = json({ models: [resident(7, late)] });
    const big = resident(99, '2318-01-01T00:00:00Z', { name, model: name });
    second.answers['/api/ps'] = json({ models: [resident(8, early), big] });
    // Of an agent that cannot tell nothing is known.
    third.answers['/api/ps'] = json({ error: 'loading' }, 503);
    const config = gatewayConfig({ small: nowhere, big: second.url, idle: third.url });
    config.servers['server-small']!.replicas = [agent.url, second.url, third.url, nowhere];
    await using gateway = await serve(config);
    expect((await gateway.get('/api/ps')).body).toEqual({ models: [big, resident(8, late)] });
  });

  it('lists no model that is not configured, and nothing where nothing is loaded', async () => {
    agent.answers['/api/ps'] = json({ models: [resident(9, modified_at, { name: 'base:1b', model: 'base:1b' })] });
    await using second = await FakeOllama.start();
    second.answers['/api/ps'] = json({ models: [] });
    await using gateway = await serve(withReplicas(agent.url, second.url));
    expect((await gateway.get('/api/ps')).body).toEqual({ models: [] });
  });

  it('does not wait for an agent that hangs, and asks each once for many clients', async () => {
    await using hanging = await FakeOllama.start();
    hanging.answers['/api/ps'] = () => {};
    agent.answers['/api/ps'] = json({ models: [resident(7, modified_at)] });
    await using gateway = await serve(withReplicas(hanging.url, agent.url));
    const answers = await Promise.all(Array.from({ length: 20 }, () => gateway.get('/api/ps')));
    for (const { body } of answers) expect(body.models).toMatchObject([{ size: 7 }]);
    expect([hanging, agent].map((fake) => fake.on('/api/ps').length)).toEqual([1, 1]);
  });
});

describe('to a client that may ask for some models alone', () => {
  const keys: Clients = {
    identify: ({ authorization }) => {
      const mayAsk = (key: string) => authorization === `Bearer ${key}`;
      const checkModel = (key: string) => {
        if (!mayAsk(key)) throw new Refusal(403, 'not for you');
      };
      return { mayAsk, checkModel };
    },
  };
  const headers = { authorization: 'Bearer small' };

  it('all listings show those and no others', async () => {
    const name = 'team/secret:latest';
    agent.answers['/api/ps'] = json({ models: [small, { ...small, name }].map((tag) => ({ ...tag, expires_at: '' })) });
    const config = gatewayConfig({ small: agent.url, secret: agent.url });
    config.models.secret!.aliases = ['hidden'];
    await using gateway = await serve(config, keys);
    expect((await gateway.get('/api/tags', headers)).body.models).toEqual([small]);
    expect((await gateway.get('/api/ps', headers)).body.models).toMatchObject([{ name: small.name }]);
    expect((await gateway.get('/v1/models', headers)).body.data).toMatchObject([{ id: small.name }]);
    expect((await gateway.get('/v1/models/small', headers)).status).toBe(200);
    for (const hidden of ['secret', 'hidden', name]) {
      expect((await gateway.get(`/v1/models/${hidden}`, headers)).status).toBe(403);
    }
  });
});
