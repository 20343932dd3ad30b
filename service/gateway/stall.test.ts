import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { until } from '../testing/client.ts';
import { GatewayBeforeAgent } from '../testing/gateway.ts';
import { Raw } from '../testing/raw.ts';

const fleet = new GatewayBeforeAgent();
const body = '{"model":"small"}';
const request = `POST /api/generate HTTP/1.1\r\nHost: gateway\r\nContent-Length: ${body.length}\r\n\r\n${body}`;

it('ends the generation of a client that takes nothing of its answer any more', async () => {
  let isEnded = false;
  fleet.agent.answers['/api/generate'] = (response) => {
    response.on('close', () => {
      isEnded = true;
    });
    // Tokens that come for ever, however much of them waits.
    const say = setInterval(() => response.write(Buffer.alloc(1024 ** 2, 'x')), 10);
    response.on('close', () => clearInterval(say));
  };
  fleet.gateway.hop.app.server.timeout = 400;
  using raw = await Raw.open(fleet.url);
  raw.write(request);
  await until(() => raw.received.length > 0);
  raw.socket.pause();
  await until(() => isEnded);
  await until(() => fleet.gateway.drain.inFlight === 0);
});

it('waits for the tokens of a model that takes its time, longer than for any client', async () => {
  let finish = () => {};
  fleet.agent.answers['/api/generate'] = async (response) => {
    response.writeHead(200).write('{}\n');
    finish = () => response.end('{"done":true}\n');
  };
  fleet.gateway.hop.app.server.timeout = 100;
  using raw = await Raw.open(fleet.url);
  raw.write(request);
  await until(() => raw.received.includes('{}'));
  await sleep(500);
  finish();
  expect((await raw.answer())?.body.toString()).toBe('{}\n{"done":true}\n');
});
