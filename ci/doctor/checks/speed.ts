import { type Check, type Finding, note, ok, orElse } from '../finding.ts';
import { isReady, type Pod } from '../kubernetes.ts';
import type { Look } from '../look.ts';
import { Metrics } from '../metrics.ts';
import type { Server } from '../servers.ts';
import { ago, counted, listed, percent } from '../words.ts';

const more = 'docs/operations.md#answers-are-slow';

/** Seconds that nine of ten requests should wait at most in line, and until the first of their answer. */
const patience = { queue: 30, first: 20 };
/** Fewer requests than this say nothing of how long they take. */
const few = 10;

/** Servers by the models that they have. */
const serverByModel = (look: Look): Map<string, Server> =>
  new Map(look.servers.flatMap((server) => server.models.map((model) => [model, server] as const)));

/** What is to be done for a server that has too much to do. */
function relief(look: Look, server: Server | undefined): Pick<Finding, 'why' | 'fixes'> {
  if (!server) return {};
  const { commands } = look;
  const ready = server.pods.filter(isReady).length;
  const path = ['servers', server.name];
  const faster = {
    to: 'or let each answer more at a time, where memory allows',
    run: commands.set([[...path, 'ollama', 'parallel'], 4]),
  };
  if (ready < server.wanted) {
    return {
      why: `${server.name} has ${ready} of ${counted(server.wanted, 'pod')} ready: see "servers"`,
      fixes: [
        {
          to: 'see what the others wait for',
          run: commands.kubectl('get', 'pods', '-l', `model-management.fineprint.ai/server=${server.name}`),
        },
      ],
    };
  }
  if (server.wanted >= server.max) {
    return {
      why: `${server.name} has all of its ${counted(server.max, 'pod')} (replicas.max)`,
      fixes: [
        {
          to: 'allow more',
          run: commands.set(
            [[...path, 'replicas', 'max'], server.max * 2],
            [[...path, 'replicas', 'min'], server.wanted + 1],
          ),
        },
        faster,
      ],
    };
  }
  if (server.autoscaler) {
    return {
      why: `${server.name} has ${counted(server.wanted, 'pod')} and may have ${server.max}: its autoscaler sees no load on the CPU that would call for more`,
      fixes: [
        { to: 'see what it sees', run: commands.kubectl('describe', 'hpa', server.deployment.metadata.name) },
        faster,
      ],
    };
  }
  return {
    why: `${server.name} has ${counted(server.wanted, 'pod')} and may have ${server.max}, but nothing scales it`,
    fixes: [{ to: 'start another', run: commands.set([[...path, 'replicas', 'min'], server.wanted + 1]) }, faster],
  };
}

/** A check of what the gateways count, all of them together; `time` is how long that has been counted. */
function ofGateways(name: string, judge: (look: Look, metrics: Metrics, time: string) => Finding[]): Check {
  return {
    name,
    group: 'speed',
    needs: ['pods/proxy'],
    judge: (look) => {
      const seen = [...look.gateways.values()].flatMap((answer) => ('value' in answer ? answer.value : []));
      if (seen.length === 0) return [note('no gateway runs that could be asked')];
      const started = Math.min(...seen.map((metrics) => metrics.sum('process_start_time_seconds')));
      return judge(look, Metrics.all(seen), ago(look.now - started * 1000));
    },
  };
}

/** `within` of a histogram in words. */
const bound = (seconds: number) => (seconds === Number.POSITIVE_INFINITY ? 'more than 10 min' : `up to ${seconds} s`);

export const queues = ofGateways('queues', (look, metrics, time) => {
  const servers = serverByModel(look);
  const findings: Finding[] = [];
  for (const [model, waiting] of metrics.by('queue_depth', 'model')) {
    const wait = metrics.quantile('model_queue_wait_seconds', 0.9, { model });
    const slow = wait.count >= few && wait.within > patience.queue;
    if (waiting === 0 && !slow) continue;
    const server = servers.get(model);
    const now =
      waiting > 0
        ? `${counted(waiting, 'request')} ${waiting === 1 ? 'waits' : 'wait'} in line now`
        : 'nobody waits now';
    const before = slow
      ? `; in ${time} one in ten of ${wait.count} waited more than ${patience.queue} s, ${bound(wait.within)}`
      : '';
    const held = server && server.pods.filter(isReady).length === 0;
    findings.push({
      level: held && waiting > 0 ? 'problem' : 'warning',
      what: `${model}: ${now}${before}`,
      ...relief(look, server),
      more,
    });
  }
  return orElse(findings, ok(`nobody waits, and hardly anybody has in ${time}`));
});

