import { expect, it } from 'vitest';
import { mergedValues, type ValuesOverrides } from '../../generator/environment.ts';
import { drain } from './drain.ts';
import { type Fleet, testFleet, tinyServer } from './fleet.ts';
import { load } from './load.ts';

const values = (more: ValuesOverrides = {}): ValuesOverrides =>
  mergedValues(
    tinyServer('one', { replicas: { min: 2, max: 3 }, ollama: { parallel: 2 } }),
    { generationTimeoutSeconds: 60, gateway: { replicas: { min: 2, max: 3 }, service: { sessionAffinitySeconds: 0 } } },
    more,
  );

const gatewayPods = (fleet: Fleet) => fleet.namespace.list('pods', 'app.kubernetes.io/component=gateway');

it('loses no stream while servers and gateways are rolled, deleted and drained', { timeout: 600_000 }, async () => {
  await using fleet = await testFleet();
  const { namespace } = fleet;
  await fleet.deploy(values());
  await fleet.untilReady('ollama-one', 2, 180);
  await fleet.untilGateway();
  const { stop, tally } = load(await fleet.address(), Array<string>(6).fill('one'));
  const done: Record<string, number> = {};
  /** Does something to the fleet, and waits until it has come to rest; a few streams later the next may come. */
  const disturb = async (what: string, how: () => Promise<unknown>) => {
    const before = tally.whole;
    await how();
    await namespace.until(
      `six more streams after: ${what}`,
      60,
      async () => tally.whole >= before + 6 || tally.lost.length > 0,
    );
    done[what] = tally.whole - before;
  };
  const settled = async (server: string) => {
    await namespace.until('no pod that ends', 120, async () => {
      const pods = await namespace.list('pods', server);
      return pods.every(({ metadata }) => !metadata.deletionTimestamp);
    });
  };
  try {
    await disturb('a rolling update of the server', async () => {
      await fleet.deploy(values({ models: { one: { system: 'Again.' } } }));
      await namespace.kubectl(['rollout', 'status', 'deployment/ollama-one', '--timeout=180s'], { timeout: 190_000 });
      await settled('model-management.fineprint.ai/server=ollama-one');
    });
    await disturb('the deletion of a server pod', async () => {
      const [pod] = await fleet.pods('ollama-one');
      await namespace.kubectl(['delete', 'pod', pod.metadata.name, '--wait=true']);
      await fleet.untilReady('ollama-one', 2, 120);
    });
    await disturb('the deletion of a gateway pod', async () => {
      const [pod] = await gatewayPods(fleet);
      await namespace.kubectl(['delete', 'pod', pod.metadata.name, '--wait=true']);
      await fleet.untilGateway();
    });
    await disturb('a rolling update of the gateway', async () => {
      await namespace.kubectl(['rollout', 'restart', 'deployment/model-management-gateway']);
      await namespace.kubectl(['rollout', 'status', 'deployment/model-management-gateway', '--timeout=120s']);
      await settled('app.kubernetes.io/component=gateway');
    });
    await disturb('a drain of the node', async () => {
      const before = [...(await fleet.pods('ollama-one')), ...(await gatewayPods(fleet))];
      const drained = await drain(fleet);
      for (const { metadata } of before) expect(drained).toContain(`pod/${metadata.name} evicted`);
      await fleet.untilReady('ollama-one', 2, 120);
      await fleet.untilGateway();
    });
  } finally {
    await stop();
    console.log(
      `streams: ${tally.whole} whole, ${tally.lost.length} lost, longest ${Math.round(tally.longest)} ms`,
      done,
    );
  }
  expect(tally.lost).toEqual([]);
  expect(tally.whole).toBeGreaterThan(60);
});
