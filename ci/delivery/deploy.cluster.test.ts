import { createHash } from 'node:crypto';
import { expect, it } from 'vitest';
import { type Fleet, testFleet, tinyServer } from '../../charts/tests/fleet.ts';
import { visitors } from '../../charts/tests/visitors.ts';
import { mergeValues, type ValuesOverrides } from '../../generator/environment.ts';
import { type DeployOptions, deployTo } from './testing.ts';

const valuesWith = (...more: ValuesOverrides[]): ValuesOverrides =>
  [tinyServer('one', { ollama: { parallel: 2 } }), ...more].reduce(
    (all, one) => mergeValues(all, one) as ValuesOverrides,
  );

const began = performance.now();
/** What it says, with the time, for whoever reads the log of the test. */
const tell = (line: string) => console.log(`${Math.round((performance.now() - began) / 1000)} s: ${line}`);

const blueGreen = (fleet: Fleet, values: ValuesOverrides, options: DeployOptions = {}) =>
  deployTo(fleet, values, {
    onLine: tell,
    ...options,
    args: ['--strategy', 'blueGreen', '--watch', '12', ...(options.args ?? [])],
  });

/** The gateways that there are, and which of them the Service leads to. */
async function gateways({ namespace }: Fleet): Promise<{ there: string[]; active: string }> {
  const deployments = await namespace.list('deployments', 'app.kubernetes.io/component=gateway');
  const service = await namespace.get('service', 'model-management');
  return {
    there: deployments.map(({ metadata }) => metadata.name.replace('model-management-', '')).sort(),
    active: service.spec.selector['model-management.fineprint.ai/colour'] ?? 'all',
  };
}

it('changes strategy and version without a lost request, killed after each step', {
  timeout: 600_000,
}, async () => {
  await using fleet = await testFleet();
  await fleet.deploy(valuesWith(tinyServer('two')));
  await Promise.all([fleet.untilReady('ollama-one'), fleet.untilReady('ollama-two'), fleet.untilGateway()]);
  const address = await fleet.address();
  const guests = visitors(address, 'one', { keeping: 2, fresh: 2 });
  const others = visitors(address, 'two', { keeping: 1, fresh: 1 });
  try {
    // The same version: it is the strategy that changes.
    const first = await blueGreen(fleet, valuesWith(tinyServer('two')));
    expect(first.said).toContain('blue is alone');
    expect([first.status, await gateways(fleet)]).toEqual([0, { there: ['gateway-blue'], active: 'blue' }]);

    // Without the model `two`, which the gateway before has to the end.
    const good = valuesWith({ gateway: { queue: { depth: 64 } } });
    for (const killAt of [
      /bringing up/,
      /all pods are ready/,
      /green answers/,
      /clients are led to green/,
      /watching/,
    ]) {
      const killed = await blueGreen(fleet, good, { killAt });
      expect([killed.status, killed.said.match(killAt) !== null], killed.said).toEqual([null, true]);
      // From the next one on clients may have green.
      if (killAt.test('green answers')) await others.stop();
    }
    const last = await blueGreen(fleet, good);
    expect([last.status, last.said]).toEqual([0, expect.stringContaining('green is alone')]);
    expect(await gateways(fleet)).toEqual({ there: ['gateway-green'], active: 'green' });
    expect(await fleet.namespace.get('deployment', 'ollama-two')).toBeUndefined();
    const again = await blueGreen(fleet, good);
    expect([again.status, again.said]).toEqual([0, expect.stringContaining('nothing to deploy')]);
  } finally {
    await Promise.all([guests.stop(), others.stop()]);
    console.log(`good: ${guests.answered} + ${others.answered} answered`, guests.failed, others.failed);
  }
  expect([guests.failed, others.failed]).toEqual([[], []]);
  expect(guests.answered).toBeGreaterThan(200);
});

/** A key of the deployment's own, which no client has. */
const key = 'a-key-that-clients-do-not-have';
const keys = {
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: { name: 'keys' },
  stringData: {
    'keys.json': JSON.stringify({ keys: [{ name: 'deploy', sha256: createHash('sha256').update(key).digest('hex') }] }),
  },
};

it('goes back by itself from a version that refuses its clients, and touches none with one that never answers', {
  timeout: 300_000,
}, async () => {
  await using fleet = await testFleet();
  await fleet.namespace.apply(keys);
  const good = valuesWith({ gateway: { strategy: 'blueGreen' } });
  await fleet.deploy(good);
  await Promise.all([
    fleet.untilReady('ollama-one'),
    fleet.namespace.kubectl(['rollout', 'status', 'deployment/model-management-gateway-blue', '--timeout=120s']),
  ]);
  const guests = visitors(await fleet.address(), 'one', { keeping: 4, fresh: 1 });
  const stillBlue = { there: ['gateway-blue'], active: 'blue' };
  try {
    // It passes the trial, since the deployment has a key: only what clients do shows that they have none.
    const refusing = valuesWith({ gateway: { apiKeys: { enabled: true, existingSecret: 'keys' } } });
    const refused = await blueGreen(fleet, refusing, { env: { MODEL_MANAGEMENT_API_KEY: key } });
    expect([refused.status, refused.said]).toEqual([1, expect.stringMatching(/went back: green is no good: \d+ of/)]);
    expect(await gateways(fleet)).toEqual(stillBlue);
    const lost = guests.failed.length;
    expect(lost).toBeGreaterThan(0);

    // What is bad from the start gets no client at all.
    const dead = await blueGreen(fleet, valuesWith({ image: { tag: 'no-such-tag' } }), { args: ['--ready', '30'] });
    expect([dead.status, dead.said]).toEqual([1, expect.stringContaining('went back: green is no good')]);
    expect([guests.failed.length, await gateways(fleet)]).toEqual([lost, stillBlue]);

    // A plain upgrade that says what is not so is refused.
    const plain = fleet.deploy(valuesWith({ gateway: { strategy: 'blueGreen', blueGreen: { active: 'green' } } }));
    await expect(plain).rejects.toThrow('which has no ready pod, away from `blue`');
    expect(await gateways(fleet)).toEqual(stillBlue);
  } finally {
    await guests.stop();
    console.log(`bad: ${guests.answered} answered, ${guests.failed.length} failed`, guests.failed.slice(0, 3));
  }
  expect(guests.failed.length).toBeLessThan(guests.answered / 100);
});

it('deploys pod by pod, and from a colour back to none, without a lost request', { timeout: 300_000 }, async () => {
  await using fleet = await testFleet();
  await fleet.deploy(valuesWith({ gateway: { strategy: 'blueGreen' } }));
  await Promise.all([
    fleet.untilReady('ollama-one'),
    fleet.namespace.kubectl(['rollout', 'status', 'deployment/model-management-gateway-blue', '--timeout=120s']),
  ]);
  const guests = visitors(await fleet.address(), 'one', { keeping: 1, fresh: 1 });
  const rolling = (values: ValuesOverrides) =>
    deployTo(fleet, values, { onLine: tell, args: ['--strategy', 'rolling', '--watch', '9'] });
  try {
    const back = await rolling(valuesWith());
    expect([back.status, back.said]).toEqual([0, expect.stringContaining('rolling is alone')]);
    expect(await gateways(fleet)).toEqual({ there: ['gateway'], active: 'all' });
    const next = await rolling(valuesWith({ gateway: { resources: { cpu: '60m' } } }));
    expect([next.status, next.said]).toEqual([0, expect.stringContaining('rolling is good')]);
  } finally {
    await guests.stop();
    console.log(`rolling: ${guests.answered} answered`, guests.failed);
  }
  expect(guests.failed).toEqual([]);
});