export const firstToken = ofGateways('first token', (look, metrics, time) => {
  const servers = serverByModel(look);
  const findings: Finding[] = [];
  let asked = 0;
  for (const [model] of metrics.by('model_time_to_first_token_seconds_count', 'model')) {
    const { count, within } = metrics.quantile('model_time_to_first_token_seconds', 0.9, { model });
    asked += count;
    if (count < few || within <= patience.first) continue;
    findings.push({
      level: 'warning',
      what: `${model}: one in ten of ${counted(count, 'answer')} began after more than ${patience.first} s, ${bound(within)}`,
      ...relief(look, servers.get(model)),
      more,
    });
  }
  return orElse(
    findings,
    asked > 0
      ? ok(`${counted(asked, 'answer')} in ${time}, all but a few begun within ${patience.first} s`)
      : note('no answer has been given yet'),
  );
});

/** What each reason of a refusal means, and what to do about it. */
const refusals: Record<string, { means: string; fix: (look: Look, model: string) => { to: string; run: string }[] }> = {
  queue_full: {
    means: 'the line was full',
    fix: ({ commands }, model) => [
      { to: 'let more of them wait, or add pods', run: commands.set([['models', model, 'queue', 'depth'], 256]) },
    ],
  },
  queue_timeout: {
    means: 'they waited longer than queue.waitSeconds',
    fix: ({ commands }, model) => [
      { to: 'let them wait longer, or add pods', run: commands.set([['models', model, 'queue', 'waitSeconds'], 180]) },
    ],
  },
  no_replica: {
    means: 'the server had no pod for longer than queue.holdSeconds',
    fix: ({ commands }) => [{ to: 'see its pods', run: commands.kubectl('get', 'pods', '-l', 'app=ollama') }],
  },
};

/** What the limits of keys refuse is as somebody wanted it. */
const meant = new Set(['key_limit', 'key_model', 'left', 'shutdown', 'removed']);

export const rejected = ofGateways('refused requests', (look, metrics, time) => {
  const name = 'model_requests_rejected_total';
  const total = metrics.sum('model_request_total');
  const findings: Finding[] = [];
  let asWanted = 0;
  for (const [reason] of metrics.by(name, 'reason')) {
    for (const [model, count] of metrics.by(name, 'model', { reason })) {
      if (count === 0) continue;
      if (meant.has(reason)) {
        asWanted += count;
        continue;
      }
      const of = metrics.sum('model_request_total', { model });
      const refusal = refusals[reason];
      findings.push({
        level: 'warning',
        what: `${model}: ${count} of ${counted(Math.max(of, count), 'request')} refused in ${time}: ${refusal?.means ?? reason}`,
        why: 'clients got the status 429 or 503 and a time to come back',
        fixes: refusal?.fix(look, model) ?? [],
        more,
      });
    }
  }
  const rest = asWanted > 0 ? `; ${asWanted} by keys and clients themselves` : '';
  return orElse(findings, ok(`none of ${counted(total, 'request')} in ${time}${rest}`));
});

/** Loads of a model, after the first, that are more than this in an hour mean that it is pushed out again and again. */
const manyLoads = 6;

export const reloads: Check = {
  name: 'reloads',
  group: 'speed',
  needs: ['pods/proxy'],
  judge: (look) => {
    const findings: Finding[] = [];
    let loads = 0;
    for (const server of look.servers) {
      for (const pod of server.pods) {
        const metrics = look.metricsOf(pod);
        if (!metrics) continue;
        const hours = Math.max(1, (look.now / 1000 - metrics.sum('process_start_time_seconds')) / 3600);
        for (const [model, count] of metrics.by('model_loads_total', 'model', { result: 'success' })) {
          loads += count;
          const again = count - 1;
          if (again / hours <= manyLoads) continue;
          findings.push(loadedAgain(look, server, pod, model, again, metrics));
        }
      }
    }
    return orElse(findings, ok(`${counted(loads, 'load')} since the pods started`));
  },
};

