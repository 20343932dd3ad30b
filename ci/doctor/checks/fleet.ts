import { type Check, type Finding, note, ok, orElse } from '../finding.ts';
import { amount, isReady, type Pod } from '../kubernetes.ts';
import { type Look, readyAddresses } from '../look.ts';
import { Metrics } from '../metrics.ts';
import type { Server } from '../servers.ts';
import { stateOf } from '../trouble.ts';
import { bytes, counted, listed, percent } from '../words.ts';

/** The findings of some pods, those that say the same of several pods once. */
function together(pods: readonly Pod[], of: (pod: Pod) => Finding | undefined): Finding[] {
  const groups = new Map<string, Finding & { others: number }>();
  for (const pod of pods) {
    const finding = of(pod);
    if (!finding) continue;
    // How long each waits is no difference.
    const key = finding.level + finding.what.replaceAll(pod.metadata.name, '').replaceAll(/\d+ (s|min|h|days)\b/g, '');
    const found = groups.get(key);
    if (found) found.others += 1;
    else groups.set(key, { ...finding, others: 0 });
  }
  return [...groups.values()].map(({ others, ...finding }) => ({
    ...finding,
    what: others > 0 ? `${finding.what} (and ${counted(others, 'pod')} more)` : finding.what,
  }));
}

export const servers: Check = {
  name: 'servers',
  group: 'fleet',
  needs: ['deployments', 'pods'],
  judge: (look) => {
    const all = look.servers;
    if (all.length === 0) {
      const fixes = [{ to: 'switch one on', run: look.commands.set([['servers', 'NAME', 'enabled'], true]) }];
      return [{ level: 'problem', what: 'the release has no server', why: 'there is nothing to ask', fixes }];
    }
    const findings = all.flatMap((server) => ofServer(look, server));
    const pods = all.flatMap((server) => server.pods);
    const wanted = all.reduce((sum, server) => sum + server.wanted, 0);
    const models = all.flatMap((server) => server.models);
    const what = `${counted(all.length, 'server')}: ${pods.filter(isReady).length} of ${counted(wanted, 'pod')} ready, for ${counted(models.length, 'model')}`;
    const isWell = findings.every(({ level }) => level !== 'problem');
    return [...(isWell ? [ok(what)] : []), ...findings];
  },
};

/** A problem, with what it does to clients: whether other pods of the server serve meanwhile. */
function hit(finding: Finding, { pods, models }: Server): Finding {
  if (finding.level !== 'problem') return finding;
  const ready = pods.filter(isReady).length;
  const serve =
    ready === 0
      ? `nothing serves ${listed(models)}`
      : `${counted(ready, 'pod')} of the server ${ready === 1 ? 'serves' : 'serve'} meanwhile`;
  return { ...finding, why: finding.why ? `${finding.why}; ${serve}` : serve };
}

function ofServer(look: Look, server: Server): Finding[] {
  const pods = look
    .component('pods', 'server')
    .filter(({ metadata }) => metadata.labels?.['model-management.fineprint.ai/server'] === server.name);
  const findings = together(pods, (pod) => stateOf(look, pod, server).finding).map((finding) => hit(finding, server));
  if (server.pods.length > 0) return findings;
  if (server.wanted === 0)
    return [
      ...findings,
      note(`${server.name} has no pod: the first request for ${listed(server.models)} waits for one`),
    ];
  // What keeps its pods from being made is said of the quota.
  return findings;
}

export const puller: Check = {
  name: 'puller',
  group: 'fleet',
  needs: ['jobs', 'pods'],
  judge: (look) => {
    const jobs = look.component('jobs', 'puller');
    if (jobs.length === 0) return [note('none: each pod pulls for itself')];
    const newest = jobs.toSorted((one, other) =>
      one.metadata.creationTimestamp! < other.metadata.creationTimestamp! ? 1 : -1,
    )[0]!;
    const { name } = newest.metadata;
    if (newest.status.succeeded) return [ok(`${name} has brought all models to the shared claim`)];
    const pods = look.component('pods', 'puller');
    const findings = together(pods, (pod) => stateOf(look, pod).finding);
    if (newest.status.conditions?.some(({ type, status }) => type === 'Failed' && status === 'True')) {
      findings.unshift({
        level: 'problem',
        what: `${name} has given up`,
        why: 'the models of the servers with cache.mode shared do not come',
        fixes: [
          { to: 'read why', run: look.commands.kubectl('logs', `job/${name}`, '--tail=20') },
          {
            to: 'then have it begin anew',
            run: `${look.commands.kubectl('delete', 'job', name)} && ${look.commands.helm('upgrade', look.commands.release, './charts', '--reuse-values')}`,
          },
        ],
        more: 'docs/operations.md#models-are-not-downloaded',
      });
    }
    return orElse(findings, note(`${name} is at work`));
  },
};

