import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { GatewayConfig } from '../../schema/config.ts';
import { get, post, until } from '../testing/client.ts';
import { Entry } from '../testing/entry.ts';
import { type CollectedSpan, FakeCollector } from '../testing/fake-collector.ts';
import { FakeOllama, json } from '../testing/fake-ollama.ts';
import { nowhere } from '../testing/gateway.ts';
import { agentConfig, gatewayConfig } from '../testing/hops.ts';
import { createLogger } from './logging.ts';
import { Tracing } from './tracing.ts';

const chat = '/api/chat';
const answer = { message: { role: 'assistant', content: 'yes' }, done: true, prompt_eval_count: 7, eval_count: 3 };

const to = (endpoint: string) => ({ tracing: { endpoint, sampleRatio: 1 } });

/** A gateway before fake agents, by the key of their model. */
const startGateway = (agents: Record<string, FakeOllama>, more: Partial<GatewayConfig>) => {
  const urls = Object.entries(agents).map(([key, { url }]) => [key, url]);
  return Entry.start('gateway', gatewayConfig(Object.fromEntries(urls), more), '--drain-delay', '0');
};

const ask = (gateway: Entry, model: string, headers: Record<string, string> = {}) =>
  post(`${gateway.url}${chat}`, { model, messages: [{ role: 'user', content: 'nobody-else-reads-this' }] }, headers);

const traceparent = (traceId: string, flags = '01') => `00-${traceId}-00f067aa0ba902b7-${flags}`;

/** A trace that a client has begun. */
const traceOf = (digit: string) => ({ traceId: digit.repeat(32), traceparent: traceparent(digit.repeat(32)) });

const kind = (wanted: CollectedSpan['kind']) => (span: CollectedSpan) => span.kind === wanted;

describe('traces of both hops', () => {
  const disposables = new AsyncDisposableStack();
  let collector: FakeCollector;
  let ollama: FakeOllama;
  let agent: Entry;
  let gateway: Entry;
  beforeAll(async () => {
    collector = disposables.use(await FakeCollector.start());
    ollama = disposables.use(await FakeOllama.start(['team/small:latest']));
    ollama.answers[chat] = json(answer);
    const config = agentConfig(ollama.url, { small: { name: 'team/small:latest' } }, to(collector.endpoint));
    agent = disposables.use(await Entry.start('agent', config, '--drain-delay', '0'));
    const urls = { small: agent.url };
    gateway = disposables.use(
      await Entry.start('gateway', gatewayConfig(urls, to(collector.endpoint)), '--drain-delay', '0'),
    );
    await until(async () => (await get(`${agent.url}/health/ready`)).status === 200);
  }, 60_000);
  afterAll(() => disposables.disposeAsync());

  it('are one, with nothing of the client in it but what names the request', async () => {
    await ask(gateway, 'small', {
      'x-request-id': 'from-the-client',
      authorization: 'Bearer nobody-else-reads-this',
      'x-model-management-priority': 'batch',
    });
    await collector.holds(4);
    const [server, client] = [
      collector.of('gateway').find(kind('server'))!,
      collector.of('gateway').find(kind('client'))!,
    ];
    const [below, toOllama] = [
      collector.of('agent').find(kind('server'))!,
      collector.of('agent').find(kind('client'))!,
    ];
    const spans = [server, client, below, toOllama];
    expect(spans.map(({ name }) => name)).toEqual(Array(4).fill('POST /api/chat'));
    expect(spans.map(({ traceId }) => traceId)).toEqual(Array(4).fill(server.traceId));
    expect(spans.map(({ parentSpanId }) => parentSpanId)).toEqual(['', server.spanId, client.spanId, below.spanId]);
    expect(spans.filter(({ failed }) => failed)).toEqual([]);
    const request = {
      'http.request.method': 'POST',
      'gen_ai.request.model': 'small',
      'http.response.status_code': 200,
    };
    expect(server.attributes).toEqual({
      ...request,
      'http.route': chat,
      'url.path': chat,
      'url.scheme': 'http',
      'model_management.request.id': 'from-the-client',
      'model_management.priority': 'batch',
      'model_management.queue.wait_seconds': 0,
      'gen_ai.response.model': 'small',
      'gen_ai.response.time_to_first_chunk': expect.any(Number),
    });
    const address = (url: string) => ({
      'server.address': '127.0.0.1',
      'server.port': Number(new URL(url).port),
      'url.full': `${url}${chat}`,
      'model_management.outcome': 'answered',
    });
    expect(client.attributes).toEqual({ ...request, ...address(agent.url) });
    expect(below.attributes).toMatchObject({ ...request, 'model_management.request.id': 'from-the-client' });
    expect(toOllama.attributes).toEqual({
      ...request,
      ...address(ollama.url),
      'gen_ai.provider.name': 'ollama',
      'gen_ai.operation.name': 'chat',
      'gen_ai.usage.input_tokens': 7,
      'gen_ai.usage.output_tokens': 3,
    });
    expect(collector.text).not.toContain('nobody-else-reads-this');
    for (const hop of [gateway, agent]) {
      await until(() => hop.logged('request').length === 1);
      expect(hop.logged('request')[0]).toMatchObject({ requestId: 'from-the-client', traceId: server.traceId });
    }
  });

  it("go on with the client's, or are not sampled where it is not, and end before Ollama", async () => {
    collector.spans.length = 0;
    ollama.received.length = 0;
    const sampled = traceOf('2');
    const tracestate = 'vendor=a,other=b';
    const unsampled = '1'.repeat(32);
    await ask(gateway, 'small', { traceparent: traceparent(unsampled, '00'), tracestate });
    await ask(gateway, 'small', { traceparent: sampled.traceparent, tracestate });
    await collector.holds(4);
    expect(collector.spans.map(({ traceId }) => traceId)).toEqual(Array(4).fill(sampled.traceId));
    expect(collector.spans.map(({ traceState }) => traceState)).toEqual(Array(4).fill(tracestate));
    expect(collector.of('gateway').find(kind('server'))!.parentSpanId).toBe('00f067aa0ba902b7');
    expect(ollama.on(chat)).toHaveLength(2);
    for (const { headers } of ollama.on(chat)) {
      expect(Object.keys(headers).filter((name) => name.startsWith('trace'))).toEqual([]);
    }
    for (const hop of [gateway, agent]) {
      await until(() => hop.logged('request').length === 3);
      expect(hop.logged('request').map(({ traceId }) => traceId)).toEqual([
        expect.any(String),
        unsampled,
        sampled.traceId,
      ]);
    }
  });

  it('arrive also when a hop ends right after them', async () => {
    collector.spans.length = 0;
    await ask(gateway, 'small');
    for (const [component, hop] of Object.entries({ gateway, agent })) {
      hop.signal('SIGTERM');
      expect(await hop.ended()).toBe(0);
      expect(collector.of(component)).toHaveLength(2);
    }
  });
});

