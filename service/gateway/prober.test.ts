import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { FakeOllama, json } from '../testing/fake-ollama.ts';
import { Prober } from './prober.ts';

/** Nothing listens there. */
const nowhere = 'http://127.0.0.1:1';
const prober = new Prober('gateway-1');
let agent: FakeOllama;

beforeAll(async () => {
  agent = await FakeOllama.start();
});
beforeEach(() => agent.reset());
afterAll(async () => {
  await prober.close();
  await agent[Symbol.asyncDispose]();
});

describe('readiness', () => {
  it.each([
    ['200', true, json({ status: 'ok' })],
    ['503', false, json({ status: 'unavailable' }, 503)],
  ])('is what the agent says: %s', async (_status, ready, answer) => {
    agent.answers['/health/ready'] = answer;
    expect(await prober.isReady(agent.url)).toBe(ready);
  });

  it('is none where nobody answers, in time or at all', async () => {
    agent.answers['/health/ready'] = () => {};
    expect(await Promise.all([agent.url, nowhere].map((url) => prober.isReady(url)))).toEqual([false, false]);
  });
});

describe('a reservation', () => {
  it('is what the agent says to this gateway', async () => {
    agent.answers['/slots/team%2Fm'] = json({ reserved: true, shared: true });
    expect(await prober.reserve(agent.url, 'team/m')).toEqual({ reserved: true, shared: true });
    const [asked] = agent.received;
    expect([asked!.method, asked!.headers['x-model-management-gateway']]).toEqual(['POST', 'gateway-1']);
  });

  it('is none where it says none', async () => {
    agent.answers['/slots/m'] = json({ error: 'POST /slots/m is not offered here' }, 404);
    await expect(prober.reserve(agent.url, 'm')).rejects.toThrow('404');
    await expect(prober.reserve(nowhere, 'm')).rejects.toThrow();
  });
});
