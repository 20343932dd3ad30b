import { describe, expect, it } from 'vitest';
import { Metrics } from '../metrics.ts';
import {
  addAgent,
  addServer,
  commandsOf,
  container,
  emptyLook,
  found,
  node,
  notReady,
  pod,
  secondsAgo,
} from '../testing.ts';
import { gpuUse, memory, replicas, servers } from './fleet.ts';

const limits = { cpu: '2', memory: '8Gi', 'nvidia.com/gpu': '1' };
const memoryLines = (ram: number, vram: number) =>
  `model_memory_usage_bytes{model="llama",kind="ram"} ${ram}\nmodel_memory_usage_bytes{model="llama",kind="vram"} ${vram}\n`;

describe('GPU use', () => {
  const look = (ram: number, vram: number) => {
    const look = emptyLook();
    addServer(look, 'llama', { limits });
    addAgent(look, 'ollama-llama-0', {}, memoryLines(ram, vram));
    return look;
  };

  it('is fine when all of a model is in the GPU', () => {
    expect(found(gpuUse, look(0, 40e9))).toEqual(['ok: all that is loaded is in GPUs: 37Gi']);
    expect(found(gpuUse, look(0, 0))).toEqual(['note: nothing is loaded']);
  });

  it('is a problem when some of it is on the CPU, and it is said how much', () => {
    const [finding] = gpuUse.judge(look(10 * 2 ** 30, 30 * 2 ** 30));
    expect(finding).toMatchObject({
      level: 'problem',
      what: 'ollama-llama-0: 25% of llama is on the CPU: 10Gi of 40Gi did not fit into the GPU',
    });
    expect(commandsOf([finding!])[1]).toContain('servers.ollama-llama.resources.gpu=2');
  });

  it('is another problem when none of it is in the GPU', () => {
    expect(found(gpuUse, look(1e9, 0))[0]).toMatch(
      /llama is not in the GPU that the pod has been given, but all on the CPU$/,
    );
  });
});

describe('memory', () => {
  const look = (used: string) => {
    const look = emptyLook();
    addServer(look, 'llama');
    look.put('podmetrics', {
      value: [{ metadata: { name: 'ollama-llama-0' }, containers: [{ name: 'ollama', usage: { memory: used } }] }],
    });
    return look;
  };

  it.each([
    ['4Gi', 'ok: at most 50% of a limit is used (ollama of ollama-llama-0)'],
    [`${8192 * 0.84}Mi`, 'ok: at most 84% of a limit is used (ollama of ollama-llama-0)'],
    [`${8192 * 0.86}Mi`, 'warning: ollama-llama-0: ollama uses 86% of its limit (6.9Gi of 8Gi)'],
    ['8Gi', 'problem: ollama-llama-0: ollama uses 100% of its limit (8Gi of 8Gi)'],
  ])('of %s in use of 8Gi: %s', (used, finding) => {
    expect(found(memory, look(used))).toEqual([finding]);
  });

  it('is not judged where nothing measures it', () => {
    const blind = emptyLook();
    blind.put('podmetrics', { problem: 'absent', message: '' });
    expect(found(memory, blind)[0]).toMatch(/^note: not looked at/);
  });
});

describe('replicas', () => {
  const slice = (...ready: boolean[]) => ({
    metadata: { name: 's', labels: { 'kubernetes.io/service-name': 'ollama-llama' } },
    endpoints: ready.map((is, index) => ({ addresses: [`10.0.0.${index}`], conditions: { ready: is } })),
  });
  const look = (known: number, ejected: number) => {
    const look = emptyLook();
    addServer(look, 'llama');
    look.put('endpointslices', { value: [slice(true, true, false)] });
    const line = (state: string, count: number) => `server_replicas{server="ollama-llama",state="${state}"} ${count}\n`;
    look.gateways.set('gateway-0', { value: Metrics.parse(line('known', known) + line('ejected', ejected)) });
    return look;
  };

  it('are fine when the gateway knows those that are ready', () => {
    expect(found(replicas, look(2, 0))).toEqual(['ok: 1 gateway knows every ready pod, and leaves none out']);
  });

  it('are not, when it does not', () => {
    expect(found(replicas, look(0, 0))).toEqual([
      'warning: gateway-0 does not know the pods that are ready: ollama-llama: 0 of 2',
    ]);
  });

  it('are not, when it leaves one out for failing', () => {
    expect(found(replicas, look(2, 1))).toEqual([
      'warning: ollama-llama: 1 replica left out by the gateway, for failing requests',
    ]);
  });
});