describe('traces of a gateway', () => {
  const disposables = new AsyncDisposableStack();
  let collector: FakeCollector;
  let agent: FakeOllama;
  let other: FakeOllama;
  let gateway: Entry;
  beforeAll(async () => {
    collector = disposables.use(await FakeCollector.start());
    agent = disposables.use(await FakeOllama.start());
    other = disposables.use(await FakeOllama.start());
    const urls = { small: agent.url, spread: agent.url, narrow: agent.url, gone: nowhere };
    const config = gatewayConfig(urls, to(collector.endpoint));
    config.servers['server-spread']!.replicas = [agent.url, other.url];
    config.servers['server-narrow']!.slots = 1;
    Object.assign(config.models.narrow!, {
      queue: { depth: 1, waitSeconds: 30, holdSeconds: 30 },
      fallbacks: ['small'],
    });
    config.models.gone!.queue.holdSeconds = 0;
    gateway = disposables.use(await Entry.start('gateway', config, '--drain-delay', '0'));
  }, 60_000);
  afterAll(() => disposables.disposeAsync());

  const modelOf = (received: { headers: Record<string, unknown> }) => received.headers['x-model-management-model'];

  it('begin with it where what a client sent is no trace, of which nothing goes on', async () => {
    const { traceId, traceparent } = traceOf('3');
    await ask(gateway, 'small', { traceparent: '00-not-a-trace', tracestate: 'vendor=a' });
    await ask(gateway, 'small', { traceparent, tracestate: 'NOT A STATE' });
    const [first, second] = agent.on(chat).map(({ headers }) => headers);
    expect(first!.traceparent).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
    expect(second!.traceparent).toMatch(new RegExp(`^00-${traceId}-[0-9a-f]{16}-01$`));
    expect([first!.tracestate, second!.tracestate]).toEqual([undefined, undefined]);
  });

  it('show every time that a request was sent', async () => {
    const { traceId, traceparent } = traceOf('4');
    let asked = 0;
    for (const replica of [agent, other]) {
      replica.answers[chat] = (...to) => (asked++ === 0 ? json({ error: 'full' }, 503) : json(answer))(...to);
    }
    expect((await ask(gateway, 'spread', { traceparent })).status).toBe(200);
    const spans = await collector.trace(traceId, 3);
    const server = spans.find(kind('server'))!;
    const [full, answered] = spans.filter(kind('client'));
    expect([full!.parentSpanId, answered!.parentSpanId]).toEqual([server.spanId, server.spanId]);
    expect(full!.failed).toBe(true);
    expect(full!.attributes).toMatchObject({
      'model_management.outcome': 'declined',
      'http.response.status_code': 503,
      'error.type': '503',
    });
    expect(full!.attributes).not.toHaveProperty('http.request.resend_count');
    expect(answered!.failed).toBe(false);
    expect(answered!.attributes).toMatchObject({
      'model_management.outcome': 'answered',
      'http.response.status_code': 200,
      'http.request.resend_count': 1,
    });
    expect(full!.attributes['server.port']).not.toBe(answered!.attributes['server.port']);
    expect(server).toMatchObject({ failed: false, attributes: { 'http.response.status_code': 200 } });
  });

  it('show that nobody could be reached', async () => {
    const { traceId, traceparent } = traceOf('5');
    expect((await ask(gateway, 'gone', { traceparent })).status).toBe(503);
    const spans = await collector.trace(traceId, 2);
    expect(spans.find(kind('server'))).toMatchObject({
      failed: true,
      attributes: { 'http.response.status_code': 503, 'error.type': '503' },
    });
    expect(spans.find(kind('client'))).toMatchObject({
      failed: true,
      attributes: { 'model_management.outcome': 'failed', 'error.type': 'ECONNREFUSED', 'server.port': 1 },
    });
  });

  it('show the wait for a place, that there was none, and which model filled in', async () => {
    const finish: (() => void)[] = [];
    agent.answers[chat] = (response, received) => {
      if (modelOf(received) !== 'narrow') return json(answer)(response, received);
      finish.push(() => json(answer)(response, received));
    };
    const [waiting, full] = [traceOf('6'), traceOf('7')];
    const first = ask(gateway, 'narrow');
    await until(() => finish.length === 1);
    const second = ask(gateway, 'narrow', { traceparent: waiting.traceparent });
    const waits = /^queue_depth\{model="narrow",priority="standard"\} 1$/m;
    await until(async () => waits.test((await get(gateway.metricsUrl)).text));
    const filledIn = await ask(gateway, 'narrow', { traceparent: full.traceparent });
    expect(filledIn.headers['x-model-management-model']).toBe('small');
    finish[0]!();
    await until(() => finish.length === 2);
    finish[1]!();
    await Promise.all([first, second]);

    const waited = await collector.trace(waiting.traceId, 3);
    const server = waited.find(kind('server'))!;
    const queue = waited.find(({ name }) => name === 'queue')!;
    expect(queue).toMatchObject({ parentSpanId: server.spanId, failed: false });
    expect(queue.seconds).toBeGreaterThan(0);
    expect(server.attributes['model_management.queue.wait_seconds']).toBeCloseTo(queue.seconds, 1);
    expect(server.attributes).not.toHaveProperty('model_management.fallback');

    const refused = await collector.trace(full.traceId, 3);
    expect(refused.find(({ name }) => name === 'queue')).toMatchObject({
      failed: true,
      attributes: { 'gen_ai.request.model': 'narrow', 'error.type': 'queue_full' },
    });
    expect(refused.find(kind('client'))!.attributes).toMatchObject({ 'gen_ai.request.model': 'small' });
    expect(refused.find(kind('server'))).toMatchObject({
      failed: false,
      attributes: {
        'gen_ai.request.model': 'narrow',
        'gen_ai.response.model': 'small',
        'model_management.fallback': true,
      },
    });
  });
});

