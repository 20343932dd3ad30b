import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { FakeOllama, json } from '../testing/fake-ollama.ts';
import { Prober } from './prober.ts';

/** Nothing listens there. */
const nowhere = 'http://127.0.0.1:1';
const prober = new Prober();
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

describe('slots', () => {
  it('are what the agent says', async () => {
    const slots = { models: { m: { slots: 4, inFlight: 2 } } };
    agent.answers['/slots'] = json(slots);
    expect(await prober.slotsOf(agent.url)).toEqual(slots);
  });

  it('are unknown where it says none', async () => {
    agent.answers['/slots'] = json({ error: 'GET /slots is not offered here' }, 404);
    await expect(prober.slotsOf(agent.url)).rejects.toThrow('404');
    await expect(prober.slotsOf(nowhere)).rejects.toThrow();
  });
});
