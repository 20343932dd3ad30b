import { once } from 'node:events';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { get, jsonOf, open, post, until } from '../testing/client.ts';
import { FakeOllama, json } from '../testing/fake-ollama.ts';
import { gatewayConfig, startGateway } from '../testing/hops.ts';

/** Nothing listens there. */
const nowhere = 'http://127.0.0.1:1';

let agent: FakeOllama;
let gateway: Awaited<ReturnType<typeof startGateway>>;

const config = (more = {}) => gatewayConfig({ small: agent.url, gone: nowhere }, more);

beforeAll(async () => {
  agent = await FakeOllama.start(['team/small:latest']);
  gateway = await startGateway(config());
});
beforeEach(() => {
  agent.received.length = 0;
  for (const path of Object.keys(agent.answers)) if (!/tags|version/.test(path)) delete agent.answers[path];
  gateway.hop.configure(config());
});
afterAll(async () => {
  await gateway[Symbol.asyncDispose]();
  await agent[Symbol.asyncDispose]();
});

const ask = (path: string, body: object | string | Buffer, headers?: Record<string, string>) =>
  post(gateway.url + path, body, headers);

const metric = async (name: string, labels: object) => {
  const { values } = (await gateway.metrics.registry.getSingleMetric(name)!.get()) as {
    values: { value: number; labels: object; metricName?: string }[];
  };
  const wanted = Object.entries(labels);
  return values.find(({ labels }) => wanted.every(([key, value]) => labels[key as keyof object] === value))?.value ?? 0;
};

describe('the way of a request', () => {
  it('passes the body on byte for byte when the client names the model as Ollama does', async () => {
    const body = Buffer.from('{ "prompt":"\\u00e9 é",\n "model" : "TEAM/Small" , "options":{"num_predict":1e0} }  ');
    await ask('/api/generate', body);
    expect(agent.on('/api/generate')[0]!.body.equals(body)).toBe(true);
  });

  it("puts Ollama's name for the key, and changes nothing else", async () => {
    await ask('/v1/chat/completions', '{ "x":1e0, "model" :  "small", "messages":[{"model":"small"}]}');
    expect(agent.on('/v1/chat/completions')[0]!.body.toString()).toBe(
      '{ "x":1e0, "model" :  "team/small:latest", "messages":[{"model":"small"}]}',
    );
  });

  it('takes the old parameter `name` at /api/show, and there alone', async () => {
    await ask('/api/show', { name: 'small' });
    expect(jsonOf({ ...(await ask('/api/chat', { name: 'small' })) })).toEqual({ error: 'model is required' });
    expect(agent.received.map(({ path, body }) => [path, body.toString()])).toEqual([
      ['/api/show', '{"name":"team/small:latest"}'],
    ]);
  });

  it('lets only allowed headers through, up and down', async () => {
    agent.answers['/api/chat'] = (response) => {
      const more = {
        server: 'x',
        'set-cookie': 'a=b',
        'access-control-allow-origin': '*',
        'cache-control': 'no-cache',
      };
      response.writeHead(200, { 'content-type': 'application/x-ndjson', ...more }).end('{}\n');
    };
    const { headers } = await ask(
      '/api/chat',
      { model: 'small' },
      {
        ...{
          authorization: 'Bearer secret',
          cookie: 'a=b',
          'x-forwarded-for': '10.0.0.1',
          origin: 'http://evil.example',
        },
        ...{ accept: 'application/json', 'content-type': 'text/plain', 'x-model-management-model': 'gone' },
        'x-request-id': 'abc-123',
      },
    );
    const { host, connection, ...passed } = agent.on('/api/chat')[0]!.headers;
    expect(passed).toEqual({
      accept: 'application/json',
      'content-length': '29',
      'content-type': 'text/plain',
      'x-model-management-model': 'small',
      'x-request-id': 'abc-123',
    });
    const { date, 'keep-alive': _, ...answered } = headers;
    expect(answered).toEqual({
      'cache-control': 'no-cache',
      connection: 'close',
      'content-type': 'application/x-ndjson',
      'transfer-encoding': 'chunked',
      'x-request-id': 'abc-123',
    });
  });

  it.each(['', 'a b', 'a\tb', 'x'.repeat(129), '-'])('gives a request id of its own instead of %j', async (id) => {
    const { headers } = await ask('/api/chat', { model: 'small' }, { 'x-request-id': id });
    expect(headers['x-request-id']).toMatch(/^[0-9a-f-]{36}$/);
    expect(agent.on('/api/chat')[0]!.headers['x-request-id']).toBe(headers['x-request-id']);
  });

  it('passes status, length and body of an error of Ollama on as they are', async () => {
    agent.answers['/api/generate'] = json({ error: 'invalid options: what' }, 400);
    const answer = await ask('/api/generate', { model: 'small' });
    expect(answer).toMatchObject({ status: 400, headers: { 'content-length': '33' } });
    expect(jsonOf(answer)).toEqual({ error: 'invalid options: what' });
  });

  it('passes 503 and Retry-After of an agent on', async () => {
    agent.answers['/api/generate'] = (response) => {
      response.writeHead(503, { 'retry-after': '7' }).end('{"error":"full"}');
    };
    expect(await ask('/api/generate', { model: 'small' })).toMatchObject({
      status: 503,
      headers: { 'retry-after': '7' },
    });
  });
});

