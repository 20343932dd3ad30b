import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { until } from '../testing/client.ts';
import { FakeApiServer, type Slice } from '../testing/fake-api-server.ts';
import { EndpointWatch, type Timing } from './endpoints.ts';

const soon: Timing = { watchSeconds: 290, silenceMs: 60_000, retry: { firstMs: 20, longestMs: 100 } };

let api: FakeApiServer;
let folder: string;
let watch: EndpointWatch | undefined;
let services: Set<string>;
let told: [string, string[]][];
let logged: { level: number; msg: string; problem?: string }[];

beforeEach(async () => {
  api = await FakeApiServer.start();
  folder = mkdtempSync(path.join(tmpdir(), 'endpoints-'));
  services = new Set(['one', 'two']);
  told = [];
  logged = [];
  setToken('token');
});
afterEach(async () => {
  watch?.close();
  watch = undefined;
  await api[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

const tokenFile = () => path.join(folder, 'token');
const setToken = (token: string) => writeFileSync(tokenFile(), `${token}\n`);

function start(timing: Partial<Timing> = {}): EndpointWatch {
  watch = new EndpointWatch({
    namespace: 'test',
    services: () => services,
    onChange: (service, urls) => told.push([service, urls]),
    log: pino({ level: 'info' }, { write: (line: string) => logged.push(JSON.parse(line)) }),
    api: { url: api.url, tokenFile: tokenFile() },
    timing: { ...soon, ...timing },
  });
  return watch;
}

/** Starts it and waits until it watches. */
async function follow(timing?: Partial<Timing>): Promise<EndpointWatch> {
  const started = start(timing);
  await until(() => started.known && api.openWatches === 1);
  return started;
}

const last = (service: string) => told.findLast(([name]) => name === service)?.[1];

type Endpoint = { addresses: string[]; conditions?: object; targetRef?: object };
const ready = (...addresses: string[]): Endpoint[] =>
  addresses.map((address) => ({
    addresses: [address],
    conditions: { ready: true, serving: true, terminating: false },
  }));

function slice(name: string, service: string, endpoints: Endpoint[], more: object = {}): Slice {
  return {
    metadata: { name, labels: { 'kubernetes.io/service-name': service } },
    addressType: 'IPv4',
    endpoints,
    ports: [
      { name: 'metrics', port: 9090 },
      { name: 'http', port: 8080 },
    ],
    ...more,
  };
}

describe('what it tells', () => {
  it('is the ready endpoints of all slices of a Service, each once', async () => {
    api.put(slice('one-a', 'one', [...ready('10.0.0.2', '10.0.0.1'), { addresses: ['10.0.0.9'] }]));
    api.put(slice('one-b', 'one', ready('10.0.0.2', '10.0.0.3')));
    api.put(
      slice('two-a', 'two', [
        { addresses: ['10.0.1.1'], conditions: { ready: false } },
        { addresses: ['10.0.1.2'], conditions: { ready: true, terminating: true } },
        { addresses: ['10.0.1.3'], conditions: {} },
      ]),
    );
    await follow();
    const one = ['10.0.0.1', '10.0.0.2', '10.0.0.3', '10.0.0.9'].map((ip) => `http://${ip}:8080`);
    expect(new Map(told)).toEqual(
      new Map([
        ['one', one],
        ['two', ['http://10.0.1.3:8080']],
      ]),
    );
    expect(told).toHaveLength(2);
  });

  it('is of every pod too, by name, with how it is', async () => {
    const [one] = ready('10.0.0.1');
    api.put(
      slice('one-a', 'one', [
        { ...one!, targetRef: { kind: 'Pod', name: 'pod-b' } },
        { addresses: ['10.0.0.2'], conditions: { ready: false }, targetRef: { kind: 'Pod', name: 'pod-a' } },
        { addresses: ['10.0.0.3'], conditions: { ready: true, terminating: true } },
      ]),
    );
    const started = await follow();
    expect(started.podsOf('one')).toEqual([
      { name: '10.0.0.3', host: '10.0.0.3', url: 'http://10.0.0.3:8080', isReady: true, isTerminating: true },
      { name: 'pod-a', host: '10.0.0.2', url: 'http://10.0.0.2:8080', isReady: false, isTerminating: false },
      { name: 'pod-b', host: '10.0.0.1', url: 'http://10.0.0.1:8080', isReady: true, isTerminating: false },
    ]);
    expect(started.podsOf('two')).toEqual([]);
  });

  it('has brackets around addresses of IPv6, and those of one family alone', async () => {
    const six = { addressType: 'IPv6' };
    api.put(slice('one-6', 'one', ready('fd00::1'), six));
    api.put(slice('two-6', 'two', ready('fd00::2'), six));
    api.put(slice('two-4', 'two', ready('10.0.0.2')));
    await follow();
    expect([last('one'), last('two')]).toEqual([['http://[fd00::1]:8080'], ['http://10.0.0.2:8080']]);
  });

  it('takes the port by its name from each slice', async () => {
    api.put(slice('one-a', 'one', ready('10.0.0.1'), { ports: [{ name: 'http', port: 8181 }] }));
    api.put(slice('one-b', 'one', ready('10.0.0.2'), { ports: [{ name: 'metrics', port: 9090 }] }));
    api.put(slice('one-c', 'one', ready('10.0.0.3'), { ports: null }));
    api.put(slice('two-a', 'two', [], { endpoints: null }));
    await follow();
    expect([last('one'), last('two')]).toEqual([['http://10.0.0.1:8181'], []]);
  });

  it('is of the Services it was asked for alone, but knows of the others', async () => {
    api.put(slice('other-a', 'other', ready('10.0.0.1')));
    api.put({ metadata: { name: 'stray' }, addressType: 'IPv4', endpoints: ready('10.0.0.7'), ports: [{ port: 1 }] });
    const started = await follow();
    api.put(slice('other-b', 'other', ready('10.0.0.2')));
    api.put(slice('one-a', 'one', ready('10.0.0.3')));
    await until(() => last('one')?.length === 1);
    expect(new Set(told.map(([service]) => service))).toEqual(new Set(['one', 'two']));
    expect(started.urlsOf('other')).toEqual(['http://10.0.0.1:8080', 'http://10.0.0.2:8080']);
    services.add('other');
    api.delete('other-a');
    await until(() => last('other') !== undefined);
    expect(last('other')).toEqual(['http://10.0.0.2:8080']);
  });

  it('asks for the slices of servers and gateways alone', async () => {
    await follow();
    expect(api.asked.map(({ query }) => query.get('labelSelector'))).toEqual([
      'app.kubernetes.io/part-of=model-management,app.kubernetes.io/component in (server,gateway)',
      'app.kubernetes.io/part-of=model-management,app.kubernetes.io/component in (server,gateway)',
    ]);
    const { query } = api.asksFor('watch')[0]!;
    expect([query.get('allowWatchBookmarks'), query.get('timeoutSeconds')]).toEqual(['true', '290']);
  });
});

describe('changes', () => {
  it('are told as they come, and nothing else', async () => {
    await follow();
    expect(told.splice(0)).toEqual([
      ['one', []],
      ['two', []],
    ]);
    api.put(slice('one-a', 'one', ready('10.0.0.1')));
    await until(() => last('one')?.length === 1);
    api.put(slice('one-a', 'one', ready('10.0.0.1'), { note: 'nothing that matters' }));
    api.bookmark();
    api.put(slice('one-b', 'one', ready('10.0.0.2')));
    await until(() => last('one')?.length === 2);
    api.put(slice('one-a', 'two', ready('10.0.0.1')));
    await until(() => last('two')?.length === 1);
    api.delete('one-b');
    await until(() => last('one')?.length === 0);
    expect(told).toEqual([
      ['one', ['http://10.0.0.1:8080']],
      ['one', ['http://10.0.0.1:8080', 'http://10.0.0.2:8080']],
      ['one', ['http://10.0.0.2:8080']],
      ['two', ['http://10.0.0.1:8080']],
      ['one', []],
    ]);
    expect([api.asksFor('list').length, api.asksFor('watch').length]).toEqual([1, 1]);
  });

  it('may be cut anywhere', async () => {
    api.pieceBytes = 7;
    await follow();
    const urls = Array.from({ length: 8 }, (_, n) => `http://10.0.0.${n}:8080`);
    urls.forEach((_, n) => {
      api.put(slice(`one-${n}`, 'one', ready(`10.0.0.${n}`), { note: 'Grüße 🚀'.repeat(n) }));
    });
    await until(() => last('one')?.length === 8);
    expect([last('one'), api.asksFor('list').length]).toEqual([urls, 1]);
    api.pieceBytes = undefined;
    for (let n = 0; n < 7; n++) api.delete(`one-${n}`);
    await until(() => last('one')?.length === 1);
  });

  it('go on where a watch ended, and at once if it brought something', async () => {
    await follow({ retry: { firstMs: 100, longestMs: 60_000 } });
    for (let round = 0; round < 8; round++) {
      api.put(slice(`one-${round}`, 'one', ready(`10.0.0.${round}`)));
      api.bookmark();
      await until(() => last('one')?.length === round + 1);
      await sleep(20);
      api.endWatches();
      await until(() => api.openWatches === 1 && api.asksFor('watch').length === round + 2);
    }
    expect(api.asksFor('list')).toHaveLength(1);
    expect(api.asksFor('watch').map(({ from }) => Number(from))).toEqual(
      Array.from({ length: 9 }, (_, round) => 100 + 2 * round),
    );
    expect(logged.map(({ level }) => level)).toEqual([30]);
  });

  it('are found by a list where a watch can go on from nowhere', async () => {
    for (const goneAs of ['event', 'status'] as const) {
      api.goneAs = goneAs;
      api.put(slice('one-a', 'one', ready('10.0.0.1')));
      api.put(slice('two-a', 'two', ready('10.0.0.2')));
      const started = await follow();
      told.length = 0;
      await api.stop();
      api.delete('one-a');
      api.put(slice('two-b', 'two', ready('10.0.0.3')));
      api.forget();
      await api.start();
      await until(() => told.length === 2);
      expect(new Map(told)).toEqual(
        new Map([
          ['one', []],
          ['two', ['http://10.0.0.2:8080', 'http://10.0.0.3:8080']],
        ]),
      );
      started.close();
      api.delete('two-b');
    }
  });

  it('are found by a list where the version has been forgotten while the connection held', async () => {
    for (const goneAs of ['event', 'status'] as const) {
      api.goneAs = goneAs;
      const started = await follow();
      const lists = api.asksFor('list').length;
      api.silent = true;
      api.put(slice('one-a', 'one', ready('10.0.0.1')));
      api.forget();
      api.silent = false;
      logged.length = 0;
      api.endWatches();
      await until(() => last('one')?.length === 1 && api.openWatches === 1);
      expect([api.asksFor('list').length, logged]).toEqual([lists + 1, []]);
      started.close();
      api.delete('one-a');
      told.length = 0;
    }
  });
});

describe('an API server that', () => {
  it('falls silent is left for another connection, and nothing is lost', async () => {
    await follow({ silenceMs: 300 });
    api.silent = true;
    api.put(slice('one-a', 'one', ready('10.0.0.1')));
    await until(() => api.asksFor('watch').length > 1);
    expect(last('one')).toEqual([]);
    api.silent = false;
    await until(() => last('one')?.length === 1);
    expect([api.asksFor('list').length, logged.map(({ level }) => level)]).toEqual([1, [30]]);
  });

  it('goes away leaves what is known as it is, until it is back', async () => {
    api.put(slice('one-a', 'one', ready('10.0.0.1')));
    api.put(slice('two-a', 'two', ready('10.0.0.2')));
    const started = await follow();
    told.length = 0;
    await api.stop();
    await until(() => logged.length === 2);
    await sleep(300);
    expect([told, started.known, started.urlsOf('one')]).toEqual([[], true, ['http://10.0.0.1:8080']]);
    api.delete('two-a');
    await api.start();
    await until(() => last('two')?.length === 0 && api.openWatches === 1);
    api.put(slice('one-b', 'one', ready('10.0.0.3')));
    await until(() => last('one')?.length === 2);
    expect(told.map(([service]) => service)).toEqual(['two', 'one']);
    // However often it was tried: one line for each time that things changed.
    expect(logged.map(({ level }) => level)).toEqual([30, 40, 30]);
  });

  it('is away at the start tells later', async () => {
    await api.stop();
    const started = start();
    await until(() => logged.length === 1);
    expect([started.known, told]).toEqual([false, []]);
    expect(logged[0]!.problem).toContain('ECONNREFUSED');
    api.put(slice('one-a', 'one', ready('10.0.0.1')));
    await api.start();
    await until(() => started.known);
    expect(told).toContainEqual(['one', ['http://10.0.0.1:8080']]);
  });

  it('cuts connections is asked again', async () => {
    await follow();
    await api.stop();
    await api.start();
    api.put(slice('one-a', 'one', ready('10.0.0.1')));
    await until(() => last('one')?.length === 1);
  });

  it('wants another token gets it', async () => {
    await follow();
    setToken('renewed');
    api.tokens.clear();
    api.tokens.add('renewed');
    api.endWatches();
    api.put(slice('one-a', 'one', ready('10.0.0.1')));
    await until(() => last('one')?.length === 1);
    expect(logged.map(({ level }) => level)).toEqual([30]);
    api.tokens.clear();
    api.endWatches();
    await until(() => logged.length === 2);
    expect(logged[1]!.problem).toContain('401');
    setToken('newest');
    api.tokens.add('newest');
    await until(() => logged.length === 3 && api.openWatches === 1);
  });

  it('lets list but not watch is listed again and again', async () => {
    api.refuse.watch = 403;
    const started = start();
    await until(() => started.known);
    api.put(slice('one-a', 'one', ready('10.0.0.1')));
    await until(() => last('one')?.length === 1 && api.asksFor('list').length > 4);
    expect(logged.map(({ level }) => level)).toEqual([40]);
    expect(logged[0]!.problem).toContain('403');
  });

  it('ends every watch at once is not asked without a pause', async () => {
    await follow({ retry: { firstMs: 200, longestMs: 1000 } });
    const ending = setInterval(() => api.endWatches(), 1);
    await sleep(1000);
    clearInterval(ending);
    expect(api.asksFor('watch').length).toBeGreaterThan(1);
    expect(api.asksFor('watch').length).toBeLessThan(8);
  });
});

it('leaves nothing behind when it is closed, whatever it is doing', async () => {
  const watching = await follow();
  watching.close();
  await until(() => api.openConnections === 0);
  const asked = api.asked.length;
  const starting = start();
  starting.close();
  await api.stop();
  const retrying = start({ retry: { firstMs: 60_000, longestMs: 60_000 } });
  await until(() => logged.some(({ level }) => level === 40));
  retrying.close();
  await api.start();
  await sleep(200);
  expect(api.asked.length).toBeLessThanOrEqual(asked + 1);
  expect(api.openConnections).toBe(0);
});

it('says so where there is no cluster', () => {
  const options = { namespace: 'test', services: () => services, onChange: () => {}, log: pino({ level: 'silent' }) };
  expect(() => new EndpointWatch(options)).toThrow('in no cluster');
});
