// A new version of a model beside the old one, on the cluster and under load, until it is the model, or is gone.
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { ValuesOverrides } from '../../generator/environment.ts';
import { type Fleet, testFleet, tinyServer } from './fleet.ts';
import { load } from './load.ts';

const next = 'llama3.2:3b';
/** Room for all clients of the load and one more: what a version on trial has no room for, the model answers. */
const roomy = { ollama: { parallel: 8 } };
const newServer = tinyServer('next', roomy);

/** The model `small`, with what is said of it beside, and where `also` says so its next version. */
function values(small: object, also?: object): ValuesOverrides {
  const { models, servers } = tinyServer('small', roomy);
  return {
    models: { small: { ...models!.small, ...small }, ...(also && { next: { ...newServer.models!.next, ...also } }) },
    servers: { ...servers, ...(also && newServer.servers) },
  };
}

let fleet: Fleet;
beforeAll(async () => {
  fleet = await testFleet();
  await fleet.deploy(values({}));
  await fleet.untilReady('ollama-small');
  await fleet.untilGateway();
});
afterAll(() => fleet?.[Symbol.asyncDispose]());

/** Of so many conversations that have not been before, how many each model answered. */
async function answered(conversations: number): Promise<Record<string, number>> {
  const by: Record<string, number> = {};
  const address = await fleet.address();
  for (let count = 0; count < conversations; count++) {
    const messages = [{ role: 'user', content: `${count} ${Math.random()}` }];
    const body = { model: 'small', stream: false, options: { num_predict: 1 }, messages };
    const answer = await fetch(`${address}/api/chat`, { method: 'POST', body: JSON.stringify(body) });
    expect(answer.status, await answer.text()).toBe(200);
    const model = answer.headers.get('x-model-management-model')!;
    by[model] = (by[model] ?? 0) + 1;
  }
  return by;
}

/** What `ollama list` calls the model of a server, by its content. */
async function idOf(server: string, model: string): Promise<string> {
  const list = await fleet.namespace.kubectl(['exec', `deployment/${server}`, '-c', 'ollama', '--', 'ollama', 'list']);
  return new RegExp(`^${model}:latest\\s+([0-9a-f]+)`, 'm').exec(list)![1]!;
}

const untilOnly = (model: string) =>
  expect.poll(() => answered(10), { timeout: 120_000, interval: 1000 }).toEqual({ [model]: 10 });

it('answers its part, then all, and becomes the model, without a request lost', async () => {
  const running = load(await fleet.address(), Array(4).fill('small'));
  const before = await idOf('ollama-small', 'small');
  await fleet.deploy(values({ canary: { model: 'next', percent: 30 } }, { pull: next }));
  await fleet.untilReady('ollama-next');
  const id = await idOf('ollama-next', 'next');
  expect(id).not.toBe(before);
  await expect.poll(() => answered(10), { timeout: 120_000, interval: 1000 }).toHaveProperty('next');
  const { next: part } = await answered(200);
  // Of 200 with a probability of 0.3, 60 ± 6.5.
  expect(Math.abs(part! - 60)).toBeLessThan(4 * 6.5);

  await fleet.deploy(values({ canary: { model: 'next', percent: 100 } }, { pull: next }));
  await untilOnly('next');

  // The model's own server takes the new version while the other answers.
  const [old] = await fleet.pods('ollama-small');
  await fleet.deploy(values({ pull: next, canary: { model: 'next', percent: 100 } }, { pull: next }));
  await fleet.namespace.until('the new pod alone', 120, async () => {
    const [pod, ...more] = await fleet.pods('ollama-small');
    return more.length === 0 && pod && pod.metadata.name !== old!.metadata.name;
  });
  await fleet.untilReady('ollama-small');
  await fleet.deploy(values({ pull: next }));
  await untilOnly('small');
  expect(await idOf('ollama-small', 'small')).toBe(id);
  await fleet.namespace.until(
    'no pod of the other server',
    60,
    async () => (await fleet.pods('ollama-next')).length === 0,
  );

  const { whole, lost } = await running.stop();
  expect({ whole: whole > 100, lost }).toEqual({ whole: true, lost: [] });
});

it('that never comes up costs no request, and goes', async () => {
  const running = load(await fleet.address(), Array(4).fill('small'));
  await fleet.deploy(values({ pull: next, canary: { model: 'next', percent: 50 } }, { pull: 'no-such-model:1b' }));
  await fleet.namespace.until('a download that fails', 60, async () => {
    const [pod] = await fleet.pods('ollama-next');
    return pod && (await fleet.downloadLog(pod.metadata.name)).includes('no such model');
  });
  // As long as the kubelet needs to bring the gateway its new configuration.
  const gateway = () => fleet.namespace.kubectl(['logs', 'deployment/model-management-gateway', '--since=2m']);
  await fleet.namespace.until('the configuration', 90, async () => (await gateway()).includes('configuration changed'));
  expect(await answered(30)).toEqual({ small: 30 });
  await fleet.deploy(values({ pull: next }));
  const { whole, lost } = await running.stop();
  expect({ whole: whole > 50, lost }).toEqual({ whole: true, lost: [] });
});