describe('errors in the dialect of the path', () => {
  const both = [
    ['/api/chat', (message: string) => ({ error: message })],
    [
      '/v1/chat/completions',
      (message: string, type: string, param: string | null = null, code: string | null = null) => ({
        error: { message, type, param, code },
      }),
    ],
  ] as const;

  it.each(both)('%s: 404 for an unknown model', async (path, shape) => {
    const answer = await ask(path, { model: 'nobody' });
    expect(answer.status).toBe(404);
    expect(jsonOf(answer)).toEqual(
      shape("model 'nobody' not found", 'invalid_request_error', 'model', 'model_not_found'),
    );
  });

  it.each(both)('%s: 400 for a body that is no JSON', async (path, shape) => {
    const answer = await ask(path, '{"model":');
    expect(answer.status).toBe(400);
    expect(jsonOf(answer)).toEqual(
      shape('the request body is not valid JSON: it ends too early', 'invalid_request_error'),
    );
  });

  it.each(both)('%s: 400 without a model', async (path, shape) => {
    expect(jsonOf(await ask(path, {}))).toEqual(shape('model is required', 'invalid_request_error', 'model'));
    expect((await ask(path, '')).status).toBe(400);
  });

  it.each(both)('%s: 413 for a body that is too large, announced or not', async (path, shape) => {
    const large = Buffer.alloc(8 * 1024 ** 2, ' ');
    for (const headers of [{}, { 'transfer-encoding': 'chunked' }]) {
      const answer = await ask(path, large, headers);
      expect(answer.status).toBe(413);
      expect(jsonOf(answer)).toEqual(shape('request body too large: the limit is 1 MiB', 'invalid_request_error'));
    }
    expect(agent.received).toEqual([]);
  });

  it.each(both)('%s: 503 with Retry-After when the server is away', async (path, shape) => {
    const answer = await ask(path, { model: 'gone' });
    expect(answer).toMatchObject({ status: 503, headers: { 'retry-after': '5' } });
    expect(jsonOf(answer)).toEqual(shape('the server of model gone cannot be reached at the moment', 'api_error'));
  });

  it.each(both)('%s: 504 when the answer does not begin in time', async (path, shape) => {
    let cancelled = false;
    agent.answers[path] = (response) => {
      response.on('close', () => {
        cancelled = true;
      });
    };
    gateway.hop.configure(config({ generationTimeoutSeconds: 0.2 }));
    const answer = await ask(path, { model: 'small' });
    expect(answer.status).toBe(504);
    expect(jsonOf(answer)).toEqual(shape('the server of model small did not answer within 0.2 seconds', 'api_error'));
    await until(() => cancelled);
  });

  it.each(both)('%s: 405 for another method, with the right one', async (path) => {
    const answer = await fetch(gateway.url + path);
    expect([answer.status, answer.headers.get('allow')]).toEqual([405, 'POST']);
    expect(await answer.json()).toHaveProperty('error');
  });

  it('says of other paths that they are not offered', async () => {
    expect(await get(`${gateway.url}/api/ps`)).toEqual({
      status: 404,
      text: '{"error":"GET /api/ps is not offered here"}',
    });
    expect(JSON.parse((await get(`${gateway.url}/v1/files`)).text).error.type).toBe('invalid_request_error');
    expect((await ask('/api/pull', { model: 'small' })).status).toBe(404);
    expect((await ask('/drain', {})).status).toBe(404);
  });
});

