import { once } from 'node:events';
import { request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import type { AgentConfig } from '../../schema/config.ts';
import { get, jsonOf, post, until } from '../testing/client.ts';
import { FakeOllama, json } from '../testing/fake-ollama.ts';
import { agentConfig, startAgent } from '../testing/hops.ts';

type Models = Parameters<typeof agentConfig>[1];

const small: Models = { small: { name: 'team/small:latest' } };
const told = { 'x-model-management-model': 'small' };

let stack: AsyncDisposableStack;
afterEach(() => stack?.disposeAsync());

/** An agent before a fake Ollama that holds the answers of /api/chat until they are let go. */
async function start(models: Models = small, more: Partial<AgentConfig> = {}) {
  stack = new AsyncDisposableStack();
  const ollama = stack.use(await FakeOllama.start(Object.values(models).map(({ name }) => name)));
  let release = Promise.withResolvers<void>();
  ollama.answers['/api/chat'] = async (response, received) => {
    await release.promise;
    return json({ done: true })(response, received);
  };
  const finish = () => {
    release.resolve();
    release = Promise.withResolvers();
  };
  stack.defer(() => release.resolve());
  const agent = stack.use(await startAgent(agentConfig(ollama.url, models, more), 100));
  await until(async () => (await get(`${agent.url}/health/ready`)).status === 200);
  const slots = async () => JSON.parse((await get(`${agent.url}/slots`)).text).models;
  return { ollama, agent, url: agent.url, finish, slots };
}

describe('a request beyond the slots', () => {
  it('is told so at once, before its body is read, and one that comes when an answer has ended is not', async () => {
    const { url, ollama, agent, finish, slots } = await start();
    const running = [1, 2, 3].map(() => post(`${url}/api/chat`, { model: 'small' }, told));
    await until(() => ollama.on('/api/chat').length === 3);
    expect(await slots()).toEqual({ small: { slots: 3, inFlight: 3 } });
    const asked = request(`${url}/v1/chat/completions`, {
      method: 'POST',
      headers: { ...told, 'content-length': '9999' },
    });
    asked.flushHeaders();
    asked.on('error', () => {});
    const [refused] = await once(asked, 'response');
    expect(refused).toMatchObject({ statusCode: 503, headers: { 'retry-after': '1' } });
    let text = '';
    for await (const chunk of refused) text += chunk;
    expect(JSON.parse(text).error).toMatchObject({
      message: "model 'small' has as many requests here as it takes at a time",
      type: 'api_error',
    });
    asked.destroy();
    const other = await post(`${url}/api/chat`, { model: 'small' });
    expect([other.status, jsonOf(other).error]).toEqual([503, expect.stringMatching('as many requests')]);
    finish();
    expect((await Promise.all(running)).map(({ status }) => status)).toEqual([200, 200, 200]);
    expect(await slots()).toEqual({ small: { slots: 3, inFlight: 0 } });
    expect((await post(`${url}/api/embed`, { model: 'small' })).status).toBe(200);
    const metrics = await agent.metrics.registry.metrics();
    expect(metrics).toContain('model_requests_rejected_total{model="small",reason="full"} 2');
  });

  it('has room again when a client has left', async () => {
    const { url, ollama, slots } = await start(small, { parallel: 1, allowance: 0 });
    const asked = request(`${url}/api/chat`, { method: 'POST', headers: told });
    asked.on('error', () => {});
    asked.end('{"model":"small"}');
    await until(() => ollama.on('/api/chat').length === 1);
    expect((await post(`${url}/api/embed`, { model: 'small' })).status).toBe(503);
    asked.destroy();
    await until(async () => (await slots()).small.inFlight === 0);
    expect((await post(`${url}/api/embed`, { model: 'small' })).status).toBe(200);
  });

  it('may still ask what a model is, which takes no slot', async () => {
    const { url, ollama, finish } = await start(small, { parallel: 1, allowance: 0 });
    const running = post(`${url}/api/chat`, { model: 'small' });
    await until(() => ollama.on('/api/chat').length === 1);
    for (const body of [{ model: 'small' }, { name: 'small' }]) {
      expect((await post(`${url}/api/show`, body)).status).toBe(200);
      const [shown] = ollama.on('/api/show').slice(-1);
      expect(Object.values(JSON.parse(shown!.body.toString()))).toEqual(['team/small:latest']);
    }
    finish();
    await running;
  });

  it('is seen in the metrics that inference gateways choose pods by', async () => {
    const { url, ollama, agent, finish } = await start();
    const figures = async () => {
      const text = await agent.metrics.registry.metrics();
      const figure = (name: string) => Number(new RegExp(`^${name} (.*)$`, 'm').exec(text)?.[1]);
      return ['num_requests_running', 'num_requests_waiting', 'kv_cache_usage_ratio'].map((name) =>
        figure(`ollama_${name}`),
      );
    };
    expect(await figures()).toEqual([0, 0, 0]);
    const first = post(`${url}/api/chat`, { model: 'small' });
    await until(() => ollama.on('/api/chat').length === 1);
    expect(await figures()).toEqual([1, 0, 0.5]);
    const rest = [1, 2].map(() => post(`${url}/api/chat`, { model: 'small' }));
    await until(() => ollama.on('/api/chat').length === 3);
    expect(await figures()).toEqual([2, 1, 1]);
    finish();
    await Promise.all([first, ...rest]);
    expect(await figures()).toEqual([0, 0, 0]);
  });
});

describe('the model of a request', () => {
  it.each([
    ['{ "model" : "small", "x":1}', '{ "model" : "team/small:latest", "x":1}'],
    ['{"MODEL":"Small:latest"}', '{"MODEL":"team/small:latest"}'],
    ['{ "x":[1, 2 ],"model":"Team/small"}', '{ "x":[1, 2 ],"model":"Team/small"}'],
  ])('is found by its key and by its name: %s', async (sent, passed) => {
    const { url, ollama } = await start();
    expect((await post(`${url}/v1/completions`, sent)).status).toBe(200);
    const [received] = ollama.on('/v1/completions');
    expect(received!.body.toString()).toBe(passed);
    expect(Object.keys(received!.headers).sort()).toEqual(['connection', 'content-length', 'host', 'x-request-id']);
  });

  it.each<[string, string, object | string, Record<string, string>, number, string]>([
    ['is unknown', '/v1/chat/completions', { model: 'other' }, {}, 404, "model 'other' not found"],
    ['is missing', '/api/chat', { messages: [] }, {}, 400, 'model is required'],
    ['is in no JSON', '/api/chat', '{', {}, 400, 'not valid JSON'],
    ['is another than was said', '/api/chat', { model: 'other' }, told, 404, "model 'other' not found"],
    ['is another of them than was said', '/api/chat', { model: 'large' }, told, 400, "for model 'small', but asks for"],
    [
      'is one that the gateway knows first',
      '/api/chat',
      { model: 'new' },
      { 'x-model-management-model': 'new' },
      503,
      "does not have model 'new' yet",
    ],
    ['is in a body too large', '/api/chat', `{"model":"small"${' '.repeat(1024 ** 2)}}`, {}, 413, 'limit is 1 MiB'],
  ])('that %s is answered in the dialect', async (_title, path, body, headers, status, message) => {
    const { url, ollama, slots } = await start({ ...small, large: { name: 'large' } }, { maxBodyMiB: 1 });
    const answer = await post(url + path, body, headers);
    const { error } = jsonOf(answer);
    expect([answer.status, error.message ?? error]).toEqual([status, expect.stringMatching(message)]);
    expect(typeof error).toBe(path.startsWith('/v1/') ? 'object' : 'string');
    expect(ollama.on(path)).toEqual([]);
    expect((await slots()).small.inFlight).toBe(0);
  });
});

describe('runner options', () => {
  const body = '{"model":"team/small:latest", "options": {"num_ctx":9,"seed": 1},"prompt":"a"}';

  it('give way to those of the model, as its configuration says, and nothing else changes', async () => {
    const { url, ollama } = await start();
    expect((await post(`${url}/api/generate`, body)).status).toBe(200);
    const passed = ollama.on('/api/generate').at(-1)!.body.toString();
    expect(passed).toBe('{"model":"team/small:latest", "options": {"seed": 1},"prompt":"a"}');
  });

  it('are refused, with what is served, where that is what the configuration says', async () => {
    const { url, ollama, agent } = await start({ small: { ...small.small!, runnerOptions: 'refuse' } });
    await until(() => ollama.on('/api/ps').length > 0);
    const answer = await post(`${url}/api/generate`, body);
    expect(answer.status).toBe(400);
    expect(jsonOf(answer).error).toMatch(/^num_ctx cannot be set .* its own \(4096\), .*: leave it out$/);
    expect(ollama.loads).toHaveLength(1);
    const metrics = await agent.metrics.registry.metrics();
    expect(metrics).toContain('model_requests_rejected_total{model="small",reason="runner_option"} 1');
  });
});

describe('keep_alive', () => {
  const unpinned = { small: { name: 'team/small:latest', idleSeconds: 600 } };
  const isAway = (ollama: FakeOllama) => until(() => ollama.loaded.size === 0);

  it('of 0 has the model unloaded after the answer, and loaded again for the next', async () => {
    const { url, ollama, finish } = await start(unpinned);
    const asked = post(`${url}/api/chat`, { model: 'small', messages: [{}], keep_alive: '0s' });
    await until(() => ollama.on('/api/chat').length === 1);
    await sleep(100);
    expect(ollama.loaded.size).toBe(1);
    finish();
    await asked;
    await isAway(ollama);
    expect((await post(`${url}/api/embed`, { model: 'small', keep_alive: 0 })).status).toBe(200);
    await isAway(ollama);
    expect(ollama.history.filter((event) => event.startsWith('load'))).toHaveLength(2);
  });

  it('of 0 alone unloads, and does not load what is not loaded', async () => {
    const { url, ollama, finish } = await start(unpinned);
    for (const _turn of [1, 2]) {
      expect((await post(`${url}/api/generate`, { model: 'small', prompt: '', keep_alive: 0 })).status).toBe(200);
      await isAway(ollama);
    }
    await until(async () => JSON.parse((await get(`${url}/api/ps`)).text).models.length === 0);
    const asked = post(`${url}/api/chat`, '{"model":"small","messages":[ ],"keep_alive":0}');
    await until(() => ollama.on('/api/chat').length === 1);
    finish();
    expect((await asked).status).toBe(200);
    expect(ollama.history).toEqual(['load team/small:latest', 'unload team/small:latest']);
  });

  it('of a request that only loads is for after a load by the agent', async () => {
    const { url, ollama } = await start(unpinned);
    await post(`${url}/api/generate`, { model: 'small', keep_alive: 0 });
    await isAway(ollama);
    expect((await post(`${url}/api/generate`, { model: 'small', prompt: '', keep_alive: '5m' })).status).toBe(200);
    expect(ollama.loads.slice(-2).map(({ keep_alive }) => keep_alive)).toEqual([-1, '5m']);
  });

  it('has no say over a model that stays', async () => {
    const { url, ollama, finish } = await start({ small: { name: 'team/small:latest', idleSeconds: 0 } });
    expect((await post(`${url}/api/generate`, { model: 'small', prompt: '', keep_alive: 0 })).status).toBe(200);
    const asked = post(`${url}/api/chat`, '{"model":"team/small", "keep_alive": "1s" ,"messages":[{}]}');
    await until(() => ollama.on('/api/chat').length === 1);
    finish();
    await asked;
    expect(ollama.on('/api/chat')[0]!.body.toString()).toBe(
      '{"model":"team/small", "keep_alive": -1 ,"messages":[{}]}',
    );
    await sleep(100);
    expect(ollama.history).toEqual(['load team/small:latest']);
  });

  it('is none of the OpenAI dialect', async () => {
    const { url, ollama } = await start(unpinned);
    await post(`${url}/v1/completions`, { model: 'small', prompt: 'a', keep_alive: 0 });
    await sleep(100);
    expect(ollama.loaded.size).toBe(1);
  });
});

describe('listings', () => {
  it('tell what is loaded, and of the models on disk those that can be asked', async () => {
    const { url, ollama } = await start({ ...small, idle: { name: 'idle', idleSeconds: 60 } });
    ollama.answers['/v1/models'] = json({ object: 'list', data: [{ id: 'team/small:latest', n: 1 }, { id: 'base' }] });
    const list = JSON.parse((await get(`${url}/v1/models`)).text);
    expect(list).toEqual({ object: 'list', data: [{ id: 'team/small:latest', n: 1 }] });
    expect(JSON.parse((await get(`${url}/api/tags`)).text).models).toHaveLength(2);
    await until(async () => JSON.parse((await get(`${url}/api/ps`)).text).models.length === 2);
    const { models } = JSON.parse((await get(`${url}/api/ps`)).text);
    expect(models[0]).toMatchObject({ name: 'team/small:latest', size: 1, expires_at: '2318-01-01T00:00:00Z' });
    expect(Date.parse(models[1].expires_at)).toBeLessThan(Date.now() + 60_000);
    ollama.answers['/v1/models'] = json({ error: 'no' }, 500);
    expect((await get(`${url}/v1/models`)).status).toBe(503);
  });
});

describe('reservations', () => {
  const ask = (url: string, gateway: string, model = 'small') =>
    post(`${url}/slots/${model}`, '', gateway ? { 'x-model-management-gateway': gateway } : {});

  it('are made for gateways, and used by their requests', async () => {
    const { url, ollama, finish } = await start(small, { parallel: 1, allowance: 0 });
    const from = (gateway: string) => ({ ...told, 'x-model-management-gateway': gateway });
    const running = post(`${url}/api/chat`, { model: 'small' }, from('a'));
    await until(() => ollama.on('/api/chat').length === 1);
    const waiting = ask(url, 'b');
    await sleep(50);
    finish();
    expect(jsonOf(await waiting)).toMatchObject({ reserved: true });
    await running;
    expect((await post(`${url}/api/embed`, { model: 'small' }, from('a'))).status).toBe(503);
    expect((await post(`${url}/api/embed`, { model: 'small' }, from('b'))).status).toBe(200);
    expect(ollama.on('/api/embed')[0]!.headers).not.toHaveProperty('x-model-management-gateway');
  });

  it('are forgotten when the gateway has left', async () => {
    const { url, ollama, finish } = await start(small, { parallel: 1, allowance: 0 });
    const running = post(`${url}/api/chat`, { model: 'small' });
    await until(() => ollama.on('/api/chat').length === 1);
    const asked = request(`${url}/slots/small`, { method: 'POST', headers: { 'x-model-management-gateway': 'b' } });
    asked.on('error', () => {});
    asked.end();
    await sleep(50);
    asked.destroy();
    await sleep(50);
    finish();
    await running;
    expect((await post(`${url}/api/embed`, { model: 'small' })).status).toBe(200);
  });

  it('are for gateways alone, and for models that are here', async () => {
    const { url } = await start();
    expect((await ask(url, '')).status).toBe(400);
    expect((await ask(url, 'a'.repeat(300))).status).toBe(400);
    expect((await ask(url, 'a', 'other')).status).toBe(404);
    expect(jsonOf(await ask(url, 'a'))).toEqual({ reserved: true, shared: false });
  });

  it('and slots are over when the agent drains', async () => {
    const { url, agent, ollama, finish, slots } = await start(small, { parallel: 1, allowance: 0 });
    const running = post(`${url}/api/chat`, { model: 'small' });
    await until(() => ollama.on('/api/chat').length === 1);
    const waiting = ask(url, 'a');
    const drained = get(`${url}/drain`);
    expect(jsonOf(await waiting)).toEqual({ reserved: false, shared: true });
    expect(agent.drain.refusing).toBe(true);
    expect(await slots()).toEqual({ small: { slots: 0, inFlight: 1 } });
    expect((await ask(url, 'a')).status).toBe(503);
    finish();
    expect((await running).status).toBe(200);
    await drained;
  });
});
