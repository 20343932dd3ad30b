import { expect, it } from 'vitest';
import { apiPort } from '../../ci/cluster/layout.ts';
import { runInNode } from '../../ci/cluster/node.ts';
import { testFleet, tinyServer } from './fleet.ts';

it('goes on with the replicas that it knows while the API server is away, and hears of others when it is back', async () => {
  await using fleet = await testFleet();
  const { namespace } = fleet;
  const values = (min: number) => tinyServer('one', { replicas: { min, max: 2 } });
  await fleet.deploy(values(2));
  await fleet.untilReady('ollama-one', 2);
  await fleet.untilGateway();
  const address = await fleet.address();
  const known = async () => {
    const health = (await (await fetch(`${address}/health`)).json()) as { servers: Record<string, { known: number }> };
    return health.servers['ollama-one']!.known;
  };
  await namespace.until('both replicas to be known', 30, async () => (await known()) === 2);
  // Without kubectl, which would have to ask the API server for the address.
  const ask = async () => {
    const body = JSON.stringify({ model: 'one', stream: false, prompt: 'hello' });
    return (await fetch(`${address}/api/generate`, { method: 'POST', body })).status;
  };

  // A process that is stopped or restarted would take its cluster with it: the network to it goes away instead.
  const { node } = namespace.cluster;
  const nft = (...rule: string[]) => runInNode(node, ['nft', ...rule]);
  await nft('add', 'table', 'inet', 'away');
  try {
    await nft('add', 'chain', 'inet', 'away', 'in', '{ type filter hook input priority -10; }');
    await nft('add', 'rule', 'inet', 'away', 'in', 'tcp', 'dport', `${apiPort}`, 'drop');
    await expect(namespace.kubectl(['get', 'pods', '--request-timeout=2s'])).rejects.toThrow();
    const statuses = [];
    for (let request = 0; request < 10; request++) statuses.push(await ask());
    expect(new Set(statuses)).toEqual(new Set([200]));
    expect(await known()).toBe(2);
  } finally {
    await nft('delete', 'table', 'inet', 'away');
  }

  await fleet.deploy(values(1));
  await namespace.until('one replica to be known', 60, async () => (await known()) === 1);
  expect(await ask()).toBe(200);
});