describe('streams', () => {
  it('passes every byte on as it comes, not at the end', async () => {
    agent.answers['/api/chat'] = async (response) => {
      response.writeHead(200, { 'content-type': 'application/x-ndjson' });
      for (let n = 0; n < 5; n++) {
        response.write(`{"n":${n}}\n`);
        await sleep(30);
      }
      response.end();
    };
    const times: number[] = [];
    const answer = await open(`${gateway.url}/api/chat`, { model: 'small' });
    let text = '';
    for await (const chunk of answer) {
      times.push(performance.now());
      text += chunk;
    }
    expect(text).toBe('{"n":0}\n{"n":1}\n{"n":2}\n{"n":3}\n{"n":4}\n');
    expect(times.at(-1)! - times[0]!).toBeGreaterThan(90);
  });

  it('sends the headers at once, long before the first byte', async () => {
    let finish = () => {};
    agent.answers['/api/chat'] = (response) => {
      response.writeHead(200).flushHeaders();
      finish = () => response.end('{}');
    };
    const answer = await open(`${gateway.url}/api/chat`, { model: 'small' });
    expect(answer.statusCode).toBe(200);
    finish();
    await once(answer.resume(), 'end');
  });

  it('cancels above at once when the client leaves, before the answer has begun or later', async () => {
    const closed: string[] = [];
    agent.answers['/api/chat'] = (response) => {
      response.on('close', () => closed.push('waiting'));
    };
    agent.answers['/api/generate'] = (response) => {
      response.on('close', () => closed.push('streaming'));
      response.writeHead(200).write('{}\n');
    };
    const controller = new AbortController();
    const waiting = fetch(`${gateway.url}/api/chat`, {
      method: 'POST',
      body: '{"model":"small"}',
      signal: controller.signal,
    });
    await until(() => agent.on('/api/chat').length === 1);
    controller.abort();
    await expect(waiting).rejects.toThrow();
    await until(() => closed.includes('waiting'), 1000);
    const streaming = await open(`${gateway.url}/api/generate`, { model: 'small' });
    streaming.destroy();
    await until(() => closed.includes('streaming'), 1000);
    await until(
      async () => (await metric('model_request_total', { route: '/api/chat', model: 'small', status: '4xx' })) > 0,
    );
    await until(() => gateway.drain.inFlight === 0);
  });

  it.each(['breaks', 'stays silent too long'])(
    'cuts the answer, so that no client takes it for whole, when the one above %s',
    async (how) => {
      gateway.hop.configure(config({ generationTimeoutSeconds: 0.3 }));
      agent.answers['/api/chat'] = async (response) => {
        response.writeHead(200).write('{"n":0}\n');
        await sleep(50);
        if (how === 'breaks') response.destroy();
      };
      const before = await metric('model_request_total', { model: 'small', route: '/api/chat', status: '5xx' });
      const answer = await open(`${gateway.url}/api/chat`, { model: 'small' });
      await expect(
        (async () => {
          for await (const _ of answer);
        })(),
      ).rejects.toThrow('aborted');
      expect(await metric('model_request_total', { model: 'small', route: '/api/chat', status: '5xx' })).toBe(
        before + 1,
      );
    },
  );

  it('reads above only as fast as the client takes it', async () => {
    const flood = 64 * 1024 ** 2;
    let sent = 0;
    const chunks = function* () {
      const chunk = Buffer.alloc(64 * 1024, 'x');
      for (; sent < flood; sent += chunk.length) yield chunk;
    };
    agent.answers['/api/generate'] = (response) => {
      Readable.from(chunks()).pipe(response);
    };
    const answer = await open(`${gateway.url}/api/generate`, { model: 'small' });
    answer.pause();
    let last = -1;
    await until(async () => {
      const still = sent === last;
      last = sent;
      await sleep(100);
      return still && sent > 0;
    });
    // What the kernel's socket buffers hold, and no more.
    expect(sent).toBeLessThan(flood / 2);
    let received = 0;
    for await (const chunk of answer) received += chunk.length;
    expect(received).toBe(flood);
  });
});

