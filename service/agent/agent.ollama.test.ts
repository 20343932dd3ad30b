import { readdir, readFile } from 'node:fs/promises';
import { request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { get, jsonOf, open, post, until } from '../testing/client.ts';
import { agentConfig, startAgent } from '../testing/hops.ts';
import { RealOllama } from '../testing/ollama.ts';
import { tinyModel } from '../testing/tiny-model.ts';

const options = { num_predict: 8, seed: 1, temperature: 0 };
/** Seconds of generation; at temperature 0 Ollama would end it as soon as the model repeats itself. */
const endless = { model: 'main', prompt: 'go on', options: { num_predict: 100_000, seed: 1, temperature: 1 } };

/**
 * An agent before a real Ollama, whose models are, by key: three that stay, two of them from one base, and two that do
 * not.
 */
let ollama: RealOllama;
let agent: Awaited<ReturnType<typeof startAgent>>;
const stack = new AsyncDisposableStack();

beforeAll(async () => {
  ollama = stack.use(await RealOllama.start(['team/main:latest', 'team/idle:latest', 'team/other:latest']));
  await ollama.create('team/embed:latest', tinyModel(9, { embeds: true }));
  const derived = { model: 'team/legal:latest', from: 'team/main:latest', system: 'FROM here\nPARAMETER num_ctx 7' };
  await post(`${ollama.url}/api/create`, { ...derived, stream: false });
  const models = {
    main: { name: 'team/main:latest', priority: 'interactive', idleSeconds: 600 },
    legal: { name: 'team/legal:latest', idleSeconds: 600 },
    idle: { name: 'team/idle:latest', idleSeconds: 1 },
    embed: { name: 'team/embed:latest', idleSeconds: 1 },
  } as const;
  agent = stack.use(await startAgent(agentConfig(ollama.url, models)));
  await until(async () => (await get(`${agent.url}/health/ready`)).status === 200);
});
afterAll(() => stack.disposeAsync());

/** The models that Ollama has loaded, as it says itself. */
async function loaded(): Promise<{ name: string; context_length: number }[]> {
  return JSON.parse((await get(`${ollama.url}/api/ps`)).text).models;
}

const names = async () => (await loaded()).map(({ name }) => name).sort();

const ask = (path: string, body: object, url = agent.url) => post(url + path, { stream: false, ...body });

/** How often the agent has loaded a model. */
async function loadsOf(key: string): Promise<number> {
  const text = await agent.metrics.registry.metrics();
  return Number(new RegExp(`^model_loads_total\\{model="${key}",result="success"\\} (\\d+)$`, 'm').exec(text)?.[1]);
}

/** The processes that run the models of the Ollama. */
async function runners(): Promise<string[]> {
  const found: string[] = [];
  for (const id of await readdir('/proc')) {
    const stat = await readFile(`/proc/${id}/stat`, 'utf8').catch(() => '');
    const [, , group] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    // The process group is the one that the Ollama leads.
    if (Number(group) === ollama.pid && Number(id) !== ollama.pid) found.push(id);
  }
  return found.sort();
}

describe('admission', () => {
  it('answers as many at a time as Ollama does, has the allowance wait there, and refuses the rest', async () => {
    const running = [
      await open(`${agent.url}/api/generate`, endless),
      await open(`${agent.url}/api/generate`, endless),
    ];
    for (const answer of running) await new Promise((resolve) => answer.once('data', resolve));
    const third = open(`${agent.url}/api/generate`, { ...endless, options });
    const isFirst = await Promise.race([third.then(() => true), sleep(700).then(() => false)]);
    expect(isFirst).toBe(false);
    const refused = await ask('/api/generate', endless);
    expect(refused).toMatchObject({ status: 503, headers: { 'retry-after': '1' } });
    // Where one is cancelled, the one that waits begins.
    running[0]!.destroy();
    let text = '';
    for await (const chunk of await third) text += chunk;
    expect(text).toContain('"done":true');
    running[1]!.destroy();
    await until(async () => JSON.parse((await get(`${agent.url}/slots`)).text).models.main.inFlight === 0);
  });

  it('lets go of one that leaves while it waits, without a trace', async () => {
    const running = [
      await open(`${agent.url}/api/generate`, endless),
      await open(`${agent.url}/api/generate`, endless),
    ];
    const asked = request(`${agent.url}/api/generate`, { method: 'POST', agent: false });
    asked.on('error', () => {});
    asked.end(JSON.stringify(endless));
    await sleep(200);
    asked.destroy();
    await until(async () => JSON.parse((await get(`${agent.url}/slots`)).text).models.main.inFlight === 2);
    for (const answer of running) answer.destroy();
    const { status } = await ask('/api/generate', { ...endless, options });
    expect(status).toBe(200);
  });
});

describe('runner options', () => {
  it('of a client reload nothing, where without the agent they do', async () => {
    const held = async () => (await loaded()).map(({ name, context_length }) => ({ name, context_length }));
    const before = { runners: await runners(), held: await held() };
    const mine = { num_ctx: 256, num_thread: 2, num_batch: 64, use_mmap: false };
    for (const [path, body] of [
      ['/api/generate', { prompt: 'a', options: { ...options, ...mine } }],
      ['/api/chat', { messages: [{ role: 'user', content: 'a' }], options: { ...options, ...mine } }],
      ['/api/embed', { input: 'a', options: mine }],
      ['/api/embeddings', { prompt: 'a', options: mine }],
      ['/v1/completions', { prompt: 'a', max_tokens: 4, options: mine, num_ctx: 256 }],
    ] as const) {
      expect((await ask(path, { model: 'main', ...body })).status).toBe(200);
    }
    expect(await runners()).toEqual(before.runners);
    expect(await held()).toEqual(before.held);
    // The control, on a model that the agent has nothing to do with.
    const direct = async (more: object) => {
      const body = { model: 'team/other', prompt: 'a', options: { ...options, ...more }, keep_alive: -1 };
      expect((await ask('/api/generate', body, ollama.url)).status).toBe(200);
      const theirs = (await runners()).filter((id) => !before.runners.includes(id));
      expect(theirs).toHaveLength(1);
      return theirs[0];
    };
    const first = await direct({});
    expect(await direct({ seed: 2 })).toBe(first);
    expect(await direct({ num_ctx: 256 })).not.toBe(first);
    await ask('/api/generate', { model: 'team/other', keep_alive: 0 }, ollama.url);
    await until(async () => !(await names()).includes('team/other:latest'));
  });
});

describe('residency', () => {
  it('ends for a model that was unused for its time, and begins again with the next request', async () => {
    await until(async () => (await names()).join() === 'team/main:latest');
    expect((await get(`${agent.url}/health/ready`)).status).toBe(200);
    const before = await loadsOf('idle');
    const answer = await ask('/api/generate', { model: 'idle', prompt: 'a', options });
    expect(answer.status).toBe(200);
    expect(jsonOf(answer).done).toBe(true);
    expect(await names()).toEqual(['team/idle:latest', 'team/main:latest']);
    expect(await loadsOf('idle')).toBe(before + 1);
    await until(async () => !(await names()).includes('team/idle:latest'));
  });

  it('is the same for a model that only embeds', async () => {
    expect((await ask('/api/generate', { model: 'embed', prompt: 'a' })).status).toBe(400);
    const answer = await ask('/api/embed', { model: 'embed', input: 'a' });
    expect([answer.status, jsonOf(answer).embeddings.length]).toEqual([200, 1]);
    expect(await names()).toContain('team/embed:latest');
    await until(async () => !(await names()).includes('team/embed:latest'));
  });

  it('comes about for a client that leaves during the load too, and the next one finds it', async () => {
    await until(async () => !(await names()).includes('team/idle:latest'));
    const before = await loadsOf('idle');
    const asked = request(`${agent.url}/api/generate`, { method: 'POST', agent: false });
    asked.on('error', () => {});
    asked.end(JSON.stringify({ model: 'idle', prompt: 'a', options }));
    await until(async () => (await get(`${agent.url}/health`)).text.includes('"loading"'));
    asked.destroy();
    await until(async () => (await loadsOf('idle')) === before + 1);
    const answer = await ask('/api/generate', { model: 'idle', prompt: 'a', options });
    expect(answer.status).toBe(200);
    expect(await loadsOf('idle')).toBe(before + 1);
  });

  it('is one for models of the same weights', async () => {
    await until(async () => (await runners()).length === 1);
    const before = await runners();
    const answer = await ask('/api/chat', { model: 'legal', messages: [{ role: 'user', content: 'a' }], options });
    expect(answer.status).toBe(200);
    expect(await runners()).toEqual(before);
    expect(JSON.parse((await get(`${agent.url}/health`)).text).models.legal.state).toBe('loaded');
    expect((await names()).filter((name) => /main|legal/.test(name))).toEqual(['team/main:latest']);
  });

  it('ends at the wish of a client', async () => {
    const answer = await ask('/api/generate', { model: 'main', prompt: 'a', options, keep_alive: 0 });
    expect(answer.status).toBe(200);
    await until(async () => !(await names()).includes('team/main:latest'));
    await until(async () => JSON.parse((await get(`${agent.url}/health`)).text).models.main.state === 'unloaded');
    expect((await ask('/api/generate', { model: 'main', prompt: 'a', options })).status).toBe(200);
    await sleep(500);
    expect(await names()).toContain('team/main:latest');
    const own = JSON.parse((await get(`${agent.url}/api/ps`)).text).models;
    const main = own.find(({ name }: { name: string }) => name === 'team/main:latest');
    expect(main).toMatchObject({ size: expect.any(Number) });
    const leftSeconds = (Date.parse(main.expires_at) - Date.now()) / 1000;
    expect(leftSeconds).toBeGreaterThan(500);
    expect(leftSeconds).toBeLessThanOrEqual(600);
  });

  it('passes from one to the next where there is no memory for both', async () => {
    const kept = { name: 'team/idle:latest', idleSeconds: 60 };
    const other = { name: 'team/embed:latest', idleSeconds: 60 };
    agent.hop.configure(agentConfig(ollama.url, { idle: kept, embed: other }, { memoryMiB: 1 }));
    for (const [model, expected] of [
      ['idle', 'team/idle:latest'],
      ['embed', 'team/embed:latest'],
      ['idle', 'team/idle:latest'],
    ] as const) {
      expect((await ask('/api/embed', { model, input: 'a' })).status).toBe(200);
      expect(await names()).toEqual([expected]);
    }
  });
});
