import { once } from 'node:events';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeEach, describe, expect, it } from 'vitest';
import { open, until } from '../testing/client.ts';
import { GatewayBeforeAgent } from '../testing/gateway.ts';

const fleet = new GatewayBeforeAgent();
// Answers that break off have their replica left alone for a while.
beforeEach(() => fleet.renew());

describe('streams', () => {
  it('passes every byte on as it comes, not at the end', async () => {
    fleet.agent.answers['/api/chat'] = async (response) => {
      response.writeHead(200, { 'content-type': 'application/x-ndjson' });
      for (let n = 0; n < 5; n++) {
        response.write(`{"n":${n}}\n`);
        await sleep(30);
      }
      response.end();
    };
    const times: number[] = [];
    const answer = await open(`${fleet.url}/api/chat`, { model: 'small' });
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
    fleet.agent.answers['/api/chat'] = (response) => {
      response.writeHead(200).flushHeaders();
      finish = () => response.end('{}');
    };
    const answer = await open(`${fleet.url}/api/chat`, { model: 'small' });
    expect(answer.statusCode).toBe(200);
    finish();
    await once(answer.resume(), 'end');
  });

  it('cancels above at once when the client leaves, before the answer has begun or later', async () => {
    const closed: string[] = [];
    fleet.agent.answers['/api/chat'] = (response) => {
      response.on('close', () => closed.push('waiting'));
    };
    fleet.agent.answers['/api/generate'] = (response) => {
      response.on('close', () => closed.push('streaming'));
      response.writeHead(200).write('{}\n');
    };
    const controller = new AbortController();
    const waiting = fetch(`${fleet.url}/api/chat`, {
      method: 'POST',
      body: '{"model":"small"}',
      signal: controller.signal,
    });
    await until(() => fleet.agent.on('/api/chat').length === 1);
    controller.abort();
    await expect(waiting).rejects.toThrow();
    await until(() => closed.includes('waiting'), 1000);
    const streaming = await open(`${fleet.url}/api/generate`, { model: 'small' });
    streaming.destroy();
    await until(() => closed.includes('streaming'), 1000);
    await until(async () => (await fleet.counted('/api/chat', '4xx')) > 0);
    await until(() => fleet.gateway.drain.inFlight === 0);
  });

  it.each(['breaks', 'stays silent too long'])(
    'cuts the answer, so that no client takes it for whole, when the one above %s',
    async (how) => {
      fleet.gateway.hop.configure(fleet.config({ generationTimeoutSeconds: 0.3 }));
      fleet.agent.answers['/api/chat'] = async (response) => {
        response.writeHead(200).write('{"n":0}\n');
        await sleep(50);
        if (how === 'breaks') response.destroy();
      };
      const before = await fleet.counted('/api/chat', '5xx');
      const answer = await open(`${fleet.url}/api/chat`, { model: 'small' });
      await expect(
        (async () => {
          for await (const _ of answer);
        })(),
      ).rejects.toThrow('aborted');
      expect(await fleet.counted('/api/chat', '5xx')).toBe(before + 1);
    },
  );

  it.each([
    [
      '/api/chat',
      'application/x-ndjson',
      '{"n":0}\n',
      '',
      '{"error":"the server broke off in the middle of the answer"}\n',
    ],
    [
      '/api/chat',
      'application/x-ndjson',
      '{"n":0',
      '\n',
      '{"error":"the server broke off in the middle of the answer"}\n',
    ],
    [
      '/v1/chat/completions',
      'text/event-stream',
      'data: {}\n\n',
      '',
      'data: {"error":{"message":"the server broke off in the middle of the answer","type":"api_error","param":null,"code":null}}\n\n',
    ],
    ['/api/chat', 'application/x-ndjson', '{"error":"runner"}\n', '', ''],
    ['/api/chat', 'application/json', '{"n":0', '', ''],
  ])(
    'says in the stream that it was cut, where clients would take that for its end: %s %s %j',
    async (path, type, first, gap, words) => {
      fleet.agent.answers[path] = (response) => {
        response.writeHead(200, { 'content-type': type }).write(first, () => setTimeout(() => response.destroy(), 20));
      };
      const answer = await open(fleet.url + path, { model: 'small' });
      let text = '';
      const reading = (async () => {
        for await (const chunk of answer) text += chunk;
      })();
      await expect(reading).rejects.toThrow('aborted');
      expect(text).toBe(first + gap + words);
    },
  );

  it('reads above only as fast as the client takes it', async () => {
    const flood = 64 * 1024 ** 2;
    let sent = 0;
    const chunks = function* () {
      const chunk = Buffer.alloc(64 * 1024, 'x');
      for (; sent < flood; sent += chunk.length) yield chunk;
    };
    fleet.agent.answers['/api/generate'] = (response) => {
      Readable.from(chunks()).pipe(response);
    };
    const answer = await open(`${fleet.url}/api/generate`, { model: 'small' });
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