function loadedAgain(look: Look, server: Server, pod: Pod, model: string, again: number, metrics: Metrics): Finding {
  const evicted = metrics.sum('model_unloads_total', { model, reason: 'evicted' });
  const idle = metrics.sum('model_unloads_total', { model, reason: 'idle' });
  const own = ['servers', server.name];
  const seconds = metrics.sum('model_load_duration_seconds_sum', { model, result: 'success' });
  const each = Math.round(seconds / (again + 1));
  const crowded = evicted >= idle;
  return {
    level: 'warning',
    what: `${pod.metadata.name}: ${model} was loaded ${again} times again, of ${each} s each`,
    why: crowded
      ? `${evicted} times it had to make room: ${listed(server.models)} do not fit beside each other`
      : `${idle} times it had been idle, and somebody asked for it again`,
    fixes: crowded
      ? [
          {
            to: 'give the server memory for all of its models',
            run: look.commands.set([[...own, 'resources', 'memory'], 'MORE']),
          },
          { to: 'or give the model a server of its own: take it out of generator/packs.ts' },
        ]
      : [{ to: 'keep it longer', run: look.commands.set([['models', model, 'keepAlive'], '60m']) }],
    more,
  };
}

/** Share of its periods in which a container may be held back before it is worth a line. */
const throttledShare = 0.25;

export const cpu: Check = {
  name: 'CPU',
  group: 'speed',
  needs: ['deployments', 'configmaps'],
  judge: (look) => {
    const findings = look.servers.flatMap((server) => [...threads(look, server), ...throttled(look, server)]);
    if (findings.length > 0) return findings;
    if (look.isRefused('nodes/proxy')) {
      return [
        ok(
          'no server has more threads than cores; whether one is held back, only nodes/proxy would show, which you have not',
        ),
      ];
    }
    return [ok('no server has more threads than cores, and none is held back')];
  },
};

/** More threads than cores wait for each other: with a quota on the CPU that costs many times what they bring. */
function threads(look: Look, server: Server): Finding[] {
  if (server.cores === 0) return [];
  const config = look
    .component('configmaps', 'server')
    .find(({ metadata }) => metadata.name === server.deployment.metadata.name);
  const most = Math.max(
    0,
    ...Object.entries(config?.data ?? {})
      .filter(([name]) => name.endsWith('.Modelfile'))
      .map(([, text]) => Number(/^PARAMETER num_thread (\d+)$/m.exec(text)?.[1] ?? 0)),
  );
  if (most <= server.cores) return [];
  return [
    {
      level: 'warning',
      what: `${server.name}: ${counted(most, 'thread')} on a CPU limit of ${server.cores} cores`,
      why: 'the kernel stops all of them for most of the time, and each token waits for the slowest',
      fixes: [
        {
          to: 'give it a core for each thread',
          run: look.commands.set([['servers', server.name, 'resources', 'cpu'], most]),
        },
      ],
      more,
    },
  ];
}

function throttled(look: Look, server: Server): Finding[] {
  let [periods, held] = [0, 0];
  for (const pod of server.pods) {
    const answer = look.nodeMetrics.get(pod.spec.nodeName ?? '');
    if (!answer || !('value' in answer)) continue;
    const labels = { namespace: look.namespace, pod: pod.metadata.name, container: 'ollama' };
    periods += answer.value.sum('container_cpu_cfs_periods_total', labels);
    held += answer.value.sum('container_cpu_cfs_throttled_periods_total', labels);
  }
  if (periods < 100 || held / periods < throttledShare) return [];
  return [
    {
      level: 'warning',
      what: `${server.name}: Ollama was held back in ${percent(held / periods)} of the time that it worked, by its CPU limit of ${server.cores} cores`,
      why: 'answers take that much longer',
      fixes: [
        {
          to: 'give it more',
          run: look.commands.set([['servers', server.name, 'resources', 'cpu'], Math.ceil(server.cores) + 1]),
        },
      ],
      more,
    },
  ];
}
