import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { testFleet, tinyServer } from './fleet.ts';

it('holds the requests for a server that has no pod, shows them as demand, and answers them when one is ready', async () => {
  await using fleet = await testFleet();
  const { namespace } = fleet;
  await fleet.deploy(tinyServer('one'));
  await fleet.untilReady('ollama-one');
  await fleet.untilGateway();
  const scale = (pods: number) => namespace.kubectl(['scale', 'deployment/ollama-one', `--replicas=${pods}`]);
  await scale(0);
  await namespace.until('no pod', 120, async () => {
    const pods = await namespace.list('pods', 'model-management.fineprint.ai/server=ollama-one');
    return pods.length === 0;
  });

  const held = fleet.chat('one');
  const body = JSON.stringify({ model: 'one', stream: true, messages: [{ role: 'user', content: 'hello' }] });
  const address = await fleet.address();
  const stream = await fetch(`${address}/v1/chat/completions`, { method: 'POST', body });
  expect([stream.status, stream.headers.get('content-type')]).toEqual([200, 'text/event-stream']);
  const [gateway] = await namespace.list('pods', 'app.kubernetes.io/component=gateway');
  const metrics = await (await fetch(`http://${gateway.status.podIP}:9090/metrics`)).text();
  expect(metrics).toContain('queue_depth{model="one",priority="standard"} 2');
  expect(metrics).toContain('server_replicas{server="ollama-one",state="known"} 0');

  await sleep(1000);
  await scale(1);
  expect(await held).toBe(8);
  const text = await stream.text();
  expect(text).toMatch(/^(: waiting\n\n)+data: \{/);
  expect(text.trim().endsWith('data: [DONE]')).toBe(true);
});
