import { expect, it } from 'vitest';
import { type Fleet, testFleet, tinyServer } from '../../charts/tests/fleet.ts';
import { visitors } from '../../charts/tests/visitors.ts';
import { mergedValues, type ValuesOverrides } from '../../generator/environment.ts';
import { type DeployOptions, deployTo, gateways, pendingRevision, refusing, tell } from './testing.ts';

const valuesWith = (...more: ValuesOverrides[]): ValuesOverrides =>
  mergedValues(tinyServer('one', { ollama: { parallel: 2 } }), ...more);

const blueGreen = (fleet: Fleet, values: ValuesOverrides, options: DeployOptions = {}) =>
  deployTo(fleet, values, {
    onLine: tell,
    ...options,
    args: ['--strategy', 'blueGreen', '--watch', '12', ...(options.args ?? [])],
  });

it('changes strategy and version without a lost request, interrupted or killed after each step', {
  timeout: 600_000,
}, async () => {
  await using fleet = await testFleet();
  // Of its quota, the second gateway comes out as well.
  const quota = { resourceQuota: { enabled: true }, gateway: { replicas: { max: 1 } } };
  const installed = await deployTo(fleet, valuesWith(tinyServer('two'), quota), { onLine: tell });
  expect([installed.status, installed.said]).toEqual([0, expect.stringContaining('the first gateway is rolling')]);
  expect(await gateways(fleet)).toEqual({ there: ['gateway'], active: 'all' });
  const address = await fleet.address();
  const guests = visitors(address, 'one', { keeping: 2, fresh: 2 });
  const others = visitors(address, 'two', { keeping: 1, fresh: 1 });
  try {
    // The same version: it is the strategy that changes.
    const first = await blueGreen(fleet, valuesWith(tinyServer('two'), quota));
    expect(first.said).toContain('blue is alone');
    expect([first.status, await gateways(fleet)]).toEqual([0, { there: ['gateway-blue'], active: 'blue' }]);

    // Without the model `two`, which the gateway before has to the end.
    const good = valuesWith(quota, { gateway: { queue: { depth: 64 } } });
    let before: NodeJS.Signals = 'SIGINT';
    for (const [killAt, signal] of [
      [/bringing up/, 'SIGINT'],
      [/all pods are ready/, 'SIGKILL'],
      [/green answers/, 'SIGKILL'],
      [/clients are led to green/, 'SIGKILL'],
      [/watching/, 'SIGINT'],
    ] as const) {
      const killed = await blueGreen(fleet, good, { killAt, signal });
      expect([killed.status, killed.said], killed.said).toEqual([
        signal === 'SIGINT' ? 130 : null,
        expect.stringMatching(killAt),
      ]);
      // Only of one that could not say so is it to be seen that it is dead.
      expect(/to see whether/.test(killed.said), killed.said).toBe(before === 'SIGKILL');
      before = signal;
      // From the next one on clients may have green.
      if (killAt.test('green answers')) await others.stop();
    }

    // Back from it, killed when Helm is at it; whoever gives the one or the other again has it brought to its end.
    const back = { args: ['--return'], killAt: /led back to blue/, killWhen: () => pendingRevision(fleet, 'rollback') };
    const halfBack = await blueGreen(fleet, good, back);
    expect([halfBack.status, (await gateways(fleet)).active], halfBack.said).toEqual([null, 'blue']);
    const wayBack = await blueGreen(fleet, good);
    expect([wayBack.status, wayBack.said]).toEqual([1, expect.stringContaining('it was on its way back')]);
    expect(await gateways(fleet)).toEqual({ there: ['gateway-blue'], active: 'blue' });
    expect(await fleet.namespace.get('deployment', 'ollama-two')).toBeDefined();

    // Killed when it ends the gateway before, which then has gone.
    const end = { killAt: /is good/, killWhen: () => pendingRevision(fleet, 'upgrade') };
    const halfEnded = await blueGreen(fleet, good, end);
    expect(halfEnded.status, halfEnded.said).toBe(null);
    await fleet.namespace.kubectl(['delete', 'deployment', 'model-management-gateway-blue', '--ignore-not-found']);
    const tooLate = await blueGreen(fleet, good, { args: ['--return'] });
    expect([tooLate.status, tooLate.said]).toEqual([1, expect.stringContaining('blue: has no ready pod any more')]);
    const last = await blueGreen(fleet, good);
    expect([last.status, last.said]).toEqual([0, expect.stringMatching(/green is alone[\s\S]*nothing to deploy/)]);
    expect(await gateways(fleet)).toEqual({ there: ['gateway-green'], active: 'green' });
    expect(await fleet.namespace.get('deployment', 'ollama-two')).toBeUndefined();
    const nothing = await blueGreen(fleet, good, { args: ['--return'] });
    expect([nothing.status, nothing.said.trim().split('\n').at(-1)]).toEqual([
      1,
      'deploy: fleet: no deployment is under way: deploy the version that it is to go back to',
    ]);
  } finally {
    await Promise.all([guests.stop(), others.stop()]);
    console.log(`good: ${guests.answered} + ${others.answered} answered`, guests.failed, others.failed);
  }
  expect([guests.failed, others.failed]).toEqual([[], []]);
  expect(guests.answered).toBeGreaterThan(200);
});

