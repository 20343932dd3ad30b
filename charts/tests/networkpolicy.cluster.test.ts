import { expect, it } from 'vitest';
import { apiPort, blobsPort, registryPort } from '../../ci/cluster/layout.ts';
import { startPolicyEngine } from '../../ci/cluster/policies.ts';
import {
  isReady,
  type Namespace,
  type Resource,
  restrictedContainer,
  restrictedPod,
  testCluster,
  testNamespace,
} from '../../ci/cluster/testing.ts';
import { connectionTable } from '../../ci/testing/connections.ts';
import { mergeValues, type ValuesOverrides } from '../../generator/environment.ts';
import { testFleet, tinyServer } from './fleet.ts';

/** Tries to connect to each of the addresses it is given, and says to which it could. */
const connect = `
const net = require('node:net');
const reaches = (address) => new Promise((resolve) => {
  const [host, port] = address.split(' ');
  const socket = net.connect({ host, port: Number(port), timeout: 3000 }, () => { socket.destroy(); resolve(true); });
  socket.on('error', () => resolve(false));
  socket.on('timeout', () => { socket.destroy(); resolve(false); });
});
Promise.all(process.argv.slice(1).map(async (address) => [address, await reaches(address)]))
  .then((all) => console.log(JSON.stringify(Object.fromEntries(all))));
`;
/** What somebody listens with who is nobody in particular. */
const listen = "require('node:http').createServer((_, answer) => answer.end('here')).listen(8080)";
const node = '/usr/local/bin/node';

/** Somebody on the network, and what the table calls them. */
interface Party {
  name: string;
  roles: string[];
  namespace: Namespace;
  pod: Resource;
  container: string;
  /** Ports of TCP that it listens at. */
  ports: number[];
}

/** From which of these addresses a party gets an answer. */
async function reached({ namespace, pod, container }: Party, addresses: string[]): Promise<Record<string, boolean>> {
  const where = ['exec', pod.metadata.name, '--container', container, '--'];
  return JSON.parse(await namespace.kubectl([...where, node, '-e', connect, ...addresses]));
}

it('lets through what the table of docs/security.md says and nothing else, packet by packet', async () => {
  const cluster = await testCluster();
  await using _engine = await startPolicyEngine(cluster);
  await using fleet = await testFleet();
  await using elsewhere = await testNamespace();
  const { nodeAddress } = cluster.node.layout;
  const from = (role: string) => ({
    namespaceLabels: { 'kubernetes.io/metadata.name': elsewhere.name },
    podLabels: { role },
  });
  const networkPolicy = {
    enabled: true,
    clients: { test: from('client') },
    prometheus: mergeValues(from('prometheus'), { podLabels: { 'app.kubernetes.io/name': null } }),
    // DNS, the registry and the API server are processes of the node.
    dns: { addresses: [`${nodeAddress}/32`] },
    modelRegistry: { addresses: [`${nodeAddress}/32`], ports: [registryPort, blobsPort] },
  };
  await fleet.deploy(mergeValues(tinyServer('one'), { networkPolicy }) as ValuesOverrides);

  const probe = async (namespace: Namespace, role: string): Promise<Resource> => {
    const container = { name: 'probe', image: cluster.service.reference, args: ['-e', listen] };
    await namespace.apply({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: role, labels: { role } },
      spec: {
        securityContext: restrictedPod,
        terminationGracePeriodSeconds: 0,
        automountServiceAccountToken: false,
        containers: [
          {
            ...container,
            resources: { requests: { cpu: '10m', memory: '64Mi' }, limits: { memory: '128Mi' } },
            securityContext: restrictedContainer,
          },
        ],
      },
    });
    return namespace.until(`the probe ${role}`, 60, async () => {
      const pod = await namespace.get('pod', role);
      return isReady(pod) && pod;
    });
  };
  const inside = fleet.namespace;
  const [client, prometheus, stranger, neighbour] = await Promise.all([
    probe(elsewhere, 'client'),
    probe(elsewhere, 'prometheus'),
    probe(elsewhere, 'stranger'),
    probe(inside, 'neighbour'),
  ]);
  // It has its model: the way to the registry is free.
  const [server] = await fleet.untilReady('ollama-one');
  await fleet.untilGateway();
  const [gateway] = await inside.list('pods', 'app.kubernetes.io/component=gateway');
  const outside = { container: 'probe', ports: [8080] };
  const parties: Party[] = [
    { name: 'client', roles: ['client'], namespace: elsewhere, pod: client, ...outside },
    { name: 'prometheus', roles: ['Prometheus'], namespace: elsewhere, pod: prometheus, ...outside },
    { name: 'stranger', roles: [], namespace: elsewhere, pod: stranger, ...outside },
    { name: 'neighbour', roles: [], namespace: inside, pod: neighbour, ...outside },
    { name: 'gateway', roles: ['gateway'], namespace: inside, pod: gateway, container: 'gateway', ports: [8080, 9090] },
    {
      name: 'server',
      roles: ['server', 'server that pulls'],
      ...{ namespace: inside, pod: server, container: 'agent', ports: [8080, 9090, 11_434] },
    },
  ];
  const isOwn = ({ name }: Party) => name === 'gateway' || name === 'server';

  const rows = connectionTable().filter(({ when }) => when === 'always');
  const ofTheNode: [string, number, (party: Party) => boolean][] = [
    ['the API server', apiPort, ({ roles }) => roles.includes('gateway')],
    ['DNS', 53, isOwn],
    ['the model registry', registryPort, ({ roles }) => roles.includes('server')],
  ];
  const [expected, found]: [Record<string, boolean>, Record<string, boolean>] = [{}, {}];
  await Promise.all(
    parties.map(async (one) => {
      const asked = new Map<string, string>();
      for (const other of parties.filter((party) => party !== one && (isOwn(party) || isOwn(one)))) {
        const between = rows.filter((row) => one.roles.includes(row.from) && other.roles.includes(row.to));
        for (const port of other.ports) {
          const what = `${one.name} → ${other.name} ${port}`;
          asked.set(`${other.pod.status.podIP} ${port}`, what);
          expected[what] = between.some(({ ports }) => ports.includes(`TCP ${port}`));
        }
      }
      for (const [name, port, isAllowed] of isOwn(one) ? ofTheNode : []) {
        asked.set(`${nodeAddress} ${port}`, `${one.name} → ${name}`);
        expected[`${one.name} → ${name}`] = isAllowed(one);
      }
      const answers = await reached(one, [...asked.keys()]);
      for (const [address, what] of asked) found[what] = answers[address]!;
    }),
  );
  expect(found).toEqual(expected);
  expect(Object.values(expected).filter(Boolean).length).toBeGreaterThan(6);

  const ask = `fetch('${await fleet.address()}/api/chat', { method: 'POST', body: JSON.stringify({ model: 'one', stream: false,
    messages: [{ role: 'user', content: 'hello' }] }) }).then(async (answer) => console.log(answer.status, await answer.text()))`;
  expect(await elsewhere.kubectl(['exec', 'client', '--', node, '-e', ask])).toMatch(/^200 .*"eval_count"/);
  expect(await inside.kubectl(['logs', 'deployment/model-management-gateway'])).toContain(
    'watching the EndpointSlices',
  );
});
