import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { type Disturbance, figuresOf, underLoad } from './delivery/under-load.ts';

/** A server of HTTP, as long as the test needs one, which refuses whom it is told to. */
async function server() {
  const state = { refuses: false };
  const http = createServer((request, response) => {
    request.resume().on('end', () => response.writeHead(state.refuses ? 503 : 200).end('{}'));
  });
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  return {
    state,
    address: `http://127.0.0.1:${(http.address() as AddressInfo).port}`,
    [Symbol.asyncDispose]: async () => {
      http.closeAllConnections();
      await new Promise((resolve) => http.close(resolve));
    },
  };
}

it('counts what clients are refused while something is done to a fleet, and what they are answered before and after', async () => {
  await using fleet = await server();
  const disturbance = await underLoad(
    fleet.address,
    'one',
    { what: 'an outage', aim: 1 },
    async () => {
      fleet.state.refuses = true;
      await sleep(250);
      fleet.state.refuses = false;
    },
    250,
  );
  expect(disturbance).toMatchObject({ what: 'an outage', aim: 1 });
  expect(disturbance.failed.length).toBeGreaterThan(0);
  expect(disturbance.failed[0]).toMatch(/^one at \d+ ms: 503/);
  expect(disturbance.answered).toBeGreaterThan(0);
  expect(disturbance.pause).toBeGreaterThan(0.2);
  const [, failed] = figuresOf([disturbance]);
  expect(failed).toMatchObject({ aim: '≤ 1 %', met: false });
});

it('measures nothing where clients are refused already', async () => {
  await using fleet = await server();
  fleet.state.refuses = true;
  const measuring = underLoad(fleet.address, 'one', { what: 'a drain' }, async () => {}, 150);
  await expect(measuring).rejects.toThrow(/^a drain: clients are refused before it: .*503/);
});

it('has three figures for each of what was done, with an aim where there is one', () => {
  const done = (more: Partial<Disturbance>): Disturbance => ({
    ...{ what: 'a drain', seconds: 12.34, answered: 400, failed: [], pause: 0.123 },
    ...more,
  });
  expect(figuresOf([done({ aim: 0 }), done({ answered: 396, failed: Array(4).fill('503'), aim: 1 })])).toEqual([
    { what: 'a drain', value: 12.3, unit: 's' },
    { what: 'a drain: 0 of 400 requests failed', value: 0, unit: '%', aim: '≤ 0 %', met: true },
    { what: 'a drain: longest time without an answer', value: 0.12, unit: 's' },
    { what: 'a drain', value: 12.3, unit: 's' },
    { what: 'a drain: 4 of 400 requests failed', value: 1, unit: '%', aim: '≤ 1 %', met: true },
    { what: 'a drain: longest time without an answer', value: 0.12, unit: 's' },
  ]);
  const [, one] = figuresOf([done({ failed: ['503'], aim: 0 })]);
  expect(one).toMatchObject({ value: 0.249, met: false });
  const [, unaimed] = figuresOf([done({ failed: ['503'] })]);
  expect(unaimed).not.toHaveProperty('aim');
});