describe('listings', () => {
  const details = { format: 'gguf', family: 'llama' };

  it('lists every configured model, with the details of those servers that answer', async () => {
    agent.answers['/api/tags'] = json({
      models: [
        {
          name: 'Team/Small:latest',
          model: 'Team/Small:latest',
          modified_at: '2026-01-02T03:04:05Z',
          size: 7,
          digest: 'd',
          details,
        },
        { name: 'base:1b', model: 'base:1b', modified_at: '2026-01-02T03:04:05Z', size: 9, digest: 'e', details },
      ],
    });
    await using fresh = await startGateway(config());
    const { models } = JSON.parse((await get(`${fresh.url}/api/tags`)).text);
    expect(models).toHaveLength(2);
    expect(models[0]).toEqual({
      name: 'Team/Small:latest',
      model: 'Team/Small:latest',
      modified_at: '2026-01-02T03:04:05Z',
      ...{ size: 7, digest: 'd', details },
    });
    expect(models[1]).toMatchObject({ name: 'team/gone:latest', size: 0, digest: '0'.repeat(64) });
    expect(JSON.parse((await get(`${fresh.url}/v1/models`)).text)).toEqual({
      object: 'list',
      data: [
        { id: 'Team/Small:latest', object: 'model', created: 1767323045, owned_by: 'Team' },
        { id: 'team/gone:latest', object: 'model', created: 0, owned_by: 'team' },
      ],
    });
    expect(JSON.parse((await get(`${fresh.url}/v1/models/small`)).text)).toMatchObject({
      id: 'small',
      created: 1767323045,
    });
    expect((await get(`${fresh.url}/v1/models/team/small`)).status).toBe(200);
    expect(JSON.parse((await get(`${fresh.url}/v1/models/base:1b`)).text).error.code).toBe('model_not_found');
  });

  it('does not wait for a server that hangs', async () => {
    await using hanging = await FakeOllama.start();
    hanging.answers['/api/tags'] = () => {};
    await using fresh = await startGateway(gatewayConfig({ small: agent.url, hanging: hanging.url }));
    const began = performance.now();
    expect(JSON.parse((await get(`${fresh.url}/api/tags`)).text).models).toHaveLength(2);
    expect(performance.now() - began).toBeLessThan(4000);
  });

  it('asks each agent once for many clients', async () => {
    await using fresh = await startGateway(config());
    await Promise.all(Array.from({ length: 20 }, () => get(`${fresh.url}/api/tags`)));
    expect(agent.on('/api/tags')).toHaveLength(1);
  });

  it("answers /api/version with the lowest of the servers', and 503 before it knows one", async () => {
    await using older = await FakeOllama.start();
    older.answers['/api/version'] = json({ version: '0.9.6' });
    await using fresh = await startGateway(gatewayConfig({ small: agent.url, older: older.url }));
    expect((await get(`${fresh.url}/api/version`)).text).toBe('{"version":"0.9.6"}');
    await using alone = await startGateway(gatewayConfig({ gone: nowhere }));
    expect((await get(`${alone.url}/api/version`)).status).toBe(503);
  });
});

describe('life', () => {
  it('is healthy whatever its servers are', async () => {
    await using alone = await startGateway(gatewayConfig({ gone: nowhere }));
    for (const path of ['live', 'ready', 'startup'])
      expect((await get(`${alone.url}/health/${path}`)).status).toBe(200);
    expect(JSON.parse((await get(`${alone.url}/health`)).text)).toMatchObject({
      ready: { ok: true },
      models: { gone: { name: 'team/gone:latest', url: nowhere } },
      inFlight: 0,
    });
  });

  it('serves a model that a new configuration brings, and forgets one that it drops', async () => {
    await using fresh = await startGateway(gatewayConfig({ gone: nowhere }));
    expect((await post(`${fresh.url}/api/chat`, { model: 'small' })).status).toBe(404);
    fresh.hop.configure(gatewayConfig({ small: agent.url }));
    expect((await post(`${fresh.url}/api/chat`, { model: 'small' })).status).toBe(200);
    expect((await post(`${fresh.url}/api/chat`, { model: 'gone' })).status).toBe(404);
  });

  it('drains: not ready at once, still serving, then refusing, and done when the last stream has ended', async () => {
    let finish = () => {};
    agent.answers['/api/chat'] = (response) => {
      response.writeHead(200).write('{}\n');
      finish = () => response.end('{"done":true}\n');
    };
    await using fresh = await startGateway(config(), 300);
    const running = await open(`${fresh.url}/api/chat`, { model: 'small' });
    let drained = false;
    const draining = fresh.drain.begin().then(() => {
      drained = true;
    });
    expect((await get(`${fresh.url}/health/ready`)).text).toContain('draining');
    expect(await post(`${fresh.url}/api/generate`, { model: 'small' })).toMatchObject({
      status: 200,
      headers: { connection: 'close' },
    });
    await until(() => fresh.drain.refusing);
    expect(await post(`${fresh.url}/api/generate`, { model: 'small' })).toMatchObject({
      status: 503,
      headers: { 'retry-after': '1' },
    });
    expect(drained).toBe(false);
    finish();
    let text = '';
    for await (const chunk of running) text += chunk;
    expect(text).toBe('{}\n{"done":true}\n');
    await draining;
  });

  it('bounds the labels of its metrics by the configuration', async () => {
    await ask('/api/chat', { model: 'nobody' });
    await ask('/api/chat', { model: 'TEAM/small' });
    const text = await gateway.metrics.registry.metrics();
    expect(text).toContain('model_request_total{model="unknown",route="/api/chat",status="4xx"}');
    expect(text).toContain('model_request_duration_seconds_count{model="small",route="/api/chat",status="2xx"}');
    expect(text).toContain('model_requests_in_flight{model="small"} 0');
    expect(text).toContain('process_cpu_seconds_total');
    expect(text).not.toContain('nobody');
  });
});
