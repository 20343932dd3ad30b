import { expect, it } from 'vitest';
import { nodeName } from '../../ci/cluster/layout.ts';
import { runInNode } from '../../ci/cluster/node.ts';
import type { Resource } from '../../ci/cluster/testing.ts';
import { mergedValues, mergeValues, type ValuesOverrides } from '../../generator/environment.ts';
import { type Fleet, testFleet, tinyServer } from './fleet.ts';

// It waits for longer than all of the others take: they run meanwhile.
it.concurrent('serves again after Ollama hung and was ended by its liveness probe', async () => {
  await using fleet = await testFleet();
  await fleet.deploy(tinyServer('one'));
  const [pod] = await fleet.untilReady('ollama-one');
  await fleet.untilGateway();
  await fleet.signalOllama(pod, 'STOP');
  await fleet.namespace.until('the restart of the one that hangs', 200, async () => {
    const { status } = await fleet.namespace.get('pod', pod.metadata.name);
    return status.containerStatuses[0].restartCount > 0;
  });
  const [same] = await fleet.untilReady('ollama-one');
  expect(same.metadata.uid).toBe(pod.metadata.uid);
  expect(await fleet.chat('one')).toBeGreaterThan(0);
});

it.concurrent('scales a server from one pod to two, each with a claim of its own, and both are asked', async () => {
  await using fleet = await testFleet();
  const { namespace } = fleet;
  await fleet.deploy(tinyServer('one', { replicas: { min: 1, max: 2 } }));
  await fleet.untilReady('ollama-one');
  await fleet.untilGateway();
  await fleet.deploy(tinyServer('one', { replicas: { min: 2, max: 2 } }));
  const pods = await fleet.untilReady('ollama-one', 2);
  expect(await namespace.list('persistentvolumeclaims')).toHaveLength(2);
  const slices = await namespace.list('endpointslices', 'kubernetes.io/service-name=ollama-one');
  const ready = slices.flatMap((slice: Resource) =>
    slice.endpoints
      .filter((endpoint: Resource) => endpoint.conditions.ready)
      .map((endpoint: Resource) => endpoint.targetRef.name),
  );
  expect(ready.sort()).toEqual(pods.map((pod) => pod.metadata.name).sort());
  expect(await fleet.chat('one')).toBeGreaterThan(0);
});

it.concurrent('replaces a pod that is killed, with the other one serving', async () => {
  await using fleet = await testFleet();
  await fleet.deploy(tinyServer('one', { replicas: { min: 2, max: 2 } }));
  const [victim] = await fleet.untilReady('ollama-one', 2);
  await fleet.untilGateway();
  await fleet.namespace.kubectl(['delete', 'pod', victim.metadata.name, '--grace-period=0', '--force']);
  await fleet.namespace.until('an answer', 30, () => fleet.chat('one').catch(() => undefined));
  const names = (await fleet.untilReady('ollama-one', 2)).map((pod) => pod.metadata.name);
  expect(names).not.toContain(victim.metadata.name);
});

it.concurrent('loads its models again when Ollama crashes, and is not ready meanwhile', async () => {
  await using fleet = await testFleet();
  await fleet.deploy(tinyServer('one'));
  const [pod] = await fleet.untilReady('ollama-one');
  await fleet.untilGateway();
  await fleet.namespace.kubectl([
    'exec',
    pod.metadata.name,
    '--container',
    'ollama',
    '--',
    'sh',
    '-c',
    'kill -9 1; kill 1',
  ]);
  await fleet.namespace.until('a restart of Ollama', 60, async () => {
    const { status } = await fleet.namespace.get('pod', pod.metadata.name);
    return status.containerStatuses[0].restartCount > 0;
  });
  await fleet.untilReady('ollama-one');
  expect(await fleet.chat('one')).toBeGreaterThan(0);
});

