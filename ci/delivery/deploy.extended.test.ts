// What is rarely worth its time (beside deploy.cluster.test.ts).
import { expect, it } from 'vitest';
import { type Fleet, testFleet, tinyServer } from '../../charts/tests/fleet.ts';
import { visitors } from '../../charts/tests/visitors.ts';
import { mergeValues, type ValuesOverrides } from '../../generator/environment.ts';
import { type DeployOptions, deployTo, gateways, pendingRevision, refusing, tell } from './testing.ts';

/** The model `one` on a server with so many slots, and more. */
const valuesWith = (parallel: number, more: ValuesOverrides = {}): ValuesOverrides =>
  mergeValues(tinyServer('one', { ollama: { parallel } }), more) as ValuesOverrides;

const by =
  (strategy: 'rolling' | 'blueGreen') =>
  (fleet: Fleet, values: ValuesOverrides, options: DeployOptions = {}) =>
    deployTo(fleet, values, {
      onLine: tell,
      ...options,
      args: ['--strategy', strategy, '--watch', '12', ...(options.args ?? [])],
    });
const [rolling, blueGreen] = [by('rolling'), by('blueGreen')];

const cpuOf = async ({ namespace }: Fleet) =>
  (await namespace.get('deployment', 'model-management-gateway')).spec.template.spec.containers[0].resources.requests
    .cpu;

it('takes back a version of a gateway without colours that never gets ready, or is bad though the deployment was killed meanwhile', {
  timeout: 600_000,
}, async () => {
  await using fleet = await testFleet();
  const good = valuesWith(2);
  expect((await rolling(fleet, good)).said).toContain('the first gateway is rolling');
  const guests = visitors(await fleet.address(), 'one', { keeping: 1, fresh: 1 });
  try {
    const tag = { image: { tag: 'no-such-tag' } };
    const dead = await rolling(fleet, valuesWith(2, tag), { args: ['--ready', '30'] });
    expect([dead.status, dead.said]).toEqual([1, expect.stringContaining('went back: model-management-gateway')]);

    // Asked to go back from what is good, and killed at it.
    const next = valuesWith(2, { gateway: { resources: { cpu: '60m' } } });
    const watched = await rolling(fleet, next, { killAt: /watching/ });
    expect([watched.status, await cpuOf(fleet)]).toEqual([null, '60m']);
    const back = { args: ['--return'], killAt: /to see whether/, killWhen: () => pendingRevision(fleet, 'rollback') };
    expect((await rolling(fleet, next, back)).status).toBe(null);
    const returned = await rolling(fleet, next, { args: ['--return'] });
    expect([returned.status, returned.said]).toEqual([0, expect.stringContaining('the release is back at revision')]);
    expect(await cpuOf(fleet)).toBe('50m');
  } finally {
    await guests.stop();
    console.log(`rolling: ${guests.answered} answered`, guests.failed);
  }
  expect(guests.failed).toEqual([]);

  // When it is given again there is no pod left of the version that was good.
  const victims = visitors(await fleet.address(), 'one', { keeping: 1, fresh: 1 });
  try {
    const bad = await refusing(fleet);
    const options = { env: bad.env, args: ['--watch', '60'] };
    const unseen = await rolling(fleet, valuesWith(2, bad.values), { ...options, killAt: /waiting for its pods/ });
    expect(unseen.status).toBe(null);
    await fleet.untilGateway();
    const seen = await rolling(fleet, valuesWith(2, bad.values), options);
    expect([seen.status, seen.said]).toEqual([1, expect.stringMatching(/went back: \d+ of \d+ requests failed/)]);
    expect(await fleet.chat('one')).toBeGreaterThan(0);
  } finally {
    await victims.stop();
  }
});

it('goes back to no colour when it is killed on the way, and from an upgrade that got half-way', {
  timeout: 600_000,
}, async () => {
  await using fleet = await testFleet();
  const good = valuesWith(2);
  await rolling(fleet, good);
  const guests = visitors(await fleet.address(), 'one', { keeping: 1, fresh: 1 });
  const noColour = { there: ['gateway'], active: 'all' };
  try {
    // The Service is led to the new colour by itself first.
    const glanced = await blueGreen(fleet, good, {
      killAt: /blue answers/,
      killWhen: async () => (await gateways(fleet)).active === 'blue',
    });
    expect([glanced.status, await gateways(fleet)]).toEqual([
      null,
      { there: ['gateway', 'gateway-blue'], active: 'blue' },
    ]);
    const other = await rolling(fleet, good);
    expect([other.status, other.said]).toEqual([
      0,
      expect.stringContaining('blue goes again: the strategy is to be rolling'),
    ]);
    expect(await gateways(fleet)).toEqual(noColour);

    const watched = await blueGreen(fleet, good, { killAt: /watching/ });
    expect(watched.status).toBe(null);
    const back = { args: ['--return'], killAt: /led back/, killWhen: () => pendingRevision(fleet, 'rollback') };
    expect((await blueGreen(fleet, good, back)).status).toBe(null);
    // As far as Helm may have come: to the Service, and not to the Deployments.
    const colour = '/spec/selector/model-management.fineprint.ai~1colour';
    if ((await gateways(fleet)).active !== 'all') {
      const patch = JSON.stringify([{ op: 'remove', path: colour }]);
      await fleet.namespace.kubectl(['patch', 'service', 'model-management', '--type', 'json', '--patch', patch]);
    }
    const given = await blueGreen(fleet, good);
    expect([given.status, given.said]).toEqual([1, expect.stringContaining('it was on its way back')]);
    expect(await gateways(fleet)).toEqual(noColour);
  } finally {
    await guests.stop();
    console.log(`half-way: ${guests.answered} answered`, guests.failed);
  }
  expect(guests.failed).toEqual([]);

  // Its addresses are none, which only the API server finds out.
  const networkPolicy = {
    enabled: true,
    modelRegistry: { ports: [5000] },
    clients: { all: { addresses: ['999.0.0.0/8'] } },
  };
  for (const [deploy, strategy] of [
    [rolling, 'rolling'],
    [blueGreen, 'blueGreen'],
  ] as const) {
    const refused = await deploy(fleet, valuesWith(2, { networkPolicy }));
    expect([refused.status, refused.said], strategy).toEqual([1, expect.stringMatching(/went back: [\s\S]*999/)]);
    expect(await gateways(fleet)).toEqual(noColour);
    expect(await fleet.namespace.list('networkpolicies', 'app.kubernetes.io/instance=fleet')).toEqual([]);
  }
});

it('goes back from a version whose answers take much longer, by what they took before it was there', {
  timeout: 300_000,
}, async () => {
  await using fleet = await testFleet();
  const installed = await blueGreen(fleet, valuesWith(4));
  expect(installed.said).toContain('the first gateway is blue');
  // As long as the model makes them; clients get them whole, and so their first word late.
  const guests = visitors(await fleet.address(), 'one', { keeping: 2, fresh: 4 }, {});
  try {
    // The server is the new version's from the start, and takes fewer at a time than the gateway thinks that clients still have.
    const slow = valuesWith(1, { models: { one: { parameters: { num_predict: 400 } } } });
    const { status, said } = await blueGreen(fleet, slow, { args: ['--watch', '90'] });
    expect([status, said]).toEqual([
      1,
      expect.stringMatching(/went back: green is no good: the first word of one takes up to/),
    ]);
    expect(await gateways(fleet)).toEqual({ there: ['gateway-blue'], active: 'blue' });
  } finally {
    await guests.stop();
    console.log(`slow: ${guests.answered} answered`, guests.failed);
  }
  expect(guests.failed).toEqual([]);
});
