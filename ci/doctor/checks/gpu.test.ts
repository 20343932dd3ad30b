import { describe, expect, it } from 'vitest';
import type { Condition } from '../kubernetes.ts';
import type { Look } from '../look.ts';
import { addServer, commandsOf, emptyLook, found, node, pod } from '../testing.ts';
import { gpus } from './gpu.ts';

const resource = 'nvidia.com/gpu';
const limits = { cpu: '2', memory: '8Gi', [resource]: '1' };

const pending: Condition[] = [
  { type: 'PodScheduled', status: 'False', message: `0/2 nodes are available: 2 Insufficient ${resource}.` },
];

/** A server with a GPU on a cluster of these nodes. */
function look(nodes: ReturnType<typeof node>[], shape: Parameters<typeof addServer>[2] = {}): Look {
  const look = emptyLook();
  look.put('nodes', { value: nodes });
  addServer(look, 'llama', { limits, ...shape });
  return look;
}

describe('GPUs', () => {
  it('are nobody’s concern where no server asks for any', () => {
    const none = emptyLook();
    none.put('nodes', { value: [node('a')] });
    addServer(none, 'small');
    expect(found(gpus, none)).toEqual(['note: no server asks for any']);
  });

  it('are enough where every pod has its own', () => {
    expect(found(gpus, look([node('a'), node('b', { [resource]: '2' })]))).toEqual([
      `ok: 2 × ${resource} on 1 node; the pods of ollama-llama ask for 1`,
    ]);
  });

  it('are missing where no node offers any', () => {
    const [finding] = gpus.judge(look([node('a')]));
    expect(finding).toMatchObject({
      level: 'problem',
      what: `no node offers ${resource}, which ollama-llama asks for`,
    });
    expect(commandsOf([finding!])).toEqual([
      "kubectl get nodes -o 'custom-columns=NAME:.metadata.name,GPUS:.status.allocatable.nvidia\\.com/gpu'",
      expect.stringContaining('helm install nvidia-device-plugin'),
      'helm -n models upgrade fleet ./charts --reuse-values --set servers.ollama-llama.enabled=false',
    ]);
  });

  it('are there, but no plugin offers them, where a node is labelled as having one', () => {
    const labelled = node('g', {}, { metadata: { name: 'g', labels: { 'nvidia.com/gpu.present': 'true' } } });
    expect(found(gpus, look([labelled]))[0]).toMatch(/; g has one, but no device plugin that offers it$/);
  });

  it('are broken where a node has some and may give none away', () => {
    const broken = node('g', {}, { status: { capacity: { [resource]: '4' }, allocatable: { [resource]: '0' } } });
    expect(found(gpus, look([broken]))[0]).toMatch(/; on g there are some, but none that works$/);
  });

  it('are kept from a server by a taint that it does not tolerate', () => {
    const tainted = node('g', { [resource]: '1' }, { spec: { taints: [{ key: 'dedicated', effect: 'NoSchedule' }] } });
    const [finding] = gpus.judge(look([tainted]));
    expect(finding!.what).toBe('ollama-llama: its pods do not tolerate the taint dedicated:NoSchedule of g');
    expect(commandsOf([finding!])).toEqual([
      `helm -n models upgrade fleet ./charts --reuse-values --set-json 'servers.ollama-llama.scheduling.tolerations=[{"key":"dedicated","operator":"Exists"}]'`,
    ]);
    const spec = { tolerations: [{ key: 'dedicated', operator: 'Exists' }] };
    expect(found(gpus, look([tainted], { spec }))[0]).toMatch(/^ok/);
  });

  it('are kept from a server by labels that no node with one has', () => {
    const spec = { nodeSelector: { pool: 'gpu' } };
    expect(found(gpus, look([node('g', { [resource]: '1' })], { spec }))).toEqual([
      `problem: ollama-llama: no node with ${resource} (g) has the labels pool=gpu`,
    ]);
  });

  it('are too few on any one node for a pod', () => {
    const nodes = [node('g', { [resource]: '2' }), node('h', { [resource]: '3' })];
    expect(found(gpus, look(nodes, { limits: { ...limits, [resource]: '4' } }))).toEqual([
      `problem: ollama-llama: a pod asks for 4 × ${resource}, and no node has more than 3`,
    ]);
  });

  it('are on nodes that are not ready', () => {
    const down = node('g', { [resource]: '1' });
    down.status.conditions = [{ type: 'Ready', status: 'Unknown' }];
    expect(found(gpus, look([down]))).toEqual([
      `problem: ollama-llama: the nodes with ${resource} (g) are not ready or cordoned`,
    ]);
  });

  it('are all taken where a pod waits for one, and it is said by whom', () => {
    const taken = look([node('g', { [resource]: '1' })], {
      replicas: 2,
      pods: [
        pod('ollama-llama-0', 'ollama-llama', {}, limits),
        pod('ollama-llama-1', 'ollama-llama', { phase: 'Pending', conditions: pending }, limits),
      ],
    });
    taken.everyPod = [
      pod('trainer', 'x', {}, { [resource]: '1' }),
      pod('done', 'x', { phase: 'Succeeded' }, { [resource]: '1' }),
    ];
    const [finding] = gpus.judge(taken);
    expect(finding).toMatchObject({
      level: 'problem',
      what: `ollama-llama: all ${resource} are taken: 1 × ${resource} on 1 node; the pods of ollama-llama ask for 2`,
      why: 'held by models/trainer (1)',
    });
  });
});
