import { expect, it } from 'vitest';
import { fleetTable } from './fleet-table.ts';
import { Metrics } from './metrics.ts';
import { addAgent, addServer, container, emptyLook, notReady, pod } from './testing.ts';

it('shows a server a line, with how its worst pod is', () => {
  const look = emptyLook();
  const limits = { cpu: '2', memory: '8Gi', 'nvidia.com/gpu': '1' };
  const downloader = container('model-downloader', { ready: false, state: { running: { startedAt: '' } } });
  const downloading = pod('b-1', 'ollama-b', {
    conditions: notReady,
    initContainerStatuses: [downloader],
    containerStatuses: [],
  });
  addServer(look, 'b', { limits, replicas: 2, pods: [pod('b-0', 'ollama-b', {}, limits), downloading] });
  addServer(look, 'a');
  addServer(look, 'none', { replicas: 0, pods: [] });
  const loaded = { state: 'loaded', attempts: 0 };
  addAgent(
    look,
    'b-0',
    { models: { b: loaded }, inFlight: 3 },
    'model_memory_usage_bytes{model="b",kind="vram"} 5368709120\n',
  );
  addAgent(look, 'ollama-a-0', { models: { a: { state: 'unloaded', attempts: 0 } } });
  look.gateways.set('gateway-0', {
    value: Metrics.parse('queue_depth{model="b"} 4\nmodel_requests_in_flight{model="b"} 7\n'),
  });
  const usage = { memory: '2Gi' };
  look.put('podmetrics', {
    value: [
      {
        metadata: { name: 'b-0' },
        containers: [
          { name: 'ollama', usage },
          { name: 'agent', usage },
        ],
      },
    ],
  });
  expect(fleetTable(look)).toEqual([
    'SERVER       PODS  STATE          LOADED  IN FLIGHT  WAITING  MEMORY   GPUS         RESTARTS  AGE     MODELS',
    'ollama-a     1/1   ready          0 of 1  0          0        -/8Gi    -            0         10 min  a',
    'ollama-b     1/2   1 downloading  1 of 1  3          4        2Gi/8Gi  2, 5Gi held  0         10 min  b',
    'ollama-none  0/0   no pods        -       -          0        -/8Gi    -            0         -       none',
    '',
    'gateway: none',
  ]);
});
