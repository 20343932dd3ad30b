import { hash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { GatewayConfig } from '../../../schema/config.ts';
import { createMetricsServer } from '../../shared/metrics.ts';
import { post, until } from '../../testing/client.ts';
import { FakeOllama, json } from '../../testing/fake-ollama.ts';
import { agentConfig, gatewayConfig, startAgent, startGateway } from '../../testing/hops.ts';
import type { FleetEvent } from './view.ts';

const statusPage = { service: '' };

let stack: AsyncDisposableStack;
let folder: string;
let ollama: FakeOllama;
let agent: Awaited<ReturnType<typeof startAgent>>;

beforeEach(async () => {
  stack = new AsyncDisposableStack();
  folder = mkdtempSync(path.join(tmpdir(), 'status-page-'));
  ollama = stack.use(await FakeOllama.start(['team/small:latest', 'team/other:latest']));
  ollama.sizes['team/small:latest'] = { size: 3000, size_vram: 2000 };
  const models = { small: { name: 'team/small:latest' }, other: { name: 'team/other:latest' } };
  agent = stack.use(await startAgent(agentConfig(ollama.url, models)));
  await until(async () => (await fetch(`${agent.url}/health/ready`)).ok);
});
afterEach(async () => {
  await stack.disposeAsync();
  rmSync(folder, { recursive: true });
});

/** A gateway before the agent, whose server has both models. */
async function start(more: Partial<GatewayConfig> = {}) {
  const config = configOf(more);
  return stack.use(await startGateway(config));
}

function configOf(more: Partial<GatewayConfig> = {}): GatewayConfig {
  const config = gatewayConfig({ small: agent.url, other: agent.url }, { statusPage, ...more });
  config.models.other!.server = 'server-small';
  delete config.servers['server-other'];
  const windows = {
    always: { days: ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'], from: '00:00', to: '24:00', min: 2 },
  };
  const schedule = { timeZone: 'UTC', windows, otherwise: 1 };
  Object.assign(config.servers['server-small']!, { pods: { min: 1, max: 3 }, schedule, costPerHour: 1.5 });
  return config;
}

function keysFile(): string {
  const keyOf = (name: string, models?: string[]) => ({
    name,
    sha256: hash('sha256', name),
    ...(models && { models }),
  });
  const file = path.join(folder, 'keys.json');
  writeFileSync(file, JSON.stringify({ keys: [keyOf('all'), keyOf('one', ['small'])] }));
  return file;
}

const bearer = (key: string) => ({ authorization: `Bearer ${key}` });

async function fleetOf(gateway: { url: string }, headers: Record<string, string> = {}): Promise<FleetEvent> {
  const answer = await fetch(`${gateway.url}/ui/data/fleet`, { headers });
  expect(answer.status).toBe(200);
  return (await answer.json()) as FleetEvent;
}

/** The events of a stream, as they come. */
async function* eventsOf(
  gateway: { url: string },
  headers: Record<string, string> = {},
): AsyncGenerator<{ name: string; event: FleetEvent }> {
  const answer = await fetch(`${gateway.url}/ui/data/fleet`, { headers: { accept: 'text/event-stream', ...headers } });
  expect(answer.status).toBe(200);
  expect(answer.headers.get('content-type')).toBe('text/event-stream');
  let rest = '';
  for await (const chunk of answer.body!.pipeThrough(new TextDecoderStream())) {
    const events = (rest + chunk).split('\n\n');
    rest = events.pop()!;
    for (const text of events) {
      const [, name, data] = /^event: (\w+)\ndata: (.*)$/.exec(text)!;
      yield { name: name!, event: JSON.parse(data!) };
    }
  }
}

/** Metrics servers that tell what the test says, as those of other gateways do. */
async function peer(status: () => object): Promise<string> {
  const server: Server = createMetricsServer({} as never, status);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  stack.defer(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

describe('what the page is told', () => {
  it('is every model with its server, its pods and what they hold', async () => {
    const gateway = await start();
    // What Ollama holds the agent asks once the model is loaded.
    await until(async () => ((await fleetOf(gateway)).models[0]!.pods[0]?.vram ?? 0) > 0);
    const { models, servers, gateways } = await fleetOf(gateway);
    expect(gateways).toEqual({ known: 1, answering: 1 });
    expect(servers[0]).not.toHaveProperty('forecast');
    expect(servers).toMatchObject([
      { name: 'server-small', min: 1, max: 3, scheduled: 2, costPerHour: 1.5, pods: [{ state: 'ready' }] },
    ]);
    expect(models.map(({ key, name, server }) => [key, name, server])).toEqual([
      ['small', 'team/small:latest', 'server-small'],
      ['other', 'team/other:latest', 'server-small'],
    ]);
    expect(models[0]!.pods).toMatchObject([{ state: 'loaded', inFlight: 0, slots: 3, ram: 1000, vram: 2000 }]);
  });

  it('is what is in flight, and what waits, at this gateway and at others', async () => {
    const counted = { requests: 9, errors: 0, refused: 0, tokens: 0, durations: [], waits: [] };
    const small = { ...counted, inFlight: 4, waiting: { batch: 2 }, oldestMs: 31_000 };
    const url = await peer(() => ({ id: 'other', upMs: 1, models: { small }, ejected: [agent.url] }));
    const gateway = await start({ statusPage: { service: '', peers: [url, 'http://127.0.0.1:1'] } });
    const gate = Promise.withResolvers<void>();
    ollama.answers['/api/chat'] = async (response, received) => {
      await gate.promise;
      await json({})(response, received);
    };
    const asked = post(`${gateway.url}/api/chat`, { model: 'small' });
    await until(() => ollama.on('/api/chat').length === 1);
    const { models, servers, gateways, totals } = await fleetOf(gateway);
    expect(gateways).toEqual({ known: 3, answering: 2 });
    expect(models[0]!.now).toEqual({ inFlight: 5, waiting: 2, oldest: 31 });
    expect(totals.now).toEqual({ inFlight: 5, waiting: 2 });
    expect(servers[0]!.pods).toMatchObject([{ state: 'ejected', ejectedBy: 1 }]);
    gate.resolve();
    await asked;
  });

  it('is what a forecaster says of the servers that are scaled, or why it says nothing', async () => {
    let said: object = { replicas: 2.345, horizonSeconds: 1200 };
    const forecaster = await peer(() => ({ servers: { 'server-small': said } }));
    const gateway = await start({ statusPage: { service: '', forecaster } });
    const forecast = async () => (await fleetOf(gateway)).servers[0]!.forecast;
    expect(await forecast()).toEqual({ replicas: 2.3, minutes: 20 });
    said = { silent: 'history is short' };
    expect(await forecast()).toEqual(said);
    const alone = await start({ statusPage: { service: '', forecaster: 'http://127.0.0.1:1' } });
    expect((await fleetOf(alone)).servers[0]!.forecast).toEqual({ silent: 'the forecaster does not answer' });
  });

  it('is that a pod is silent whose agent does not answer', async () => {
    const gateway = await start();
    await agent[Symbol.asyncDispose]();
    expect((await fleetOf(gateway)).servers[0]!.pods).toMatchObject([{ state: 'silent', ollama: null }]);
  });

  it('has nothing of what clients write', async () => {
    const gateway = await start({ apiKeysFile: keysFile() });
    const secret = 'the-words-of-a-client';
    await post(
      `${gateway.url}/api/chat`,
      { model: 'small', messages: [{ role: 'user', content: secret }] },
      bearer('all'),
    );
    await post(`${gateway.url}/api/chat`, { model: secret }, bearer('all'));
    const texts = await Promise.all([
      fetch(`${gateway.url}/ui/data/fleet`, { headers: bearer('all') }).then((answer) => answer.text()),
      fetch(`${agent.url}/status`).then((answer) => answer.text()),
      JSON.stringify(gateway.hop.status()),
    ]);
    for (const text of texts) {
      expect(text).not.toContain(secret);
      expect(text).not.toContain(hash('sha256', 'all'));
    }
    expect(gateway.hop.status().models.small).toMatchObject({ requests: 1 });
  });
});

describe('the stream', () => {
  it('begins with everything and goes on with what has changed', async () => {
    const gateway = await start();
    const events = eventsOf(gateway);
    const first = (await events.next()).value!;
    expect([first.name, first.event.models.length, first.event.servers.length]).toEqual(['fleet', 2, 1]);
    const gate = Promise.withResolvers<void>();
    ollama.answers['/api/chat'] = async (response, received) => {
      await gate.promise;
      await json({})(response, received);
    };
    const asked = post(`${gateway.url}/api/chat`, { model: 'small' });
    for await (const { name, event } of events) {
      expect(name).toBe('change');
      if (event.models.length === 0) continue;
      expect(event.models.map(({ key, now }) => [key, now.inFlight])).toEqual([['small', 1]]);
      break;
    }
    gate.resolve();
    await asked;
  });

  it('says everything anew when the models are others', async () => {
    const gateway = await start();
    const events = eventsOf(gateway);
    await events.next();
    const config = configOf();
    delete config.models.other;
    gateway.hop.configure(config);
    for await (const { name, event } of events) {
      if (name === 'change') continue;
      expect(event.models.map(({ key }) => key)).toEqual(['small']);
      break;
    }
  });

  it('costs nothing when nobody watches any more', async () => {
    const gateway = await start();
    const events = eventsOf(gateway);
    await events.next();
    await events.return(undefined);
    let asked = 0;
    agent.hop.app.server.on('request', () => asked++);
    await until(async () => {
      const before = asked;
      await sleep(2500);
      return asked === before;
    });
  });

  it('ends when the gateway drains', async () => {
    const gateway = await start();
    const events = eventsOf(gateway);
    await events.next();
    void gateway.drain.begin();
    for await (const { name } of events) expect(name).toBe('change');
    expect(gateway.drain.refusing).toBe(true);
  });

  it('is refused to more than 64 at a time, and free again when one leaves', async () => {
    const gateway = await start();
    const all = await Promise.all(
      Array.from({ length: 64 }, async () => {
        const events = eventsOf(gateway);
        await events.next();
        return events;
      }),
    );
    const headers = { accept: 'text/event-stream' };
    expect((await fetch(`${gateway.url}/ui/data/fleet`, { headers })).status).toBe(503);
    await all[0]!.return(undefined);
    await until(async () => {
      const answer = await fetch(`${gateway.url}/ui/data/fleet`, { headers });
      await answer.body!.cancel();
      return answer.status === 200;
    });
    for (const events of all) await events.return(undefined);
  });
});

describe('behind API keys', () => {
  it('the page itself is for all, and nothing that it shows without a key', async () => {
    const gateway = await start({ apiKeysFile: keysFile() });
    expect((await fetch(`${gateway.url}/ui/`)).status).toBe(200);
    for (const where of ['fleet', 'history', 'history/small']) {
      expect((await fetch(`${gateway.url}/ui/data/${where}`)).status).toBe(401);
      expect((await fetch(`${gateway.url}/ui/data/${where}`, { headers: bearer('none') })).status).toBe(401);
      expect((await fetch(`${gateway.url}/ui/data/${where}`, { headers: bearer('all') })).status).toBe(200);
      expect((await fetch(`${gateway.url}/ui/data/${where}?key=all&authorization=Bearer+all`)).status).toBe(401);
    }
  });

  it('a key shows the models that it may ask, and no name of another', async () => {
    await agent[Symbol.asyncDispose]();
    const models = { small: { name: 'team/small:latest' }, other: { name: 'team/missing:latest' } };
    agent = stack.use(await startAgent(agentConfig(ollama.url, models)));
    const gateway = await start({ apiKeysFile: keysFile() });
    const whole = await fleetOf(gateway, bearer('all'));
    expect(whole.servers[0]!.pods![0]!.problem).toMatch(/missing|other/);
    const part = await fleetOf(gateway, bearer('one'));
    expect(part.models.map(({ key }) => key)).toEqual(['small']);
    expect(part.servers[0]!.pods![0]!.problem).not.toBe('');
    expect(JSON.stringify(part)).not.toMatch(/other|missing/);
    expect((await fetch(`${gateway.url}/ui/data/history/other`, { headers: bearer('one') })).status).toBe(403);
    expect((await fetch(`${gateway.url}/ui/data/history/small`, { headers: bearer('one') })).status).toBe(200);
  });

  it('a stream ends when its key is taken away', async () => {
    const apiKeysFile = keysFile();
    const gateway = await start({ apiKeysFile });
    const events = eventsOf(gateway, bearer('one'));
    await events.next();
    writeFileSync(apiKeysFile, JSON.stringify({ keys: [{ name: 'all', sha256: hash('sha256', 'all') }] }));
    for await (const { name } of events) expect(name).toBe('change');
  });
});

describe('the page', () => {
  it('is served with its modules, without their types, and nothing else of the folder', async () => {
    const gateway = await start();
    const html = await (await fetch(`${gateway.url}/ui/`)).text();
    expect(html).toContain('<script type="module" src="main.ts">');
    const script = await fetch(`${gateway.url}/ui/main.ts`);
    expect(script.headers.get('content-type')).toBe('text/javascript; charset=utf-8');
    const text = await script.text();
    expect(text).not.toContain('import type');
    for (const [, name] of text.matchAll(/from '\.\/([a-z-]+\.ts)'/g)) {
      expect((await fetch(`${gateway.url}/ui/${name}`)).status).toBe(200);
    }
    for (const name of ['judge.test.ts', 'tsconfig.json', 'view.ts', '..%2fapp.ts', '%2e%2e/app.ts', 'none']) {
      expect((await fetch(`${gateway.url}/ui/${name}`)).status).toBe(404);
    }
  });

  it('may load and run its own files alone, and be shown in no frame', async () => {
    const gateway = await start();
    for (const name of ['', 'main.ts', 'style.css', 'icon.svg']) {
      const { headers } = await fetch(`${gateway.url}/ui/${name}`);
      const policy = headers.get('content-security-policy')!;
      expect(policy).toMatch(/^default-src 'none'; /);
      expect(policy).toContain("frame-ancestors 'none'");
      expect(policy).not.toMatch(/unsafe|data:|https?:|\*/);
      expect(headers.get('x-content-type-options')).toBe('nosniff');
      expect(headers.get('referrer-policy')).toBe('no-referrer');
      expect(headers.has('cross-origin-opener-policy')).toBe(false);
    }
    const byTls = await fetch(`${gateway.url}/ui/`, { headers: { 'x-forwarded-proto': 'https' } });
    expect(byTls.headers.get('cross-origin-opener-policy')).toBe('same-origin');
    const { headers } = await fetch(`${gateway.url}/ui/data/fleet`);
    expect(headers.get('cache-control')).toBe('no-store');
  });

  it('is not sent again to who has it', async () => {
    const gateway = await start();
    const etag = (await fetch(`${gateway.url}/ui/style.css`)).headers.get('etag')!;
    const again = await fetch(`${gateway.url}/ui/style.css`, { headers: { 'if-none-match': etag } });
    expect([again.status, await again.text()]).toEqual([304, '']);
  });

  it('is found without the last slash', async () => {
    const gateway = await start();
    const answer = await fetch(`${gateway.url}/ui`, { redirect: 'manual' });
    expect([answer.status, answer.headers.get('location')]).toEqual([308, 'ui/']);
    expect((await fetch(`${gateway.url}/ui`)).status).toBe(200);
  });

  it('is not there where the configuration has none, until it has', async () => {
    const { statusPage: _, ...config } = configOf();
    const gateway = stack.use(await startGateway(config));
    for (const where of ['', '/', '/main.ts', '/data/fleet', '/data/history', '/data/history/small']) {
      expect((await fetch(`${gateway.url}/ui${where}`)).status).toBe(404);
    }
    gateway.hop.configure({ ...config, statusPage });
    expect((await fetch(`${gateway.url}/ui/data/fleet`)).status).toBe(200);
  });
});
