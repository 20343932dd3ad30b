// The production values at full size on fake nodes (kwok): what the real scheduler, quota and controllers do with them.
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import { type FakeNode, type FakeNodes, startFakeNodes } from '../../ci/cluster/fake-nodes.ts';
import { inNode, runInNode, startInNode } from '../../ci/cluster/node.ts';
import {
  isReady,
  type Namespace,
  type Resource,
  restrictedContainer,
  restrictedPod,
  testNamespace,
} from '../../ci/cluster/testing.ts';
import { type FullSize, fullSize, held, replicasOf, serverOf } from '../../ci/testing/full-size.ts';
import { root } from '../../ci/tools/paths.ts';
import { output } from '../../ci/tools/run.ts';
import { tool } from '../../ci/tools/tools.ts';
import { type GpuType, gpus } from '../../generator/gpus.ts';
import { roomOf } from '../../generator/plan/capacity.ts';
import { listPrices } from '../../generator/plan/prices.ts';

const zones = ['a', 'b', 'c'];
const capacityType = 'karpenter.sh/capacity-type';
const taint = { key: 'nvidia.com/gpu', value: 'true', effect: 'NoSchedule' };

/** Nodes of a type as a cloud lets them, so many in each zone, less what kubelet and DaemonSets keep. */
function pool(type: string, capacity: 'spot' | 'on-demand', each: number): FakeNode[] {
  const instance = listPrices().instances[type]!;
  const { gpu } = instance;
  const room = roomOf(instance);
  return zones.flatMap((zone) =>
    Array.from({ length: each }, (_, index) => ({
      name: `${type.replaceAll('.', '-')}-${capacity}-${zone}-${index}`,
      labels: {
        'topology.kubernetes.io/zone': zone,
        'node.kubernetes.io/instance-type': type,
        [capacityType]: capacity,
        ...(gpu && {
          'nvidia.com/gpu.product': `NVIDIA-${gpu.type}`,
          'nvidia.com/gpu.memory': String(gpus[gpu.type as GpuType].memoryMiB),
        }),
      },
      taints: gpu ? [taint] : [],
      capacity: {
        cpu: `${room.cpu}m`,
        memory: `${room.memory}Mi`,
        ...(gpu && { 'nvidia.com/gpu': String(gpu.count) }),
      },
    })),
  );
}

const pools = {
  l40s: pool('g6e.2xlarge', 'on-demand', 2),
  l4Spot: pool('g6.2xlarge', 'spot', 4),
  l4: pool('g6.2xlarge', 'on-demand', 4),
  cpuSpot: pool('c7i.4xlarge', 'spot', 4),
  cpu: pool('c7i.4xlarge', 'on-demand', 4),
};
const all = Object.values(pools).flat();
const nodeOf = new Map(all.map((node) => [node.name, node]));
const spotNodes = [...pools.l4Spot, ...pools.cpuSpot].map(({ name }) => name);

const gpuServers = { 'ollama-llama': 'L40S', 'ollama-qwen': 'L4', 'ollama-gpt-oss': 'L4' };
const business = ['legal-analysis', 'risk-assessment', 'summary', 'recommendations'].map((name) => `ollama-${name}`);

let namespace: Namespace;
let fakes: FakeNodes;
let release: FullSize;

const node = (pod: Resource) => nodeOf.get(pod.spec.nodeName)!;
const capacityOf = (pod: Resource) => node(pod).labels[capacityType]!;
const isFixed = (pod: Resource) => 'model-management.fineprint.ai/capacity' in pod.metadata.labels;

const counted = (items: string[]) =>
  Object.entries(Object.groupBy(items, (item) => item))
    .map(([item, same]) => `${same!.length} ${item}`)
    .sort()
    .join(', ');

const tell = (what: string, pods: Resource[], seconds: number) =>
  console.log(
    `${what}: ${pods.length} pods in ${seconds} s on ${new Set(pods.map((pod) => pod.spec.nodeName)).size} of ${all.length} nodes: ` +
      counted(pods.map((pod) => `${node(pod).labels['node.kubernetes.io/instance-type']} ${capacityOf(pod)}`)),
  );

