import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { get, post, until } from './testing/client.ts';
import { FakeOllama, json } from './testing/fake-ollama.ts';
import { agentConfig, gatewayConfig, startAgent, startGateway } from './testing/hops.ts';

/** What one answer takes, in ms. */
const serviceMs = 20;

it('two gateways before one replica take turns, whatever each has waiting, and none of their requests fails', async () => {
  await using ollama = await FakeOllama.start(['team/small:latest']);
  ollama.answers['/api/chat'] = async (response, received) => {
    await sleep(serviceMs);
    json({ done: true })(response, received);
  };
  const models = { small: { name: 'team/small:latest' } };
  await using agent = await startAgent(agentConfig(ollama.url, models, { parallel: 1, allowance: 1 }));
  await until(async () => (await get(`${agent.url}/health/ready`)).status === 200);
  const config = gatewayConfig({ small: agent.url });
  config.servers['server-small']!.slots = 2;
  await using greedy = await startGateway(config);
  await using modest = await startGateway(config);

  const statuses: number[] = [];
  let going = true;
  const client = async (url: string) => {
    let answered = 0;
    while (going) {
      const { status } = await post(`${url}/api/chat`, { model: 'small' });
      statuses.push(status);
      answered++;
    }
    return answered;
  };
  const flood = Array.from({ length: 20 }, () => client(greedy.url));
  await sleep(500);
  const two = [client(modest.url), client(modest.url)];
  await sleep(2500);
  going = false;
  const sum = async (counts: Promise<number>[]) => (await Promise.all(counts)).reduce((a, b) => a + b);
  const [many, few] = [await sum(flood), await sum(two)];

  expect(new Set(statuses)).toEqual(new Set([200]));
  // Half of what was answered while both asked; without turns it would be next to nothing.
  expect(few).toBeGreaterThan(0.25 * many);
  // Nobody waits for turns while there is room: the replica was busy nearly all the time.
  expect(many + few).toBeGreaterThan(0.5 * (3000 / serviceMs));
  const retries = await greedy.metrics.registry.getSingleMetricAsString('model_request_retries_total');
  const full = Number(/reason="full"} (\d+)/.exec(retries)?.[1] ?? 0);
  expect(full).toBeLessThan(0.2 * many);
});
