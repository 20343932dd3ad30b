import { once } from 'node:events';
import { Agent, request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import type { AgentConfig } from '../../schema/config.ts';
import { get, jsonOf, open, post, until } from '../testing/client.ts';
import { FakeOllama, json, type Received } from '../testing/fake-ollama.ts';
import { agentConfig, startAgent } from '../testing/hops.ts';
import { freePort } from '../testing/ports.ts';
import type { SlotCount } from './admission.ts';

type Models = Parameters<typeof agentConfig>[1];

const one: Models = { small: { name: 'small:latest', priority: 'standard' } };

let stack: AsyncDisposableStack;
afterEach(() => stack?.disposeAsync());

/** An agent before a fake Ollama that has the models on disk. */
async function start(
  models: Models = one,
  prepare: (ollama: FakeOllama) => void = () => {},
  more: Partial<AgentConfig> = {},
  drainDelayMs = 100,
) {
  stack = new AsyncDisposableStack();
  const ollama = stack.use(await FakeOllama.start(Object.values(models).map(({ name }) => name)));
  prepare(ollama);
  const agent = stack.use(await startAgent(agentConfig(ollama.url, models, more), drainDelayMs));
  return { ollama, agent };
}

const slotsOf = async (agent: { url: string }): Promise<Record<string, SlotCount>> =>
  JSON.parse((await get(`${agent.url}/slots`)).text).models;
const status = async (url: string) => (await get(url)).status;
const ready = (agent: { url: string }) => until(async () => (await status(`${agent.url}/health/ready`)) === 200);
const modelOf = ({ body }: Received) => JSON.parse(body.toString()).model;

describe('loading', () => {
  it('loads every model once, one at a time, those of high priority first', async () => {
    let running = 0;
    let most = 0;
    const { ollama, agent } = await start(
      {
        night: { name: 'night:latest', priority: 'batch' },
        chat: { name: 'chat:latest', priority: 'interactive' },
        other: { name: 'other:latest', priority: 'standard' },
      },
      (ollama) => {
        ollama.beforeLoad = async () => {
          most = Math.max(most, ++running);
          await sleep(50);
          running--;
        };
      },
    );
    await ready(agent);
    expect(ollama.on('/api/generate').map(modelOf)).toEqual(['chat:latest', 'other:latest', 'night:latest']);
    expect(most).toBe(1);
    const text = await agent.metrics.registry.metrics();
    expect(text).toContain('model_loaded{model="chat"} 1');
    expect(text).toContain('model_loads_total{model="chat",result="success"} 1');
    expect(text).toContain('model_load_duration_seconds_count{model="chat",result="success"} 1');
  });

  it('tries a failed load again, later, goes on with the others meanwhile, and says why it is not ready', async () => {
    let failures = 1;
    const { ollama, agent } = await start(
      { small: { name: 'small:latest', priority: 'interactive' }, other: { name: 'other:latest', priority: 'batch' } },
      (ollama) => {
        ollama.beforeLoad = (model) => {
          if (model === 'small:latest' && failures-- > 0) throw new Error('out of memory');
        };
      },
    );
    await until(() => ollama.on('/api/generate').length === 2);
    await until(async () => (await get(`${agent.url}/health`)).text.includes('"loaded"'));
    const { text } = await get(`${agent.url}/health/ready`);
    expect(JSON.parse(text).reason).toBe('small is failed (Ollama answered 500: out of memory)');
    await ready(agent);
    expect(ollama.on('/api/generate').map(modelOf)).toEqual(['small:latest', 'other:latest', 'small:latest']);
    expect(await agent.metrics.registry.metrics()).toContain('model_loads_total{model="small",result="failure"} 1');
  });

  it('gives a load up after its time', async () => {
    const { agent } = await start(
      one,
      (ollama) => {
        ollama.beforeLoad = () => new Promise(() => {});
      },
      { loadTimeoutSeconds: 0.2 },
    );
    await until(async () => (await get(`${agent.url}/health/ready`)).text.includes('not loaded within 0.2 seconds'));
  });

  it('loads a model that only embeds by embedding nothing', async () => {
    const { ollama, agent } = await start(one, ({ answers }) => {
      answers['/api/generate'] = json({ error: '"small:latest" does not support generate' }, 400);
    });
    await ready(agent);
    expect(ollama.on('/api/embed').map(modelOf)).toEqual(['small:latest']);
  });

  it('waits for a model that is not on disk yet', async () => {
    const { ollama, agent } = await start(one, ({ answers }) => {
      answers['/api/tags'] = json({ models: null });
    });
    await until(async () => (await status(`${agent.url}/health/live`)) === 200);
    expect(JSON.parse((await get(`${agent.url}/health/startup`)).text).reason).toBe('not on disk: small:latest');
    expect(ollama.on('/api/generate')).toEqual([]);
    ollama.answers['/api/tags'] = json({ models: [{ name: 'Small:latest' }] });
    await ready(agent);
    expect(await status(`${agent.url}/health/startup`)).toBe(200);
  });

  it('loads what a new configuration brings, and nothing twice', async () => {
    const { ollama, agent } = await start();
    await ready(agent);
    ollama.answers['/api/tags'] = json({ models: [{ name: 'small:latest' }, { name: 'more:latest' }] });
    agent.hop.configure(agentConfig(ollama.url, { ...one, more: { name: 'more', priority: 'batch' } }));
    expect(await status(`${agent.url}/health/ready`)).toBe(503);
    await ready(agent);
    expect(ollama.on('/api/generate').map(modelOf)).toEqual(['small:latest', 'more']);
  });

  it('is waited for by requests, which go on once their model is loaded', async () => {
    const gate = Promise.withResolvers<void>();
    const { ollama, agent } = await start(one, (ollama) => {
      ollama.beforeLoad = () => gate.promise;
    });
    await until(() => ollama.on('/api/generate').length === 1);
    const asked = post(`${agent.url}/v1/chat/completions`, { model: 'small' });
    await sleep(100);
    expect(ollama.on('/v1/chat/completions')).toEqual([]);
    gate.resolve();
    expect((await asked).status).toBe(200);
    expect(ollama.on('/api/generate')).toHaveLength(1);
  });

  it('that fails is told to those who wait, in their dialect', async () => {
    const gate = Promise.withResolvers<void>();
    const { ollama, agent } = await start(one, (ollama) => {
      ollama.beforeLoad = () => gate.promise;
    });
    await until(() => ollama.on('/api/generate').length === 1);
    const asking = Promise.all([
      post(`${agent.url}/v1/chat/completions`, { model: 'small' }),
      post(`${agent.url}/api/chat`, { model: 'small' }),
    ]);
    await until(async () => (await slotsOf(agent)).small!.inFlight === 2);
    gate.reject(new Error('no such device'));
    const asked = await asking;
    for (const { status, headers } of asked) {
      expect([status, Number(headers['retry-after']) >= 1]).toEqual([503, true]);
    }
    expect(jsonOf(asked[0]!).error).toMatchObject({
      message: expect.stringMatching('no such device'),
      type: 'api_error',
    });
    expect(jsonOf(asked[1]!).error).toMatch("model 'small' could not be loaded: Ollama answered 500: no such device");
  });
});

describe('watching Ollama', () => {
  it('starts before Ollama is there, and loads again when another Ollama has taken its place', async () => {
    stack = new AsyncDisposableStack();
    const port = await freePort();
    const url = `http://127.0.0.1:${port}`;
    const agent = stack.use(await startAgent(agentConfig(url, one)));
    expect(JSON.parse((await get(`${agent.url}/health/live`)).text).reason).toContain('Ollama does not answer: ');
    expect((await get(`${agent.url}/health`)).status).toBe(200);
    const first = await FakeOllama.start(['small:latest'], port);
    await ready(agent);
    await first[Symbol.asyncDispose]();
    const second = stack.use(await FakeOllama.start(['small:latest'], port));
    const gate = Promise.withResolvers<void>();
    second.beforeLoad = () => gate.promise;
    await until(() => second.on('/api/generate').length === 1, 1000);
    expect(await status(`${agent.url}/health/ready`)).toBe(503);
    expect(await agent.metrics.registry.metrics()).toContain('model_loaded{model="small"} 0');
    gate.resolve();
    await ready(agent);
    expect(second.on('/api/generate').map(modelOf)).toEqual(['small:latest']);
  });

  it('asks Ollama nothing for a health path', async () => {
    const { ollama, agent } = await start();
    await ready(agent);
    await until(() => ollama.on('/api/ps').length === 1);
    const asked = ollama.received.length;
    for (const path of ['', '/live', '/ready', '/startup']) await get(`${agent.url}/health${path}`);
    await Promise.all(Array.from({ length: 50 }, () => get(`${agent.url}/health/ready`)));
    expect(ollama.received.length - asked).toBeLessThan(5);
    expect(ollama.on('/api/ps')).toHaveLength(1);
  });

  it('says 503 when Ollama is gone', async () => {
    const { ollama, agent } = await start();
    await ready(agent);
    await ollama[Symbol.asyncDispose]();
    expect((await post(`${agent.url}/api/chat`, { model: 'small' })).status).toBe(503);
    expect((await get(`${agent.url}/api/tags`)).status).toBe(503);
  });
});

describe('requests', () => {
  it('offers what asks a model and nothing that changes Ollama', async () => {
    const { ollama, agent } = await start();
    await ready(agent);
    for (const path of ['/api/pull', '/api/push', '/api/create', '/api/copy', '/api/delete']) {
      expect((await post(agent.url + path, { model: 'small' })).status).toBe(404);
    }
    expect((await fetch(`${agent.url}/api/delete`, { method: 'DELETE' })).status).toBe(404);
    expect(ollama.received.filter(({ path }) => /pull|push|create|copy|delete/.test(path))).toEqual([]);
  });

  it('passes on an answer that comes before the body was read, and keeps the connection fit for the next request', async () => {
    const { ollama, agent } = await start();
    await ready(agent);
    ollama.early['/api/chat'] = json({ error: 'no' }, 400);
    const keeping = new Agent({ keepAlive: true, maxSockets: 1 });
    for (const [path, expected] of [
      ['/api/chat', 400],
      ['/api/embed', 200],
      ['/api/chat', 400],
      ['/api/embed', 200],
    ] as const) {
      const asked = request(agent.url + path, { method: 'POST', agent: keeping });
      asked.end(`{"model":"small"${' '.repeat(8 * 1024 ** 2)}}`);
      const [answer] = await once(asked, 'response');
      expect(answer.statusCode).toBe(expected);
      await once(answer.resume(), 'end');
    }
    keeping.destroy();
  });

  it('are counted by the key of their model, and as unknown where there is none', async () => {
    const { agent } = await start();
    await ready(agent);
    const told = { 'x-model-management-model': 'small' };
    expect((await post(`${agent.url}/api/chat`, { model: 'small:latest' }, told)).status).toBe(200);
    expect((await post(`${agent.url}/api/chat`, { model: 'SMALL' })).status).toBe(200);
    expect((await post(`${agent.url}/api/chat`, { model: '__proto__' })).status).toBe(404);
    const text = await agent.metrics.registry.metrics();
    expect(text).toContain('model_request_total{model="small",route="/api/chat",status="2xx"} 2');
    expect(text).toContain('model_request_total{model="unknown",route="/api/chat",status="4xx"} 1');
    expect(text).toContain('model_requests_rejected_total{model="unknown",reason="unknown_model"} 1');
  });
});

describe('drain', () => {
  it('is not ready at once, serves a little longer, then refuses, and answers when nothing is in flight', async () => {
    let finish = () => {};
    const holdsOpen = ({ answers }: FakeOllama) => {
      answers['/api/chat'] = (response) => {
        response.writeHead(200).write('{}\n');
        finish = () => response.end('{"done":true}\n');
      };
    };
    // A busy machine takes a while between two requests of this test.
    const { agent } = await start(one, holdsOpen, {}, 2000);
    await ready(agent);
    const running = await open(`${agent.url}/api/chat`, { model: 'small' });
    let answered = false;
    const drained = get(`${agent.url}/drain`).then((answer) => {
      answered = true;
      return answer;
    });
    await until(async () => JSON.parse((await get(`${agent.url}/health/ready`)).text).reason === 'draining');
    expect((await post(`${agent.url}/api/embed`, { model: 'small' })).status).toBe(200);
    await until(() => agent.drain.refusing);
    expect(await post(`${agent.url}/api/embed`, { model: 'small' })).toMatchObject({
      status: 503,
      headers: { 'retry-after': '1' },
    });
    expect(answered).toBe(false);
    finish();
    let text = '';
    for await (const chunk of running) text += chunk;
    expect(text).toBe('{}\n{"done":true}\n');
    expect(await drained).toEqual({ status: 200, text: '{"drained":true,"inFlight":0}' });
    expect(await status(`${agent.url}/health/live`)).toBe(200);
  });

  it('ends when the generation timeout has passed, whatever still runs', async () => {
    const { agent } = await start(
      one,
      ({ answers }) => {
        answers['/api/chat'] = (response) => {
          response.writeHead(200).write('{}\n');
        };
      },
      { generationTimeoutSeconds: 0.5 },
    );
    await ready(agent);
    const running = await open(`${agent.url}/api/chat`, { model: 'small' });
    running.on('error', () => {});
    expect((await get(`${agent.url}/drain`)).status).toBe(200);
  });

  it('closes idle connections when it begins to refuse, so that their clients go elsewhere', async () => {
    const { agent } = await start();
    const keeping = new Agent({ keepAlive: true, maxSockets: 1 });
    const asked = request(`${agent.url}/health`, { agent: keeping }).end();
    const [answer] = await once(asked, 'response');
    await once(answer.resume(), 'end');
    const closed = once(asked.socket!, 'close').then(() => agent.drain.refusing);
    await get(`${agent.url}/drain`);
    expect(await closed).toBe(true);
  });

  it('is not begun by HEAD', async () => {
    const { agent } = await start();
    await fetch(`${agent.url}/drain`, { method: 'HEAD' });
    expect(agent.drain.draining).toBe(false);
  });
});
