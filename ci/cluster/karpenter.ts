import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { defined } from '../testing/crds.ts';
import { tool } from '../tools/tools.ts';
import type { Cluster } from './cluster.ts';
import { fakeLabel, fakeTaint, startFakeNodes } from './fake-nodes.ts';
import { endByPid, withPid } from './monitoring.ts';
import type { Resource } from './namespace.ts';
import { inNode, logOf, runInNode, startInNode } from './node.ts';
import { until } from './wait.ts';

const name = 'karpenter';
const ports = { metrics: 18_080, health: 18_081 };

/** A node that Karpenter has bought. */
export interface FakePurchase {
  name: string;
  /** Type of the instance. */
  type: string;
  capacity: 'spot' | 'on-demand';
  zone: string;
}

/** Karpenter itself, which buys nodes that kwok speaks for: those have no machine, and pods there run nothing. */
export interface Karpenter extends AsyncDisposable {
  /** The nodes that there are, those that are given back left out. */
  nodes(): Promise<FakePurchase[]>;
  /** How long a node has to be emptier before it may be given back, such as `10m`: of all pools, from now on. */
  consolidateAfter(duration: string): Promise<void>;
  /** What Karpenter does on a cloud's notice: this node is drained and goes, and another is bought for its pods. Waits until it is gone. */
  takenBack(node: string): Promise<void>;
}

/**
 * The pools of a cloud, for Karpenter's kwok provider: as they are but for their class of nodes, and for what keeps fake nodes and
 * real ones apart. The class itself (images, networks, disks) is nothing that fake nodes have.
 */
function onKwok(objects: Resource[]): Resource[] {
  const nodeClass = { group: 'karpenter.kwok.sh', kind: 'KWOKNodeClass', name };
  const pools = objects.filter(({ kind }) => kind === 'NodePool');
  return [
    { apiVersion: `${nodeClass.group}/v1alpha1`, kind: nodeClass.kind, metadata: { name } },
    ...pools.map((pool) => {
      const { metadata, spec } = pool.spec.template;
      const labels = { ...metadata?.labels, ...fakeLabel };
      const taints = [...(spec.taints ?? []), fakeTaint];
      const template = { metadata: { ...metadata, labels }, spec: { ...spec, nodeClassRef: nodeClass, taints } };
      return { ...pool, spec: { ...pool.spec, template } };
    }),
  ];
}

/**
 * Starts Karpenter with types of instances (as the plan writes them) and NodePools, and what speaks for the nodes that it buys. They go
 * with what is given back: whoever has pods on them takes them away before.
 */
export async function startKarpenter(
  cluster: Cluster,
  instanceTypes: object[],
  nodePools: object[],
): Promise<Karpenter> {
  const { node, kubectl } = cluster;
  const { layout } = node;
  const binary = await tool('karpenter-kwok');
  await using stack = new AsyncDisposableStack();
  stack.use(await startFakeNodes(cluster));
  stack.use(await defined(kubectl, 'karpenter'));
  mkdirSync(path.join(layout.folder, 'monitoring'), { recursive: true });
  writeFileSync(path.join(layout.folder, 'instance-types.json'), JSON.stringify(instanceTypes));
  const component = startInNode(node, name, withPid(name, [binary]), {
    KUBECONFIG: inNode('kubeconfig'),
    INSTANCE_TYPES_FILE_PATH: inNode('instance-types.json'),
    DISABLE_LEADER_ELECTION: 'true',
    SYSTEM_NAMESPACE: 'kube-system',
    METRICS_PORT: String(ports.metrics),
    HEALTH_PROBE_PORT: String(ports.health),
  });
  stack.defer(async () => void (await runInNode(node, endByPid(name))));
  const up = await until(60_000, 250, async () => {
    if (component.failure()) throw new Error(component.failure());
    const address = `http://${layout.nodeAddress}:${ports.health}/readyz`;
    return fetch(address).then(
      ({ ok }) => ok,
      () => false,
    );
  });
  if (!up) throw new Error(`karpenter: not ready after a minute: ${logOf(layout, name)}`);
  const objects = onKwok(nodePools);
  const input = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects });
  await kubectl(['apply', '--server-side', '-f', '-'], { input });
  stack.defer(async () => {
    // Karpenter takes its nodes away with their pools, as long as it is there to do so.
    await kubectl(['delete', 'nodepools', '--all', '--timeout=120s'], { timeout: 130_000 });
    await kubectl(['delete', 'nodeclaims', '--all', '--timeout=120s'], { timeout: 130_000 });
    await kubectl(['delete', 'kwoknodeclasses', '--all']);
  });
  const owned = stack.move();
  return {
    nodes: async () => {
      const said = await kubectl(['get', 'nodes', '--selector', 'karpenter.sh/nodepool', '--output', 'json']);
      return (JSON.parse(said).items as Resource[])
        .filter(({ metadata, spec }) => !metadata.deletionTimestamp && !spec.taints?.some(isGoing))
        .map(({ metadata: { name, labels } }) => ({
          name,
          type: labels['node.kubernetes.io/instance-type'],
          capacity: labels['karpenter.sh/capacity-type'],
          zone: labels['topology.kubernetes.io/zone'],
        }));
    },
    consolidateAfter: async (duration) => {
      const patch = JSON.stringify({ spec: { disruption: { consolidateAfter: duration } } });
      for (const { kind, metadata } of objects) {
        if (kind === 'NodePool')
          await kubectl(['patch', 'nodepool', metadata.name, '--type', 'merge', '--patch', patch]);
      }
    },
    takenBack: async (node) => {
      const jsonpath = `{.items[?(@.status.nodeName=="${node}")].metadata.name}`;
      const claim = await kubectl(['get', 'nodeclaims', '--output', `jsonpath=${jsonpath}`]);
      if (!claim) throw new Error(`node ${node}: is none that Karpenter has bought`);
      await kubectl(['delete', 'nodeclaim', claim, '--timeout=120s'], { timeout: 130_000 });
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

const isGoing = ({ key }: { key: string }) => key === 'karpenter.sh/disrupted';