/** What holds wherever there are spot nodes. */
function expectPlaced(pods: Resource[], spot: boolean): void {
  for (const pod of pods) {
    const server = serverOf(pod);
    const isCritical = server === 'gateway' || server === 'ollama-llama' || isFixed(pod);
    expect([pod.metadata.name, capacityOf(pod)]).toEqual([
      pod.metadata.name,
      isCritical || !spot ? 'on-demand' : 'spot',
    ]);
    const product = gpuServers[server as keyof typeof gpuServers];
    expect(node(pod).labels['nvidia.com/gpu.product']).toBe(product && `NVIDIA-${product}`);
  }
  for (const server of business) expect(pods.filter((pod) => serverOf(pod) === server && isFixed(pod))).toHaveLength(1);
}

beforeAll(async () => {
  namespace = await testNamespace();
  release = fullSize(namespace);
  fakes = await startFakeNodes(namespace.cluster);
  await fakes.add(...all);
});

afterAll(async () => {
  await namespace?.[Symbol.asyncDispose]();
  await fakes?.[Symbol.asyncDispose]();
  release?.[Symbol.dispose]();
});

it('schedules all servers at their minimum: spot where it is preferred, the critical and the first pods on demand', async () => {
  const { pods, seconds } = await release.settled('min', await release.deploy());
  tell('minimum', pods, seconds);
  expectPlaced(pods, true);
  const gateways = pods.filter((pod) => serverOf(pod) === 'gateway');
  expect(new Set(gateways.map((pod) => node(pod).labels['topology.kubernetes.io/zone'])).size).toBe(3);
});

it('schedules all servers at their maximum, with the gateway spread evenly over zones and over nodes', async () => {
  const { pods, seconds } = await release.settled('max', await release.deploy(held('max')));
  tell('maximum', pods, seconds);
  expectPlaced(pods, true);
  const gateways = pods.filter((pod) => serverOf(pod) === 'gateway');
  const each = zones.map(
    (zone) => gateways.filter((pod) => node(pod).labels['topology.kubernetes.io/zone'] === zone).length,
  );
  console.log(
    `gateways by zone: ${each.join(', ')}; on ${new Set(gateways.map((pod) => pod.spec.nodeName)).size} nodes`,
  );
  expect(Math.max(...each) - Math.min(...each)).toBeLessThanOrEqual(1);
});

/** A pod as one that somebody else starts in the namespace. */
const stranger = (resources: object = {}) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { generateName: 'stranger-' },
  spec: {
    securityContext: restrictedPod,
    containers: [{ name: 'it', image: 'example.com/it:1', resources, securityContext: restrictedContainer }],
    nodeSelector: { nowhere: 'true' },
  },
});

async function create(pod: object, ...more: string[]) {
  const { env } = namespace.cluster;
  const args = ['--namespace', namespace.name, 'create', '--output', 'json', '--filename', '-', ...more];
  return output(await tool('kubectl'), args, { env, input: JSON.stringify(pod) });
}

it('admits the maximum and the pods of a rollout by its quota, and refuses one more', async () => {
  const [quota] = await namespace.list('resourcequotas');
  const free = async (resource: string) => {
    const { hard, used } = (await namespace.get('resourcequota', quota.metadata.name))!.status;
    return Number(hard[resource]) - Number(used[resource]);
  };
  const gpus = await free('requests.nvidia.com/gpu');
  const asking = (count: number) => stranger({ limits: { 'nvidia.com/gpu': count } });
  expect((await create(asking(gpus), '--dry-run=server')).stderr).toBe('');
  expect((await create(asking(gpus + 1), '--dry-run=server')).stderr).toContain('exceeded quota');
  const pods = await free('pods');
  for (let made = 0; made < pods; made++) expect((await create(stranger())).stderr).toBe('');
  expect((await create(stranger())).stderr).toContain('exceeded quota');
  console.log(`quota at the maximum: room for ${pods} pods and ${gpus} GPUs more, and none for another`);
  const names = (await namespace.list('pods'))
    .map(({ metadata }) => metadata.name)
    .filter((name) => name.startsWith('stranger-'));
  await namespace.kubectl(['delete', 'pods', '--grace-period=0', '--force', ...names]);
});

it('gives a container that says nothing a small share by its limit range, and refuses one larger than all of ours', async () => {
  const { stdout } = await create(stranger(), '--dry-run=server');
  expect(JSON.parse(stdout).spec.containers[0].resources).toEqual({
    limits: { memory: `${512 * 2 ** 20}` },
    requests: { cpu: '100m', memory: `${256 * 2 ** 20}` },
  });
  const large = stranger({ limits: { memory: '40001M' } });
  expect((await create(large, '--dry-run=server')).stderr).toContain('maximum memory usage per Container is 40G');
});

