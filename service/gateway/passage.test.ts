import { hash } from 'node:crypto';
import { mkdtempDisposable, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { GatewayConfig, GatewayModel } from '../../schema/config.ts';
import type { Queue } from '../../schema/types.ts';
import { type Answer, jsonOf, post, until } from '../testing/client.ts';
import { FakeOllama, json } from '../testing/fake-ollama.ts';
import { nowhere } from '../testing/gateway.ts';
import { gatewayConfig, gatewayModel, startGateway } from '../testing/hops.ts';

/** Two replicas of one server, and one of another. */
const agents: FakeOllama[] = [];
let gateway: Awaited<ReturnType<typeof startGateway>>;

beforeAll(async () => {
  for (let n = 0; n < 3; n++) agents.push(await FakeOllama.start());
});
beforeEach(async () => {
  for (const agent of agents) agent.reset();
  return async () => gateway[Symbol.asyncDispose]();
});
afterAll(async () => {
  for (const agent of agents) await agent[Symbol.asyncDispose]();
});

interface Shape {
  replicas?: string[];
  slots?: number;
  queue?: Partial<Queue>;
  fallbacks?: string[];
  canary?: GatewayModel['canary'];
}

/** The model `large` on the first two replicas unless it says otherwise, and `small` on the third. */
function fleet({
  replicas = [agents[0]!.url, agents[1]!.url],
  slots = 1,
  queue = {},
  fallbacks = [],
  canary,
}: Shape): GatewayConfig {
  const line = { depth: 8, waitSeconds: 5, holdSeconds: 5, ...queue };
  const large = gatewayModel('large', { fallbacks, ...(canary && { canary }), queue: line });
  return gatewayConfig(
    { small: agents[2]!.url },
    {
      models: { large, small: gatewayModel('small') },
      servers: {
        'server-large': { url: nowhere, replicas, slots },
        'server-small': { url: agents[2]!.url, slots },
      },
    },
  );
}

const start = async (shape: Shape) => {
  gateway = await startGateway(fleet(shape));
};

const chat = (body: object = {}, headers: Record<string, string> = {}): Promise<Answer> =>
  post(`${gateway.url}/api/chat`, { model: 'large', ...body }, headers);

const asked = () => agents.map((agent) => agent.on('/api/chat').length);

/** Has an agent hold its answers until they are let go. */
function hold(agent: FakeOllama): (() => void)[] {
  const waiting: (() => void)[] = [];
  agent.answers['/api/chat'] = (response) => {
    waiting.push(() => json({ from: agents.indexOf(agent) })(response, agent.received[0]!));
  };
  return waiting;
}

const full: FakeOllama['answers'][string] = (response) => {
  response.writeHead(503, { 'content-type': 'application/json', 'retry-after': '7' }).end('{"error":"full"}');
};

describe('a request is sent again', () => {
  it('to another replica when one cannot be reached, and that one is left alone after three failures', async () => {
    await start({ replicas: [nowhere, agents[0]!.url], slots: 4 });
    for (let n = 0; n < 20; n++) expect((await chat()).status).toBe(200);
    const { ejected } = JSON.parse(await (await fetch(`${gateway.url}/health`)).text()).servers['server-large'];
    expect(ejected).toBe(1);
    const retries = await gateway.metrics.registry.getSingleMetricAsString('model_request_retries_total');
    expect(retries).toContain('model_request_retries_total{model="large",reason="failed"} 3');
  });

  it('to another replica when one breaks the connection before it has answered', async () => {
    await start({});
    agents[0]!.answers['/api/chat'] = (response) => void response.destroy();
    for (let n = 0; n < 4; n++) expect((await chat()).status).toBe(200);
    expect(asked()[1]).toBe(4);
  });

  it('to another replica when one is full', async () => {
    await start({});
    agents[0]!.answers['/api/chat'] = full;
    agents[0]!.answers['/slots/large'] = json({ reserved: false, shared: true });
    for (let n = 0; n < 4; n++) expect((await chat()).status).toBe(200);
    expect(asked()[1]).toBe(4);
    expect(asked()[0]).toBeLessThanOrEqual(1);
  });

  it('as often as it takes while its replica has fewer slots than the configuration says', async () => {
    await start({ replicas: [agents[0]!.url], slots: 8 });
    let busy = false;
    agents[0]!.answers['/api/chat'] = (response, received) => {
      if (busy) return full(response, received);
      busy = true;
      setTimeout(() => {
        busy = false;
        json({})(response, received);
      }, 20);
    };
    // It knows of no other gateway, and says so as soon as it has room.
    agents[0]!.answers['/slots/large'] = async (response, received) => {
      await until(() => !busy);
      json({ reserved: true, shared: false })(response, received);
    };
    const answers = await Promise.all(Array.from({ length: 8 }, () => chat()));
    expect(answers.map(({ status }) => status)).toEqual(Array(8).fill(200));
  });

  it('twice at most', async () => {
    await start({ replicas: [agents[0]!.url] });
    agents[0]!.answers['/api/chat'] = (response) => void response.destroy();
    const answer = await chat();
    expect(answer).toMatchObject({ status: 503, headers: { 'retry-after': '5' } });
    expect(jsonOf(answer)).toEqual({ error: 'the server of model large cannot be reached at the moment' });
    expect(asked()).toEqual([3, 0, 0]);
  });

  it('not after the first byte of an answer', async () => {
    await start({});
    for (const agent of agents) {
      agent.answers['/api/chat'] = (response) => {
        response.writeHead(200).write('{}\n', () => response.destroy());
      };
    }
    await expect(chat()).rejects.toThrow('aborted');
    expect(asked()[0]! + asked()[1]!).toBe(1);
  });

  it('not when it was answered with an error of its own', async () => {
    await start({});
    for (const agent of agents) agent.answers['/api/chat'] = json({ error: 'model runner has stopped' }, 500);
    const answer = await chat();
    expect([answer.status, jsonOf(answer)]).toEqual([500, { error: 'model runner has stopped' }]);
    expect(asked()[0]! + asked()[1]!).toBe(1);
  });

  it('when its replica turns out to be full, as soon as that keeps a slot for it', async () => {
    await start({ replicas: [agents[0]!.url] });
    agents[0]!.answers['/api/chat'] = full;
    let keep = () => {};
    agents[0]!.answers['/slots/large'] = (response, received) => {
      keep = () => json({ reserved: true, shared: true })(response, received);
    };
    const waiting = chat();
    await until(() => agents[0]!.on('/slots/large').length === 1);
    await sleep(50);
    expect(asked()[0]).toBe(1);
    delete agents[0]!.answers['/api/chat'];
    keep();
    expect((await waiting).status).toBe(200);
    expect(asked()[0]).toBe(2);
    const gateways = agents[0]!.received.map(({ headers }) => headers['x-model-management-gateway']);
    expect(new Set(gateways).size).toBe(1);
    expect(gateways[0]).toMatch(/^[0-9a-f-]{36}$/);
  });
});

describe('admission', () => {
  it('sends no more to a replica than it takes, and the rest when there is room', async () => {
    await start({});
    const held = [hold(agents[0]!), hold(agents[1]!)];
    const answers = Array.from({ length: 5 }, () => chat());
    await until(() => held[0]!.length === 1 && held[1]!.length === 1);
    await sleep(50);
    expect(asked()).toEqual([1, 1, 0]);
    const release = setInterval(() => {
      for (const list of held) for (const go of list.splice(0)) go();
    }, 5);
    for (const answer of answers) expect((await answer).status).toBe(200);
    clearInterval(release);
  });

  it('refuses with 429 and a time in both dialects when too many wait', async () => {
    await start({ queue: { depth: 0 } });
    const held = [hold(agents[0]!), hold(agents[1]!)];
    const running = [chat(), chat()];
    await until(() => held[0]!.length + held[1]!.length === 2);
    const native = await chat();
    expect(native.status).toBe(429);
    expect(Number(native.headers['retry-after'])).toBeGreaterThanOrEqual(1);
    expect(jsonOf(native).error).toMatch(/^model 'large' is busy/);
    const other = await post(`${gateway.url}/v1/chat/completions`, { model: 'large' });
    expect(jsonOf(other).error).toMatchObject({ type: 'rate_limit_error', code: 'queue_full' });
    for (const go of held.flat()) go();
    await Promise.all(running);
  });

  it('takes an urgent request before those that are not', async () => {
    await start({ replicas: [agents[0]!.url] });
    const held = hold(agents[0]!);
    const order: string[] = [];
    const first = chat();
    await until(() => held.length === 1);
    const ask = async (priority: string) => {
      await chat({}, { 'x-model-management-priority': priority });
      order.push(priority);
    };
    const rest = [ask('batch')];
    await sleep(50);
    rest.push(ask('standard'));
    await sleep(50);
    rest.push(ask('interactive'));
    await sleep(50);
    const release = setInterval(() => held.shift()?.(), 20);
    await Promise.all([first, ...rest]);
    clearInterval(release);
    expect(order).toEqual(['interactive', 'standard', 'batch']);
  });

  it('forgets a request whose client leaves the line, and never sends it', async () => {
    await start({ replicas: [agents[0]!.url] });
    const held = hold(agents[0]!);
    const first = chat();
    await until(() => held.length === 1);
    const controller = new AbortController();
    const waiting = fetch(`${gateway.url}/api/chat`, {
      method: 'POST',
      body: '{"model":"large","left":true}',
      signal: controller.signal,
    });
    await until(async () =>
      (await gateway.metrics.registry.getSingleMetricAsString('queue_depth')).includes('priority="standard"} 1'),
    );
    controller.abort();
    await expect(waiting).rejects.toThrow();
    await until(async () =>
      (await gateway.metrics.registry.getSingleMetricAsString('queue_depth')).includes('priority="standard"} 0'),
    );
    held[0]!();
    await first;
    await sleep(50);
    expect(asked()[0]).toBe(1);
  });

  it('sends the turns of a conversation to one replica, and others to others', async () => {
    await start({ slots: 8 });
    const turns = (topic: string, count: number) =>
      Array.from({ length: count }, (_, n) => ({ role: n % 2 ? 'assistant' : 'user', content: `${topic} ${n}` }));
    const replicaOf = async (topic: string, count: number) => {
      const before = asked();
      await chat({ messages: turns(topic, count) });
      return asked().findIndex((number, index) => number > before[index]!);
    };
    const seen = new Set<number>();
    for (let topic = 0; topic < 16; topic++) {
      const first = await replicaOf(`topic ${topic}`, 1);
      expect(await replicaOf(`topic ${topic}`, 3)).toBe(first);
      expect(await replicaOf(`topic ${topic}`, 5)).toBe(first);
      seen.add(first);
    }
    expect(seen).toEqual(new Set([0, 1]));
  });
});

describe('a server without replicas', () => {
  it('holds a request and answers it when one has come', async () => {
    await start({ replicas: [] });
    const waiting = chat();
    await sleep(100);
    gateway.hop.configure(fleet({}));
    expect((await waiting).status).toBe(200);
  });

  it('answers 503 when none has come in time', async () => {
    await start({ replicas: [], queue: { holdSeconds: 0.1 } });
    expect(await chat()).toMatchObject({ status: 503, headers: { 'retry-after': '5' } });
  });
});

describe('fallbacks', () => {
  it('answer when the model is down, at once, and say so', async () => {
    await start({ replicas: [], fallbacks: ['small'] });
    const answer = await chat();
    expect(answer.headers['x-model-management-model']).toBe('small');
    expect(agents[2]!.on('/api/chat')[0]!.body.toString()).toBe('{"model":"team/small:latest"}');
    const counted = await gateway.metrics.registry.getSingleMetricAsString('model_request_fallbacks_total');
    expect(counted).toContain('{model="large",answered_by="small"} 1');
  });

  it('answer when the model is saturated', async () => {
    await start({ queue: { depth: 0 }, fallbacks: ['small'] });
    const held = [hold(agents[0]!), hold(agents[1]!)];
    const running = [chat(), chat()];
    await until(() => held[0]!.length + held[1]!.length === 2);
    expect((await chat()).headers['x-model-management-model']).toBe('small');
    for (const go of held.flat()) go();
    for (const answer of running) expect((await answer).headers['x-model-management-model']).toBe('large');
  });

  it('are none unless the registry names them', async () => {
    await start({ replicas: [], queue: { holdSeconds: 0 } });
    expect((await chat()).status).toBe(503);
    expect(agents[2]!.received).toEqual([]);
  });

  it("leave the first model's error to the client when none of them can either", async () => {
    await start({ replicas: [], fallbacks: ['small'] });
    agents[2]!.answers['/api/chat'] = full;
    agents[2]!.answers['/slots/small'] = json({ reserved: true, shared: true });
    const answer = await chat();
    expect(answer.status).toBe(503);
    expect(jsonOf(answer).error).toContain('model large');
  });
});

describe('a version on trial', () => {
  const canary = { model: 'small', percent: 100 };
  const countedFallbacks = () => gateway.metrics.registry.getSingleMetricAsString('model_request_fallbacks_total');

  it('answers in place of the model, under its own name, and that is no fallback', async () => {
    await start({ canary });
    const answer = await chat();
    expect(answer).toMatchObject({ status: 200, headers: { 'x-model-management-model': 'small' } });
    expect(asked()).toEqual([0, 0, 1]);
    expect(agents[2]!.on('/api/chat')[0]!.body.toString()).toBe('{"model":"team/small:latest"}');
    expect(await countedFallbacks()).not.toContain('answered_by=');
    const requests = await gateway.metrics.registry.getSingleMetricAsString('model_request_duration_seconds');
    expect(requests).toContain('model="small"');
    expect(requests).not.toContain('model="large"');
  });

  it('may be asked by whoever may ask the model, and by its own name only by whoever may that', async () => {
    await using folder = await mkdtempDisposable(path.join(tmpdir(), 'canary-'));
    const apiKeysFile = path.join(folder.path, 'keys.json');
    const keys = [{ name: 'me', sha256: hash('sha256', 'a-key'), models: ['large'] }];
    await writeFile(apiKeysFile, JSON.stringify({ keys }));
    gateway = await startGateway({ ...fleet({ canary }), apiKeysFile });
    const headers = { authorization: 'Bearer a-key' };
    expect((await chat({}, headers)).headers['x-model-management-model']).toBe('small');
    expect((await chat({ model: 'small' }, headers)).status).toBe(403);
  });

  it('leaves the model what it has no room for, at once', async () => {
    await start({ canary });
    const held = hold(agents[2]!);
    const running = chat();
    await until(() => held.length === 1);
    const answer = await chat();
    expect(answer.headers['x-model-management-model']).toBe('large');
    expect(await countedFallbacks()).toContain('{model="small",answered_by="large"} 1');
    const rejected = await gateway.metrics.registry.getSingleMetricAsString('model_requests_rejected_total');
    expect(rejected).not.toContain('model="small"');
    held[0]!();
    expect((await running).headers['x-model-management-model']).toBe('small');
  });

  it('leaves the model what it fails, and what its agent declines', async () => {
    await start({ canary });
    agents[2]!.answers['/api/chat'] = full;
    agents[2]!.answers['/slots/small'] = json({ reserved: false, shared: true });
    expect((await chat()).headers['x-model-management-model']).toBe('large');
    agents[2]!.answers['/api/chat'] = (response) => void response.destroy();
    expect(await chat()).toMatchObject({ status: 200, headers: { 'x-model-management-model': 'large' } });
  });

  it("leaves the model's error to the client when neither can", async () => {
    await start({ canary, replicas: [], queue: { holdSeconds: 0.1 } });
    agents[2]!.answers['/api/chat'] = full;
    agents[2]!.answers['/slots/small'] = json({ reserved: false, shared: true });
    expect(jsonOf(await chat()).error).toContain('model large');
  });
});