// Most of it is waiting: they wait together.
describe.concurrent('tracing', () => {
  it('loads nothing of OpenTelemetry but what the metrics use, and passes no trace on, while it is off', async () => {
    await using collector = await FakeCollector.start();
    await using agent = await FakeOllama.start();
    const { traceId, traceparent } = traceOf('8');
    const scriptsOf = async (more: Partial<GatewayConfig>) => {
      const folder = mkdtempSync(path.join(tmpdir(), 'scripts-'));
      try {
        // Node says at its end which scripts it has run.
        process.env.NODE_V8_COVERAGE = folder;
        const starting = startGateway({ small: agent }, more);
        delete process.env.NODE_V8_COVERAGE;
        await using gateway = await starting;
        await ask(gateway, 'small', { traceparent, tracestate: 'vendor=a' });
        gateway.signal('SIGTERM');
        expect(await gateway.ended()).toBe(0);
        await until(() => gateway.logged('stopped').length === 1);
        const [file] = readdirSync(folder);
        const { result } = JSON.parse(readFileSync(path.join(folder, file!), 'utf8')) as { result: { url: string }[] };
        return { urls: result.map(({ url }) => url), logged: gateway.logged('request')[0]! };
      } finally {
        rmSync(folder, { recursive: true });
      }
    };
    const isSdk = (url: string) => /@opentelemetry\/(?!api\/)|shared\/spans\.ts$/.test(url);
    const off = await scriptsOf(to(''));
    const on = await scriptsOf(to(collector.endpoint));
    expect(off.urls.filter(isSdk)).toEqual([]);
    expect(on.urls.filter(isSdk)).not.toEqual([]);
    expect(off.logged).not.toHaveProperty('traceId');
    const [untraced, traced] = agent.on(chat).map(({ headers }) => headers);
    expect(Object.keys(untraced!).filter((name) => name.startsWith('trace'))).toEqual([]);
    expect(traced!.traceparent).toContain(traceId);
  });

  it('serves as ever while the collector is away, and says so', async () => {
    await using agent = await FakeOllama.start();
    await using gateway = await startGateway({ small: agent }, to(`${nowhere}/v1/traces`));
    for (let i = 0; i < 10; i++) expect((await ask(gateway, 'small')).status).toBe(200);
    const complaints = () => gateway.logged('traces do not reach the collector');
    await until(() => complaints().length > 0);
    expect(complaints()).toMatchObject([{ level: 'warn', problem: expect.stringContaining('ECONNREFUSED') }]);
    expect((await ask(gateway, 'small')).status).toBe(200);
    gateway.signal('SIGTERM');
    expect(await gateway.ended()).toBe(0);
    expect(complaints()).toHaveLength(1);
  });

  it('says once that the collector refuses, however often it does, and waits little for one that says nothing', async () => {
    await using collector = await FakeCollector.start();
    await using agent = await FakeOllama.start();
    collector.status = 404;
    await using gateway = await startGateway({ small: agent }, to(collector.endpoint));
    for (let messages = 1; messages <= 3; messages++) {
      expect((await ask(gateway, 'small')).status).toBe(200);
      await until(() => collector.messages.length >= messages);
    }
    // Once it is well, what comes arrives.
    collector.status = 200;
    await ask(gateway, 'small');
    await collector.holds(2);
    expect(gateway.logged('traces do not reach the collector')).toMatchObject([{ problem: 'Not Found: 404' }]);

    collector.status = undefined;
    const before = collector.messages.length;
    await ask(gateway, 'small');
    await until(() => collector.messages.length > before);
    expect((await ask(gateway, 'small')).status).toBe(200);
    const began = performance.now();
    gateway.signal('SIGTERM');
    expect(await gateway.ended()).toBe(0);
    // The collector itself is given 5 seconds for a message.
    expect(performance.now() - began).toBeLessThan(4500);
  });

  it('is turned on and off without a restart, and stays off where its address is none', async () => {
    await using collector = await FakeCollector.start();
    await using agent = await FakeOllama.start();
    const config = gatewayConfig({ small: agent.url });
    await using gateway = await Entry.start('gateway', config, '--drain-delay', '0');
    await ask(gateway, 'small');
    gateway.configure({ ...config, ...to(collector.endpoint) });
    await until(() => gateway.logged('tracing is on').length === 1);
    await ask(gateway, 'small');
    await collector.holds(2);
    gateway.configure(config);
    await until(() => gateway.logged('tracing is off').length === 1);
    await ask(gateway, 'small');
    gateway.configure({ ...config, ...to('http://1.2.3.4.5/v1/traces') });
    await until(() => gateway.logged('tracing stays off').length === 1);
    await ask(gateway, 'small');
    gateway.signal('SIGTERM');
    expect(await gateway.ended()).toBe(0);
    await until(() => gateway.logged('stopped').length === 1);
    expect(gateway.logged('request').map((line) => 'traceId' in line)).toEqual([false, true, false, false]);
    expect(collector.spans).toHaveLength(2);
  });

  it('samples a part of the requests whose clients have not decided', async () => {
    await using collector = await FakeCollector.start();
    const tracing = new Tracing();
    const log = createLogger('test', 'error');
    await tracing.configure({ component: 'gateway' }, log, { endpoint: collector.endpoint, sampleRatio: 0.5 });
    const requests = 100;
    for (let i = 0; i < requests; i++) {
      const trace = tracing.begin(chat, `${i}`, {})!;
      trace.end({ status: 200, model: 'small', firstSeconds: undefined });
    }
    await tracing.close();
    expect(collector.spans.length).toBeGreaterThan(0);
    expect(collector.spans.length).toBeLessThan(requests);
    expect(tracing.begin(chat, 'late', {})).toBeUndefined();
  });
});