it('moves to nodes on demand when all spot nodes are taken away, and back when they are there again', async () => {
  let start = performance.now();
  await fakes.takeAway(spotNodes);
  const without = await release.settled('max', start);
  tell('without spot nodes', without.pods, without.seconds);
  expectPlaced(without.pods, false);
  await fakes.add(...pools.l4Spot, ...pools.cpuSpot);
  start = performance.now();
  await namespace.kubectl(['rollout', 'restart', 'deployment', '--selector', 'app.kubernetes.io/component=server']);
  const before = new Set(without.pods.map((pod) => pod.metadata.uid));
  await namespace.until('new pods of all servers', 180, async () =>
    (await release.pods()).every((pod) => serverOf(pod) === 'gateway' || !before.has(pod.metadata.uid)),
  );
  const again = await release.settled('max', start);
  tell('with spot nodes again, after a rollout', again.pods, again.seconds);
  expectPlaced(again.pods, true);
});

it('keeps all but one pod of each server while a node is drained', async () => {
  const pods = await release.pods();
  const busiest = Object.entries(
    Object.groupBy(
      pods.filter((pod) => business.includes(serverOf(pod))),
      (pod) => pod.spec.nodeName as string,
    ),
  ).sort(([, one], [, other]) => other!.length - one!.length)[0]!;
  const [name, onIt] = busiest;
  const fewest: Record<string, number> = {};
  let draining = true;
  const watching = (async () => {
    while (draining) {
      const ready = (await release.pods()).filter(isReady).map(serverOf);
      for (const server of business) {
        fewest[server] = Math.min(
          fewest[server] ?? Number.POSITIVE_INFINITY,
          ready.filter((one) => one === server).length,
        );
      }
    }
  })();
  const start = performance.now();
  await namespace.cluster.kubectl(
    ['drain', name, '--ignore-daemonsets', '--delete-emptydir-data', '--force', '--timeout=120s'],
    { timeout: 130_000 },
  );
  const { pods: after, seconds } = await release.settled('max', start);
  draining = false;
  await watching;
  await namespace.cluster.kubectl(['uncordon', name]);
  console.log(
    `drain of ${name}: ${onIt!.length} pods in ${seconds} s; fewest ready meanwhile: ${JSON.stringify(fewest)}`,
  );
  expect(after.some((pod) => pod.spec.nodeName === name)).toBe(false);
  for (const server of business) expect(fewest[server]).toBeGreaterThanOrEqual(replicasOf[server]!.max - 1);
});

/** A PriorityClass until the end of the scope. */
async function priorityClass(name: string, value: number): Promise<{ name: string } & AsyncDisposable> {
  const { kubectl } = namespace.cluster;
  const metadata = { name: `${name}-${namespace.name}` };
  const input = JSON.stringify({ apiVersion: 'scheduling.k8s.io/v1', kind: 'PriorityClass', metadata, value });
  await kubectl(['create', '-f', '-'], { input });
  return {
    name: metadata.name,
    [Symbol.asyncDispose]: async () => void (await kubectl(['delete', 'priorityclass', metadata.name])),
  };
}

const untilLlama = (number: number) =>
  namespace.until(`${number} pods of llama`, 120, async () => {
    const found = (await release.pods()).filter((pod) => serverOf(pod) === 'ollama-llama');
    return found.length === number && found.every(isReady);
  });