export const gateways: Check = {
  name: 'gateways',
  group: 'fleet',
  needs: ['deployments', 'pods'],
  judge: (look) => {
    const deployment = look.component('deployments', 'gateway')[0];
    if (!deployment) return [{ level: 'problem', what: 'the release has no gateway', why: 'nobody can ask anything' }];
    const wanted = deployment.spec.replicas ?? 1;
    const ready = look.gatewayPods.filter(isReady).length;
    const findings = together(look.component('pods', 'gateway'), (pod) => stateOf(look, pod).finding);
    if (ready === 0 && findings.every(({ level }) => level !== 'problem')) {
      findings.unshift({
        level: 'problem',
        what: `none of ${counted(wanted, 'pod')} is ready`,
        why: 'nobody can ask anything',
        fixes: [
          { to: 'see them', run: look.commands.kubectl('get', 'pods', '-l', 'app.kubernetes.io/component=gateway') },
        ],
      });
    }
    return findings.some(({ level }) => level === 'problem')
      ? findings
      : [ok(`${ready} of ${counted(wanted, 'pod')} ready`), ...findings];
  },
};

/** Whether the gateways know the replicas that Kubernetes knows, and send requests to them. */
export const replicas: Check = {
  name: 'replicas',
  group: 'fleet',
  needs: ['endpointslices', 'pods/proxy'],
  judge: (look) => {
    const seen = [...look.gateways].flatMap(([name, answer]) =>
      'value' in answer ? [{ name, metrics: answer.value }] : [],
    );
    if (seen.length === 0) return [note('no gateway runs that could be asked')];
    const findings: Finding[] = [];
    for (const { name, metrics } of seen) {
      const strange = look.servers.flatMap((server) => {
        const service = server.deployment.metadata.name;
        const slices = look
          .list('endpointslices')
          .filter(({ metadata }) => metadata.labels?.['kubernetes.io/service-name'] === service);
        const ready = readyAddresses(slices).size;
        const known = metrics.sum('server_replicas', { server: service, state: 'known' });
        return known === ready ? [] : [`${server.name}: ${known} of ${ready}`];
      });
      if (strange.length > 0) findings.push(unaware(look, name, strange));
    }
    const all = Metrics.all(seen.map(({ metrics }) => metrics));
    for (const [server, count] of all.by('server_replicas', 'server', { state: 'ejected' })) {
      if (count > 0) findings.push(ejected(look, server, count, seen.length));
    }
    return orElse(
      findings,
      ok(
        `${counted(seen.length, 'gateway')} ${seen.length === 1 ? 'knows' : 'know'} every ready pod, and leave${seen.length === 1 ? 's' : ''} none out`,
      ),
    );
  },
};

function unaware({ commands }: Look, gateway: string, strange: string[]): Finding {
  return {
    level: 'warning',
    what: `${gateway} does not know the pods that are ready: ${listed(strange)}`,
    why: 'requests go to the Service as a whole or to pods that are gone, without regard to what each can take',
    fixes: [
      {
        to: 'see whether it may watch the EndpointSlices, and does',
        run: `${commands.kubectl('logs', gateway)} | grep -i endpointslices`,
      },
      { to: 'see its role', run: commands.kubectl('get', 'roles,rolebindings') },
    ],
    more: 'docs/operations.md#the-gateway-does-not-send',
  };
}

function ejected({ commands }: Look, server: string, count: number, gateways: number): Finding {
  return {
    level: 'warning',
    what: `${server}: ${counted(count, 'replica')} left out by ${gateways === 1 ? 'the gateway' : 'gateways'}, for failing requests`,
    why: 'the others have to take what they would; they are tried again by and by',
    fixes: [
      {
        to: 'see which, and why',
        run: commands.kubectl('logs', '-l', 'app.kubernetes.io/component=gateway', '--tail=50'),
      },
      {
        to: 'see how the pods are',
        run: commands.kubectl('get', 'pods', '-l', `model-management.fineprint.ai/server=${server}`),
      },
    ],
    more: 'docs/operations.md#the-gateway-does-not-send',
  };
}

/** Models of a server with GPUs that are not, or not wholly, in one. */
export const gpuUse: Check = {
  name: 'GPU use',
  group: 'fleet',
  needs: ['pods/proxy'],
  judge: (look) => {
    const withGpus = look.servers.filter(({ gpu }) => gpu);
    if (withGpus.length === 0) return [note('no server asks for any')];
    let held = 0;
    const findings = withGpus.flatMap((server) => {
      const found = together(server.pods.filter(isReady), (pod) => {
        const metrics = look.metricsOf(pod);
        const models = metrics ? [...metrics.by('model_memory_usage_bytes', 'model')] : [];
        held += metrics?.sum('model_memory_usage_bytes', { kind: 'vram' }) ?? 0;
        const outside = models.filter(
          ([model]) => metrics!.sum('model_memory_usage_bytes', { kind: 'ram', model }) > 0,
        );
        const [first] = outside;
        return first && onCpu(look, server, pod, first[0], metrics!);
      });
      return found;
    });
    return orElse(findings, held > 0 ? ok(`all that is loaded is in GPUs: ${bytes(held)}`) : note('nothing is loaded'));
  },
};