it('goes back by itself from a version that refuses its clients, and touches none with one that never answers', {
  timeout: 300_000,
}, async () => {
  await using fleet = await testFleet();
  const bad = await refusing(fleet);
  const good = valuesWith({ gateway: { strategy: 'blueGreen' } });
  const installed = await deployTo(fleet, good, { onLine: tell });
  expect([installed.status, installed.said]).toEqual([0, expect.stringContaining('the first gateway is blue')]);
  const guests = visitors(await fleet.address(), 'one', { keeping: 4, fresh: 1 });
  const stillBlue = { there: ['gateway-blue'], active: 'blue' };
  try {
    // It passes the trial, since the deployment has a key: only what clients do shows that they have none.
    const refused = await blueGreen(fleet, valuesWith(bad.values), { env: bad.env });
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

it('deploys pod by pod without a lost request, from a colour back to none too, one at a time, and takes back what is bad', {
  timeout: 300_000,
}, async () => {
  await using fleet = await testFleet();
  const bad = await refusing(fleet);
  await fleet.deploy(valuesWith({ gateway: { strategy: 'blueGreen' } }));
  await Promise.all([
    fleet.untilReady('ollama-one'),
    fleet.namespace.kubectl(['rollout', 'status', 'deployment/model-management-gateway-blue', '--timeout=120s']),
  ]);
  const guests = visitors(await fleet.address(), 'one', { keeping: 1, fresh: 1 });
  const rolling = (values: ValuesOverrides, options: DeployOptions = {}) =>
    deployTo(fleet, values, { onLine: tell, ...options, args: ['--strategy', 'rolling', '--watch', '15'] });
  try {
    let second: ReturnType<typeof rolling> | undefined;
    const back = await rolling(valuesWith(), {
      onLine: (line) => {
        tell(line);
        if (line.includes('watching')) second ??= rolling(valuesWith());
      },
    });
    expect([back.status, back.said]).toEqual([0, expect.stringContaining('rolling is alone')]);
    expect(await gateways(fleet)).toEqual({ there: ['gateway'], active: 'all' });
    const refused = await second!;
    expect([refused.status, refused.said]).toEqual([
      1,
      expect.stringMatching(/^deploy: lease fleet-deploy: \S+ deploys:/m),
    ]);
    const next = await rolling(valuesWith({ gateway: { resources: { cpu: '60m' } } }));
    expect([next.status, next.said]).toEqual([0, expect.stringContaining('rolling is good')]);
  } finally {
    await guests.stop();
    console.log(`rolling: ${guests.answered} answered`, guests.failed);
  }
  expect(guests.failed).toEqual([]);

  const victims = visitors(await fleet.address(), 'one', { keeping: 1, fresh: 1 });
  try {
    const taken = await rolling(valuesWith(bad.values), { env: bad.env });
    expect([taken.status, taken.said]).toEqual([1, expect.stringMatching(/went back: \d+ of \d+ requests failed/)]);
    // Without a key.
    expect(await fleet.chat('one')).toBeGreaterThan(0);
  } finally {
    await victims.stop();
    console.log(`rolled back: ${victims.answered} answered, ${victims.failed.length} failed`);
  }
});
