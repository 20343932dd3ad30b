import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { stringify } from 'yaml';
import { tool } from '../tools/tools.ts';
import type { Cluster } from './cluster.ts';
import { inNode, logOf, runInNode, startInNode } from './node.ts';
import { until } from './wait.ts';

/** What a fake node has, and what is said of it. */
export interface FakeNode {
  name: string;
  labels: Record<string, string>;
  taints?: { key: string; value?: string; effect: string }[];
  /** Capacity by resource, in Kubernetes' quantities; the pods of a node are 110 unless it says otherwise. */
  capacity: Record<string, string>;
}

/** Nodes without a machine: pods that are placed there are said to run at once, and nothing runs. */
export interface FakeNodes extends AsyncDisposable {
  add(...nodes: FakeNode[]): Promise<void>;
  /** As when a cloud takes machines back: no further pod comes there, and those that are there end with them. */
  takeAway(names: string[]): Promise<void>;
}

/** Keeps pods off that do not mean fake nodes, of which a test cluster may have some. */
export const fakeTaint = { key: 'model-management/fake', effect: 'NoSchedule' };
/** The label by which pods choose fake nodes, and kwok those that it is to look after. */
export const fakeLabel = { 'model-management/fake': 'true' };

/** `{{ Now }}` and the like are kwok's. A pod has no address: nobody could ask it. */
const condition = (type: string) => `- type: ${type}
  status: "True"
  reason: Fake
  lastTransitionTime: {{ Now | Quote }}
`;

const stage = (name: string, kind: string, matchExpressions: object[], next: object) => ({
  apiVersion: 'kwok.x-k8s.io/v1alpha1',
  kind: 'Stage',
  metadata: { name },
  spec: { resourceRef: { apiGroup: 'v1', kind }, selector: { matchExpressions }, next },
});

const ready = '.status.conditions.[] | select( .type == "Ready" ) | .status';
const isEnding = (operator: 'Exists' | 'DoesNotExist') => ({ key: '.metadata.deletionTimestamp', operator });

const stages = [
  stage('node-ready', 'Node', [{ key: ready, operator: 'NotIn', values: ['True'] }], {
    statusTemplate: `conditions:\n${condition('Ready')}`,
  }),
  stage('pod-runs', 'Pod', [isEnding('DoesNotExist'), { key: '.status.phase', operator: 'In', values: ['Pending'] }], {
    statusTemplate: `phase: Running
startTime: {{ Now | Quote }}
conditions:
${['Initialized', 'ContainersReady', 'Ready'].map(condition).join('')}containerStatuses:
{{ range .spec.containers }}
- name: {{ .name | Quote }}
  image: {{ .image | Quote }}
  ready: true
  restartCount: 0
  state:
    running:
      startedAt: {{ Now | Quote }}
{{ end }}
`,
  }),
  stage('pod-ends', 'Pod', [isEnding('Exists')], { delete: true }),
];

/** Starts kwok, which speaks for fake nodes; they end with what is given back. */
export async function startFakeNodes(cluster: Cluster): Promise<FakeNodes> {
  const { node, kubectl } = cluster;
  const folder = path.join(node.layout.folder, 'kwok');
  mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(folder, 'stages.yaml'), stages.map((one) => stringify(one)).join('---\n'));
  const kwok = startInNode(node, 'kwok', [
    await tool('kwok'),
    `--kubeconfig=${inNode('kubeconfig')}`,
    `--config=${inNode('kwok/stages.yaml')}`,
    '--manage-all-nodes=false',
    `--manage-nodes-with-label-selector=${Object.entries(fakeLabel)[0]!.join('=')}`,
    // Renews their leases, or they would be taken for lost.
    '--node-lease-duration-seconds=40',
  ]);
  const made = new Set<string>();
  const isReady = async (names: string[]) => {
    if (kwok.failure()) throw new Error(kwok.failure());
    // A node is ready a moment before the taint of those that are not is taken off it.
    const ready = '{.status.conditions[?(@.type=="Ready")].status}';
    const tainted = '{range .spec.taints[?(@.key=="node.kubernetes.io/not-ready")]}, tainted{end}';
    const jsonpath = `{range .items[*]}{.metadata.name}=${ready}${tainted}{"\\n"}{end}`;
    const selector = Object.entries(fakeLabel)[0]!.join('=');
    const said = await kubectl(['get', 'nodes', '--selector', selector, '--output', `jsonpath=${jsonpath}`]);
    const lines = new Set(said.split('\n'));
    return names.every((name) => lines.has(`${name}=True`));
  };
  const remove = async (names: string[]) => {
    for (const name of names) made.delete(name);
    if (names.length > 0) await kubectl(['delete', 'node', '--wait=false', ...names]);
  };
  return {
    add: async (...nodes) => {
      const items = nodes.map(({ name, labels, taints = [], capacity }) => ({
        apiVersion: 'v1',
        kind: 'Node',
        metadata: { name, labels: { ...labels, ...fakeLabel, 'kubernetes.io/hostname': name } },
        spec: { taints: [fakeTaint, ...taints] },
        status: { capacity: { pods: '110', ...capacity }, allocatable: { pods: '110', ...capacity } },
      }));
      await kubectl(['create', '-f', '-'], { input: JSON.stringify({ apiVersion: 'v1', kind: 'List', items }) });
      const names = nodes.map(({ name }) => name);
      for (const name of names) made.add(name);
      if (!(await until(60_000, 250, () => isReady(names)))) {
        throw new Error(`fake nodes: not ready after a minute: ${logOf(node.layout, 'kwok')}`);
      }
    },
    takeAway: async (names) => {
      await kubectl(['cordon', ...names]);
      const jsonpath = '{range .items[*]}{.spec.nodeName} {.metadata.namespace} {.metadata.name}{"\\n"}{end}';
      const pods = (await kubectl(['get', 'pods', '--all-namespaces', '--output', `jsonpath=${jsonpath}`]))
        .split('\n')
        .map((line) => line.split(' ') as [node: string, namespace: string, pod: string])
        .filter(([on]) => names.includes(on));
      for (const [namespace, ours] of Object.entries(Object.groupBy(pods, ([, namespace]) => namespace))) {
        const which = ours!.map(([, , pod]) => pod);
        await kubectl([
          '--namespace',
          namespace,
          'delete',
          'pods',
          '--grace-period=0',
          '--force',
          '--wait=false',
          ...which,
        ]);
      }
      await remove(names);
    },
    [Symbol.asyncDispose]: async () => {
      await remove([...made]);
      await runInNode(node, ['sh', '-c', 'kill $(pgrep -x kwok)']);
    },
  };
}
