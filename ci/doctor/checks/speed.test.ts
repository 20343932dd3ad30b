import { describe, expect, it } from 'vitest';
import type { Look } from '../look.ts';
import { Metrics } from '../metrics.ts';
import { addAgent, addServer, commandsOf, emptyLook, found, now } from '../testing.ts';
import { cpu, firstToken, queues, rejected, reloads } from './speed.ts';

const hourAgo = `process_start_time_seconds ${now / 1000 - 3600}\n`;

/** A server `ollama-one` with these pods at most, and a gateway that says this. */
function look(lines: string, max = 1): Look {
  const look = emptyLook();
  addServer(look, 'one');
  look.helm = {
    ...{
      name: 'fleet',
      revision: 1,
      status: 'deployed',
      description: '',
      at: '',
      chart: '',
      chartVersion: '',
      objects: [],
    },
    values: { servers: { 'ollama-one': { replicas: { min: 1, max } } }, serverDefaults: {} },
  };
  look.gateways.set('gateway-0', { value: Metrics.parse(hourAgo + lines) });
  return look;
}

const histogram = (name: string, below: number, above: number, bound: number) =>
  `${name}_bucket{le="0.1",model="one"} ${below}
${name}_bucket{le="${bound}",model="one"} ${below + above}
${name}_bucket{le="+Inf",model="one"} ${below + above}
${name}_count{model="one"} ${below + above}
`;

describe('queues', () => {
  it('are fine while nobody waits', () => {
    const lines = `queue_depth{model="one"} 0\n${histogram('model_queue_wait_seconds', 95, 5, 60)}`;
    expect(found(queues, look(lines))).toEqual(['ok: nobody waits, and hardly anybody has in 60 min']);
  });

  it('that hold requests before a server at its maximum ask for more pods', () => {
    const [finding] = queues.judge(look('queue_depth{model="one"} 7\n'));
    expect(finding).toMatchObject({
      level: 'warning',
      what: 'one: 7 requests wait in line now',
      why: 'ollama-one has all of its 1 pod (replicas.max)',
    });
    expect(commandsOf([finding!])[0]).toContain('servers.ollama-one.replicas.max=2');
  });

  it('are a problem before a server that has no pod', () => {
    const none = look('queue_depth{model="one"} 1\n');
    none.put('pods', { value: [] });
    expect(found(queues, none)).toEqual(['problem: one: 1 request waits in line now']);
  });

  it('before a server that nothing scales ask for another pod', () => {
    const [finding] = queues.judge(look('queue_depth{model="one"} 1\n', 4));
    expect(finding).toMatchObject({
      what: 'one: 1 request waits in line now',
      why: 'ollama-one has 1 pod and may have 4, but nothing scales it',
    });
  });

  it('are slow when one in ten waited for more than half a minute', () => {
    const lines = `queue_depth{model="one"} 0\n${histogram('model_queue_wait_seconds', 80, 20, 60)}`;
    expect(found(queues, look(lines))).toEqual([
      'warning: one: nobody waits now; in 60 min one in ten of 100 waited more than 30 s, up to 60 s',
    ]);
    expect(
      found(queues, look(`queue_depth{model="one"} 0\n${histogram('model_queue_wait_seconds', 1, 3, 60)}`))[0],
    ).toMatch(/^ok/);
  });
});

describe('first token', () => {
  it('is late when one in ten answers begins after 20 s', () => {
    const name = 'model_time_to_first_token_seconds';
    expect(found(firstToken, look(histogram(name, 99, 1, 40)))[0]).toMatch(/^ok: 100 answers in 60 min/);
    expect(found(firstToken, look(histogram(name, 80, 20, 40)))).toEqual([
      'warning: one: one in ten of 100 answers began after more than 20 s, up to 40 s',
    ]);
  });
});

describe('refused requests', () => {
  it('are told by model and reason; those that keys forbid are meant to be', () => {
    const line = (reason: string, count: number) =>
      `model_requests_rejected_total{model="one",reason="${reason}"} ${count}\n`;
    const total = 'model_request_total{model="one",status="2xx"} 90\n';
    expect(found(rejected, look(total + line('key_limit', 4)))).toEqual([
      'ok: none of 90 requests in 60 min; 4 by keys and clients themselves',
    ]);
    expect(found(rejected, look(total + line('queue_full', 10)))).toEqual([
      'warning: one: 10 of 90 requests refused in 60 min: the line was full',
    ]);
  });
});

describe('reloads', () => {
  const loaded = (count: number, evicted: number) => {
    const loads = `model_loads_total{model="one",result="success"} ${count}\nmodel_load_duration_seconds_sum{model="one",result="success"} ${count * 4}\n`;
    const seen = look('');
    addAgent(
      seen,
      'ollama-one-0',
      {},
      `${hourAgo}${loads}model_unloads_total{model="one",reason="evicted"} ${evicted}\n`,
    );
    return seen;
  };

  it('are fine now and then, and a warning when models push each other out', () => {
    expect(found(reloads, loaded(7, 6))).toEqual(['ok: 7 loads since the pods started']);
    const [finding] = reloads.judge(loaded(21, 20));
    expect(finding).toMatchObject({
      level: 'warning',
      what: 'ollama-one-0: one was loaded 20 times again, of 4 s each',
      why: '20 times it had to make room: one do not fit beside each other',
    });
  });
});

describe('CPU', () => {
  const withThreads = (count: number, limit: string) => {
    const seen = emptyLook();
    addServer(seen, 'one', { limits: { cpu: limit } });
    seen.list('configmaps')[0]!.data!['one.Modelfile'] = `FROM x\nPARAMETER num_thread ${count}\n`;
    return seen;
  };

  it('is short of cores where there are more threads than they', () => {
    expect(found(cpu, withThreads(2, '2'))[0]).toMatch(/^ok/);
    expect(found(cpu, withThreads(4, '2'))).toEqual(['warning: ollama-one: 4 threads on a CPU limit of 2 cores']);
  });

  it('is short where the kernel holds Ollama back', () => {
    const seen = withThreads(2, '2');
    const of = '{namespace="models",pod="ollama-one-0",container="ollama"}';
    const put = (periods: number, throttled: number) =>
      seen.nodeMetrics.set('node-1', {
        value: Metrics.parse(
          `container_cpu_cfs_periods_total${of} ${periods}\ncontainer_cpu_cfs_throttled_periods_total${of} ${throttled}\n`,
        ),
      });
    put(1000, 100);
    expect(found(cpu, seen)[0]).toMatch(/^ok/);
    put(1000, 600);
    expect(found(cpu, seen)).toEqual([
      'warning: ollama-one: Ollama was held back in 60% of the time that it worked, by its CPU limit of 2 cores',
    ]);
  });
});
