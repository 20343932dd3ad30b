import { describe, expect, it } from 'vitest';
import type { Day } from '../../schema/autoscaling.ts';
import { get, jsonOf, open, post, until } from '../testing/client.ts';
import { json } from '../testing/fake-ollama.ts';
import { GatewayBeforeAgent, nowhere } from '../testing/gateway.ts';
import { gatewayConfig, startGateway } from '../testing/hops.ts';

const fleet = new GatewayBeforeAgent();

describe('the way of a request', () => {
  it('passes the body on byte for byte when the client names the model as Ollama does', async () => {
    const body = Buffer.from('{ "prompt":"\\u00e9 é",\n "model" : "TEAM/Small" , "options":{"num_predict":1e0} }  ');
    await fleet.ask('/api/generate', body);
    expect(fleet.agent.on('/api/generate')[0]!.body.equals(body)).toBe(true);
  });

  it("puts Ollama's name for the key, and changes nothing else", async () => {
    await fleet.ask('/v1/chat/completions', '{ "x":1e0, "model" :  "small", "messages":[{"model":"small"}]}');
    expect(fleet.agent.on('/v1/chat/completions')[0]!.body.toString()).toBe(
      '{ "x":1e0, "model" :  "team/small:latest", "messages":[{"model":"small"}]}',
    );
  });

  it('takes the old parameter `name` at /api/show, and there alone', async () => {
    await fleet.ask('/api/show', { name: 'small' });
    expect(jsonOf({ ...(await fleet.ask('/api/chat', { name: 'small' })) })).toEqual({ error: 'model is required' });
    expect(fleet.agent.received.map(({ path, body }) => [path, body.toString()])).toEqual([
      ['/api/show', '{"name":"team/small:latest"}'],
    ]);
  });

  it('lets only allowed headers through, up and down', async () => {
    fleet.agent.answers['/api/chat'] = (response) => {
      const more = {
        server: 'x',
        'set-cookie': 'a=b',
        'access-control-allow-origin': '*',
        'cache-control': 'no-cache',
      };
      response.writeHead(200, { 'content-type': 'application/x-ndjson', ...more }).end('{}\n');
    };
    const { headers } = await fleet.ask(
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
    const {
      host,
      connection,
      'x-model-management-gateway': gateway,
      ...passed
    } = fleet.agent.on('/api/chat')[0]!.headers;
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
      'x-model-management-model': 'small',
      'x-request-id': 'abc-123',
    });
  });

  it.each(['', 'a b', 'a\tb', 'x'.repeat(129), '-'])('gives a request id of its own instead of %j', async (id) => {
    const { headers } = await fleet.ask('/api/chat', { model: 'small' }, { 'x-request-id': id });
    expect(headers['x-request-id']).toMatch(/^[0-9a-f-]{36}$/);
    expect(fleet.agent.on('/api/chat')[0]!.headers['x-request-id']).toBe(headers['x-request-id']);
  });

  it('passes status, length and body of an error of Ollama on as they are', async () => {
    fleet.agent.answers['/api/generate'] = json({ error: 'invalid options: what' }, 400);
    const answer = await fleet.ask('/api/generate', { model: 'small' });
    expect(answer).toMatchObject({ status: 400, headers: { 'content-length': '33' } });
    expect(jsonOf(answer)).toEqual({ error: 'invalid options: what' });
  });

  it('passes 503 and Retry-After of an agent on', async () => {
    fleet.agent.answers['/api/generate'] = (response) => {
      response.writeHead(503, { 'retry-after': '7' }).end('{"error":"full"}');
    };
    expect(await fleet.ask('/api/generate', { model: 'small' })).toMatchObject({
      status: 503,
      headers: { 'retry-after': '7' },
    });
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
    fresh.hop.configure(gatewayConfig({ small: fleet.agent.url }));
    expect((await post(`${fresh.url}/api/chat`, { model: 'small' })).status).toBe(200);
    expect((await post(`${fresh.url}/api/chat`, { model: 'gone' })).status).toBe(404);
  });

  it('drains: not ready at once, still serving, then refusing, and done when the last stream has ended', async () => {
    let finish = () => {};
    fleet.agent.answers['/api/chat'] = (response) => {
      response.writeHead(200).write('{}\n');
      finish = () => response.end('{"done":true}\n');
    };
    await using fresh = await startGateway(fleet.config(), 300);
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

  it('gives the pods that the schedule of a server asks for, and nothing of a server without one', async () => {
    const scheduled = async (min: number) => {
      const config = fleet.config();
      const days: Day[] = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'];
      const windows = { always: { days, from: '00:00', to: '24:00', min } };
      config.servers['server-small']!.schedule = { timeZone: 'UTC', windows, otherwise: 1 };
      fleet.gateway.hop.configure(config);
      const text = await fleet.gateway.metrics.registry.getSingleMetricAsString('server_scheduled_replicas');
      return text.split('\n').filter((line) => !line.startsWith('#'));
    };
    expect(await scheduled(3)).toEqual(['server_scheduled_replicas{server="server-small"} 3']);
    expect(await scheduled(0)).toEqual(['server_scheduled_replicas{server="server-small"} 0']);
  });

  it('bounds the labels of its metrics by the configuration', async () => {
    await fleet.ask('/api/chat', { model: 'nobody' });
    await fleet.ask('/api/chat', { model: 'TEAM/small' });
    const text = await fleet.gateway.metrics.registry.metrics();
    expect(text).toContain('model_request_total{model="unknown",route="/api/chat",status="4xx"}');
    expect(text).toContain('model_request_duration_seconds_count{model="small",route="/api/chat",status="2xx"}');
    expect(text).toContain('model_requests_in_flight{model="small"} 0');
    expect(text).toContain('process_cpu_seconds_total');
    expect(text).not.toContain('nobody');
  });
});