describe('servers', () => {
  it('are fine, and it is said how many', () => {
    const look = emptyLook();
    addServer(look, 'one');
    addServer(look, 'two');
    expect(found(servers, look)).toEqual(['ok: 2 servers: 2 of 2 pods ready, for 2 models']);
  });

  it('say once what is the same for several pods', () => {
    const look = emptyLook();
    const stuck = (name: string, age: number) => ({
      ...pod(name, 'ollama-one', {
        phase: 'Pending',
        conditions: [
          { type: 'PodScheduled', status: 'False', message: '0/1 nodes are available: 1 Insufficient cpu.' },
        ],
      }),
      metadata: { ...pod(name, 'ollama-one').metadata, creationTimestamp: secondsAgo(age) },
    });
    addServer(look, 'one', { replicas: 3, pods: [stuck('p-1', 60), stuck('p-2', 61), stuck('p-3', 400)] });
    expect(found(servers, look)).toEqual([
      'problem: p-1: no node takes it, for 60 s: 0/1 nodes are available: 1 Insufficient cpu. (and 2 pods more)',
    ]);
  });

  const one = (status: Parameters<typeof pod>[2]) => {
    const look = emptyLook();
    look.put('nodes', { value: [node('node-1')] });
    addServer(look, 'one', { pods: [pod('p', 'ollama-one', status)] });
    return look;
  };

  it('tell why a container is started again and again', () => {
    const killed = { exitCode: 137, reason: 'OOMKilled', finishedAt: secondsAgo(5) };
    const look = one({
      conditions: notReady,
      containerStatuses: [
        container('ollama', {
          ready: false,
          restartCount: 4,
          state: { waiting: { reason: 'CrashLoopBackOff' } },
          lastState: { terminated: killed },
        }),
      ],
    });
    const [finding] = servers.judge(look);
    expect(finding).toMatchObject({
      level: 'problem',
      what: 'p: ollama was killed for its memory 5 s ago, 4 restarts',
      why: 'it took more than its limit of 8Gi; nothing serves one',
    });
    expect(commandsOf([finding!])[0]).toContain('--set servers.ollama-one.resources.memory=12Gi');
  });

  it('warn of a restart for an hour, and forget it then', () => {
    const restarted = (seconds: number) => {
      const terminated = { exitCode: 1, finishedAt: secondsAgo(seconds) };
      const look = one({ containerStatuses: [container('ollama', { restartCount: 1, lastState: { terminated } })] });
      look.logs.set('p/ollama/before', 'first\npanic: it broke\n');
      return look;
    };
    const [, finding] = servers.judge(restarted(600));
    expect(finding).toMatchObject({
      level: 'warning',
      what: 'p: ollama ended with exit status 1 10 min ago, 1 restart',
      why: 'its last words: panic: it broke',
    });
    expect(found(servers, restarted(4000))).toHaveLength(1);
  });

  it.each([
    [
      'llama runner process has terminated: signal: killed',
      /it takes more memory than there is/,
      'resources.memory=12Gi',
    ],
    ['unknown model architecture', /goes on trying/, 'logs p -c ollama'],
  ])('tell why a model is not loaded: %s', (problem, why, command) => {
    const look = one({ conditions: notReady });
    const ready = { ok: false, reason: 'one is failed' };
    addAgent(look, 'p', { ready, models: { one: { state: 'failed', attempts: 3, problem } } });
    const [finding] = servers.judge(look);
    expect(finding).toMatchObject({
      level: 'problem',
      what: `p: one cannot be loaded, after 3 attempts: ${problem}`,
      why: expect.stringMatching(why),
    });
    expect(commandsOf([finding!])[0]).toContain(command);
  });

  it('tell whether others serve meanwhile', () => {
    const look = emptyLook();
    const terminated = { exitCode: 1, finishedAt: secondsAgo(5) };
    const crashing = container('ollama', { ready: false, state: { terminated } });
    const broken = pod('q', 'ollama-one', { conditions: notReady, containerStatuses: [crashing] });
    addServer(look, 'one', { replicas: 2, pods: [pod('p', 'ollama-one'), broken] });
    expect(servers.judge(look)[0]!.why).toBe('it said nothing; 1 pod of the server serves meanwhile');
  });

  it('take a pod that loads for one on its way', () => {
    const look = one({ conditions: notReady });
    addAgent(look, 'p', { ready: { ok: false, reason: 'x' }, models: { one: { state: 'loading', attempts: 1 } } });
    expect(found(servers, look)).toEqual([
      'ok: 1 server: 0 of 1 pod ready, for 1 model',
      'note: p: loads one, for 10 min',
    ]);
  });

  it('tell of a pod that does not end', () => {
    const look = one({});
    look.list('pods')[0]!.metadata.deletionTimestamp = secondsAgo(300);
    expect(found(servers, look)).toContain('warning: p: should have ended 5 min ago');
  });
});
