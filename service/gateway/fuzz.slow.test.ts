import { hash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { temporaryFolder } from '../../ci/testing/project.ts';
import { type Random, randomFrom } from '../../ci/testing/random.ts';
import type { GatewayConfig } from '../../schema/config.ts';
import { gatewayHeader, modelHeader, requestIdHeader } from '../shared/headers.ts';
import { modelRoutes } from '../shared/routes.ts';
import { get, post, until } from '../testing/client.ts';
import { Entry } from '../testing/entry.ts';
import { FakeOllama, type Received } from '../testing/fake-ollama.ts';
import { nowhere } from '../testing/gateway.ts';
import { gatewayConfig } from '../testing/hops.ts';
import { Malformed } from '../testing/malformed.ts';
import { Raw, type RawAnswer } from '../testing/raw.ts';

const inputs = 10_000;
const batch = 400;
/** Connections at a time. */
const clients = 64;

const key = 'mm-only-the-client-has-this';
const prompt = 'what-nobody-else-should-read';

/** What an answer may be. A 500 would be a mistake of the gateway's own. */
const due = [200, 400, 401, 403, 404, 405, 408, 413, 415, 417, 429, 431, 501, 503, 505];

/** Headers that may reach an agent: those of the connection, which are the gateway's own, and the allow list. */
const allowed = [
  ...['host', 'connection', 'content-length'],
  ...['accept', 'content-type', requestIdHeader, modelHeader, gatewayHeader],
];

function checkAnswer({ status, headers, body }: RawAnswer): void {
  expect(due).toContain(status);
  if (status < 400) return;
  expect(headers['content-type']).toBe('application/json; charset=utf-8');
  const { error } = JSON.parse(body.toString());
  expect(typeof (error.message ?? error)).toBe('string');
}

function checkReceived({ method, path: asked, headers, body }: Received): void {
  if (method === 'GET') {
    expect(['/api/tags', '/api/ps', '/api/version']).toContain(asked);
    return;
  }
  expect(modelRoutes).toContain(asked);
  expect(Object.keys(headers).filter((name) => !allowed.includes(name))).toEqual([]);
  expect(headers).toMatchObject({ [modelHeader]: 'small', 'content-length': String(body.length) });
  expect(headers[requestIdHeader]).toMatch(/^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$/);
  const object = JSON.parse(body.toString());
  expect(Object.prototype.toString.call(object)).toBe('[object Object]');
  const names = Object.keys(object).map((name) => name.toUpperCase());
  expect(new Set(names).size).toBe(names.length);
}

/** Sends bytes in one piece or in some, and waits until the gateway has closed the connection. */
async function send(url: string, random: Random, bytes: Buffer): Promise<RawAnswer[]> {
  using raw = await Raw.open(url);
  const cuts = random.below(4) === 0 ? [random.below(bytes.length + 1), random.below(bytes.length + 1)] : [];
  let from = 0;
  for (const to of [...cuts.sort((a, b) => a - b), bytes.length]) {
    if (from > 0) await new Promise(setImmediate);
    raw.write(bytes.subarray(from, to));
    from = to;
  }
  // Some leave at once.
  if (random.below(12) === 0) return [];
  await Promise.race([raw.something(), sleep(150)]);
  await Promise.race([raw.closed(), sleep(5)]);
  // The others say that nothing more comes: whatever was under way, the gateway lets go of the connection then.
  raw.socket.end();
  const outcome = await Promise.race([raw.closed(), sleep(10_000, 'open')]);
  if (outcome === 'open') throw new Error('the gateway keeps a connection whose client has left');
  return raw.parsed.answers;
}

/** A figure of the gateway's own process. */
async function figure(gateway: Entry, name: string): Promise<number> {
  const { text } = await get(gateway.metricsUrl);
  return Number(new RegExp(`^${name}(?:{[^}]*})? (.+)$`, 'm').exec(text)![1]);
}

/** Starts a gateway whose heap is small and often swept: a leak ends it, and what it uses says what it holds. */
async function startSmall(config: GatewayConfig): Promise<Entry> {
  const { NODE_OPTIONS: before = '' } = process.env;
  process.env.NODE_OPTIONS = `${before} --max-old-space-size=64 --max-semi-space-size=2`;
  try {
    return await Entry.start('gateway', config, '--drain-delay', '0');
  } finally {
    process.env.NODE_OPTIONS = before;
  }
}

it(`stays up under ${inputs} malformed inputs, answers what can be answered, and passes nothing of them on`, async () => {
  await using folder = await temporaryFolder();
  const apiKeysFile = path.join(folder.path, 'keys.json');
  await writeFile(apiKeysFile, JSON.stringify({ keys: [{ name: 'alice', sha256: hash('sha256', key) }] }));
  await using agent = await FakeOllama.start(['team/small:latest']);
  const config = gatewayConfig({ small: agent.url, gone: nowhere }, { apiKeysFile, logLevel: 'debug' });
  await using gateway = await startSmall(config);
  const random = randomFrom(20_261);
  const malformed = new Malformed(random, key, prompt);
  const counts = new Map<number, number>();
  let passed = 0;

  const send400 = async () => {
    let left = batch;
    const client = async () => {
      while (left-- > 0) {
        const bytes = malformed.next();
        const answers = await send(gateway.url, random, bytes);
        for (const answer of answers) {
          try {
            checkAnswer(answer);
          } catch (error) {
            throw new Error(`after ${JSON.stringify(bytes.toString('latin1', 0, 2000))}`, { cause: error });
          }
          counts.set(answer.status, (counts.get(answer.status) ?? 0) + 1);
        }
      }
    };
    await Promise.all(Array.from({ length: clients }, client));
    for (const received of agent.received.splice(0)) {
      checkReceived(received);
      passed++;
    }
    const good = await post(`${gateway.url}/api/chat`, { model: 'small' }, { 'x-api-key': key });
    expect(good.status).toBe(200);
  };

  await send400();
  const memory = await figure(gateway, 'process_resident_memory_bytes');
  const files = await figure(gateway, 'process_open_fds');
  for (let sent = batch; sent < inputs; sent += batch) await send400();

  // Enough of everything to say something.
  const count = (from: number, to: number) =>
    [...counts].reduce((sum, [status, times]) => sum + (status >= from && status < to ? times : 0), 0);
  expect(count(200, 300)).toBeGreaterThan(inputs / 100);
  expect(count(400, 500)).toBeGreaterThan(inputs / 4);
  expect(passed).toBeGreaterThan(inputs / 50);

  expect((await figure(gateway, 'process_resident_memory_bytes')) - memory).toBeLessThan(48 * 1024 ** 2);
  await until(async () => (await figure(gateway, 'process_open_fds')) <= files + 8);
  await until(async () => (await figure(gateway, 'model_requests_in_flight')) === 0);
  expect(gateway.logged('unforeseen error')).toEqual([]);
  expect(gateway.errors).toBe('');
  const logs = JSON.stringify(gateway.logs);
  expect(logs).not.toContain(key);
  expect(logs).not.toContain(prompt);
  gateway.signal('SIGTERM');
  expect(await gateway.ended()).toBe(0);
}, 120_000);