it.concurrent('brings everything back after a drain of its node', async () => {
  await using fleet = await testFleet();
  const { namespace } = fleet;
  const two = mergeValues(tinyServer('one'), tinyServer('two')) as ValuesOverrides;
  await fleet.deploy(two);
  const before = [...(await fleet.untilReady('ollama-one')), ...(await fleet.untilReady('ollama-two'))];
  await fleet.untilGateway();
  try {
    await namespace.cluster.kubectl(['cordon', nodeName]);
    // Evictions ask the disruption budgets, as those of a drain do; there is but one node to drain.
    await namespace.cluster.kubectl(
      [
        'drain',
        nodeName,
        '--ignore-daemonsets',
        '--delete-emptydir-data',
        '--pod-selector',
        fleet.selector,
        '--timeout=120s',
      ],
      { timeout: 130_000 },
    );
    const left = (await namespace.list('pods', fleet.selector)).filter((pod) => pod.status.phase === 'Running');
    expect(left).toEqual([]);
  } finally {
    await namespace.cluster.kubectl(['uncordon', nodeName]);
  }
  const after = [...(await fleet.untilReady('ollama-one')), ...(await fleet.untilReady('ollama-two'))];
  await fleet.untilGateway();
  const uids = (pods: Resource[]) => pods.map((pod) => pod.metadata.uid);
  expect(uids(after).some((uid) => uids(before).includes(uid))).toBe(false);
  await namespace.until('an answer', 30, () => fleet.chat('one').catch(() => undefined));
});

it.concurrent('lets `ollama ps` be asked in the pod, and nobody on the network ask Ollama', async () => {
  await using fleet = await testFleet();
  await fleet.deploy(tinyServer('one'));
  const [pod] = await fleet.untilReady('ollama-one');
  expect(await fleet.namespace.kubectl(['exec', 'deployment/ollama-one', '--', 'ollama', 'ps'])).toMatch(
    /^one:latest/m,
  );
  await expect(
    fetch(`http://${pod.status.podIP}:11434/api/version`, { signal: AbortSignal.timeout(3000) }),
  ).rejects.toThrow();
});

it.concurrent('scales the gateway on its CPU', async () => {
  await using fleet = await testFleet();
  await fleet.deploy(
    mergeValues(tinyServer('one'), {
      gateway: { autoscaling: { enabled: true, cpuUtilizationPercent: 1 } },
    }) as ValuesOverrides,
  );
  await fleet.untilGateway();
  // At one percent of a twentieth of a core, being alive is load enough.
  await fleet.namespace.until('a second gateway', 180, async () => {
    const deployment = await fleet.namespace.get('deployment', 'model-management-gateway');
    return deployment.status.readyReplicas === 2;
  });
});

it.concurrent('gives each pod users of its own, which are nobody on its node', async () => {
  await using fleet = await testFleet();
  const shared = tinyServer('two', { cache: { mode: 'shared' } });
  await fleet.deploy(
    mergedValues(tinyServer('one'), shared, { sharedCache: { size: '64Mi' }, userNamespaces: { enabled: true } }),
  );
  const servers = [...(await fleet.untilReady('ollama-one')), ...(await fleet.untilReady('ollama-two'))];
  await fleet.untilGateway();
  expect(await fleet.chat('one')).toBeGreaterThan(0);
  expect(await fleet.chat('two')).toBeGreaterThan(0);
  const gateways = await fleet.namespace.list('pods', 'app.kubernetes.io/component=gateway');
  const users = await Promise.all([...servers, ...gateways].map((pod) => usersOnNode(fleet, pod)));
  // Each pod has 65,536 of its own, none of which is one that a node gives to its own users.
  for (const ofPod of users) {
    expect(ofPod.length).toBeGreaterThan(0);
    expect(Math.min(...ofPod)).toBeGreaterThanOrEqual(65_536);
  }
  expect(new Set(users.map(([first]) => Math.floor(first! / 65_536))).size).toBe(users.length);
});

/** The users, as the node numbers them, of the processes of a pod. */
async function usersOnNode({ namespace }: Fleet, { metadata }: Resource): Promise<number[]> {
  const uid = metadata.uid;
  const script = `for folder in /proc/[0-9]*; do
    if grep -q ${uid} $folder/cgroup 2>/dev/null; then stat --format %u $folder; fi
  done`;
  const said = await runInNode(namespace.cluster.node, ['sh', '-c', script]);
  return said.split('\n').map(Number);
}