it('makes room for pods of a higher priority', async () => {
  await using high = await priorityClass('high', 1000);
  // One pod of llama is left; strangers take all other GPUs of its kind.
  await release.deploy(held('max'), { servers: { 'ollama-llama': { replicas: { min: 1, max: 4 } } } });
  await untilLlama(1);
  await using others = await testNamespace();
  const takers = pools.l40s.map((_, index) => {
    const pod = stranger({ limits: { 'nvidia.com/gpu': 1, cpu: '1', memory: '1Gi' } });
    const tolerations = [{ operator: 'Exists' }];
    return {
      ...pod,
      metadata: { name: `taker-${index}` },
      spec: { ...pod.spec, nodeSelector: { 'nvidia.com/gpu.product': 'NVIDIA-L40S' }, tolerations },
    };
  });
  await others.apply(...takers);
  await others.until(
    'takers of all GPUs but one',
    60,
    async () => (await others.list('pods')).filter(isReady).length === pools.l40s.length - 1,
  );
  const start = await release.deploy(held('max'), {
    servers: { 'ollama-llama': { replicas: { min: 3, max: 4 }, scheduling: { priorityClassName: high.name } } },
  });
  await untilLlama(3);
  const left = (await others.list('pods')).filter(isReady).length;
  console.log(
    `preemption: 3 pods of llama in ${Math.round((performance.now() - start) / 1000)} s; ${left} of ${takers.length - 1} takers left`,
  );
  expect(left).toBeLessThan(pools.l40s.length - 1);
});

it('gives the room of placeholders to pods of the server that they hold it for', async () => {
  await using low = await priorityClass('low', -10);
  const fleet = (pods: number) => ({
    autoscaling: {
      placeholders: { l40s: { server: 'ollama-llama', pods: pools.l40s.length - 1, priorityClassName: low.name } },
    },
    servers: { 'ollama-llama': { replicas: { min: pods, max: 4 } } },
  });
  const holding = async () =>
    (await release.pods()).filter(({ metadata }) => 'model-management.fineprint.ai/placeholder' in metadata.labels);
  await release.deploy(fleet(1));
  await untilLlama(1);
  await namespace.until('placeholders on all other GPUs', 60, async () => {
    const pods = await holding();
    return pods.length === pools.l40s.length - 1 && pods.every(isReady);
  });
  for (const pod of await holding()) expect(node(pod).labels['nvidia.com/gpu.product']).toBe('NVIDIA-L40S');
  const start = await release.deploy(fleet(3));
  await untilLlama(3);
  const seconds = Math.round((performance.now() - start) / 1000);
  // Two wait, for a node that somebody buys.
  const left = (await holding()).filter(isReady).length;
  console.log(`placeholders: 3 pods of llama in ${seconds} s on full nodes; ${left} placeholders are left`);
  expect(left).toBe(pools.l40s.length - 3);
});

it('puts servers on CPUs on fewer nodes than the default settings do', async () => {
  const { node: machine } = namespace.cluster;
  const config = parse(readFileSync(path.join(root, 'docs/examples/scheduler-packing.yaml'), 'utf8'));
  config.clientConnection.kubeconfig = inNode('etc/kube-scheduler.kubeconfig');
  writeFileSync(path.join(machine.layout.folder, 'scheduler-packing.yaml'), stringify(config));
  const packing = startInNode(machine, 'kube-scheduler-packing', [
    'kube-scheduler',
    `--config=${inNode('scheduler-packing.yaml')}`,
    '--secure-port=11259',
    '--bind-address=127.0.0.1',
  ]);
  try {
    const used: Record<string, number> = {};
    const settings = {
      'default settings': { pack: false },
      pack: { pack: true },
      'pack, MostAllocated': { pack: true, schedulerName: 'packing' },
    };
    for (const [what, scheduling] of Object.entries(settings)) {
      // From nothing each time: what is placed already would stay where it is.
      await namespace.kubectl(['delete', 'deployments', '--all', '--wait']);
      await namespace.until('no pod', 60, async () => (await release.pods()).length === 0);
      const placement = { scheduling: { ...scheduling, capacity: 'onDemand' as const } };
      const start = await release.deploy(held('max'), {
        serverDefaults: placement,
        servers: Object.fromEntries(business.map((name) => [name, { replicas: { onDemand: 0 } }])),
      });
      const { pods } = await release.settled('max', start);
      const ours = pods.filter((pod) => business.includes(serverOf(pod)));
      used[what] = new Set(ours.map((pod) => pod.spec.nodeName)).size;
    }
    expect(packing.failure()).toBeUndefined();
    console.log(`nodes (c7i.4xlarge) for the servers on CPUs at their maximum: ${JSON.stringify(used)}`);
    expect(used.pack).toBeLessThan(used['default settings']!);
    expect(used['pack, MostAllocated']).toBeLessThanOrEqual(used.pack!);
  } finally {
    await runInNode(machine, ['sh', '-c', "kill $(pgrep -f 'kube-scheduler [-]-config')"]);
  }
});