function onCpu(look: Look, server: Server, pod: Pod, model: string, metrics: Metrics): Finding {
  const { commands } = look;
  const ram = metrics.sum('model_memory_usage_bytes', { model, kind: 'ram' });
  const vram = metrics.sum('model_memory_usage_bytes', { model, kind: 'vram' });
  const share = ram / (ram + vram);
  const own = ['servers', server.name];
  const why =
    'an answer of a model that is not wholly in the GPU takes ten times as long or more; Ollama does this without an error';
  const smi = {
    to: 'see what the GPU says',
    run: commands.kubectl('exec', pod.metadata.name, '-c', 'ollama', '--', 'nvidia-smi'),
  };
  const says = {
    to: 'see what Ollama found at its start',
    run: `${commands.kubectl('logs', pod.metadata.name, '-c', 'ollama')} | grep -iE 'gpu|cuda|inference compute' | head`,
  };
  if (vram === 0) {
    return {
      level: 'problem',
      what: `${pod.metadata.name}: ${model} is not in the GPU that the pod has been given, but all on the CPU`,
      why,
      fixes: [
        says,
        smi,
        {
          to: 'where containers get GPUs by a runtime class, name it',
          run: commands.set([[...own, 'scheduling', 'runtimeClassName'], 'nvidia']),
        },
      ],
      more: 'docs/operations.md#a-model-runs-on-the-cpu',
    };
  }
  return {
    level: 'problem',
    what: `${pod.metadata.name}: ${percent(share)} of ${model} is on the CPU: ${bytes(ram)} of ${bytes(ram + vram)} did not fit into the GPU`,
    why,
    fixes: [
      {
        to: 'have it take less: fewer answers at a time, or shorter contexts',
        run: commands.set([[...own, 'ollama', 'parallel'], 1], [[...own, 'ollama', 'contextLength'], 4096]),
      },
      { to: 'or give it more GPUs', run: commands.set([[...own, 'resources', 'gpu'], (server.gpu?.count ?? 1) + 1]) },
      smi,
    ],
    more: 'docs/operations.md#a-model-runs-on-the-cpu',
  };
}

/** Shares of its memory limit from which a container is looked at, and from which it is about to be killed. */
const [high, highest] = [0.85, 0.97];

export const memory: Check = {
  name: 'memory',
  group: 'fleet',
  needs: ['podmetrics', 'pods'],
  judge: (look) => {
    if (look.problemOf('podmetrics')) return [note('not looked at: nothing serves metrics.k8s.io (see "metrics API")')];
    const seen = usages(look);
    if (seen.length === 0) return [note('nothing is measured yet')];
    const findings = seen
      .filter(({ share }) => share >= high)
      .map(({ pod, container, share, used, limit, server }): Finding => {
        const wanted = bytes(limit * 1.5);
        const path = container === 'ollama' && server ? ['servers', server.name] : [container];
        return {
          level: share >= highest ? 'problem' : 'warning',
          what: `${pod.metadata.name}: ${container} uses ${percent(share)} of its limit (${bytes(used)} of ${bytes(limit)})`,
          why: 'at the limit it is killed, with every answer that it is giving',
          fixes: [
            { to: 'give it more', run: look.commands.set([[...path, 'resources', 'memory'], wanted]) },
            ...(container === 'ollama' && server
              ? [
                  {
                    to: 'see what is loaded',
                    run: look.commands.kubectl('exec', pod.metadata.name, '-c', 'ollama', '--', 'ollama', 'ps'),
                  },
                  { to: 'or have the models take less', run: look.commands.set([[...path, 'ollama', 'parallel'], 1]) },
                ]
              : []),
          ],
          more: 'docs/operations.md#memory-runs-short',
        };
      });
    if (findings.length > 0) return findings;
    const most = seen.reduce((one, other) => (other.share > one.share ? other : one));
    return [ok(`at most ${percent(most.share)} of a limit is used (${most.container} of ${most.pod.metadata.name})`)];
  },
};

/** What each container of the release uses of its memory limit. */
export function usages(look: Look) {
  const of = new Map(look.ours('pods').map((pod) => [pod.metadata.name, pod]));
  const servers = look.servers;
  return look.list('podmetrics').flatMap(({ metadata, containers }) => {
    const pod = of.get(metadata.name);
    if (!pod) return [];
    const server = servers.find(({ pods }) => pods.includes(pod));
    return containers.flatMap(({ name, usage }) => {
      const spec = [...(pod.spec.initContainers ?? []), ...pod.spec.containers].find((each) => each.name === name);
      const limit = amount(spec?.resources?.limits?.memory);
      const used = amount(usage.memory);
      return limit > 0 ? [{ pod, server, container: name, used, limit, share: used / limit }] : [];
    });
  });
}
