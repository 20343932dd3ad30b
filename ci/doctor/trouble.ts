import { lastWords } from './download.ts';
import type { Finding, Fix, Level } from './finding.ts';
import {
  amount,
  type ContainerStatus,
  conditionOf,
  isReady,
  type Pod,
  type Terminated,
  tolerates,
} from './kubernetes.ts';
import { isStaying, type Look, statusesOf } from './look.ts';
import type { Server } from './servers.ts';
import { ago, bytes, counted, oneLine } from './words.ts';

/** How a pod is, in a word for the table of the fleet. */
export type State =
  | 'ready'
  | 'pending'
  | 'starting'
  | 'downloading'
  | 'loading'
  | 'draining'
  | 'ending'
  | 'crashing'
  | 'hanging'
  | 'failing';

/** How a pod is, and unless it is as it should be, what that means and what to do. */
export interface PodState {
  state: State;
  finding?: Finding;
}

/** A restart that is longer ago is history, in ms. */
const recentMs = 3600_000;

/** How it is with a pod of a server, or of the gateway where there is no server. */
export function stateOf(look: Look, pod: Pod, server?: Server): PodState {
  const place = { look, pod, server };
  if (!isStaying(pod)) return ending(place);
  if (pod.status.phase === 'Failed') return failedPod(place);
  if (pod.status.phase === 'Succeeded') return { state: 'ready' };
  const scheduled = conditionOf(pod.status.conditions, 'PodScheduled');
  if (scheduled?.status === 'False') return unscheduled(place, scheduled.message ?? '');
  const statuses = statusesOf(pod);
  const stuck = statuses.map((status) => stuckContainer(place, status)).find(Boolean);
  if (stuck) return stuck;
  const downloader = statuses.find(({ name }) => name === 'model-downloader');
  if (downloader && !downloader.ready && downloader.state.running) return downloading(place);
  if (!statuses.some(({ state }) => state.running)) return notStarted(place);
  if (server && !isReady(pod)) return notReady(place);
  const restarted = statuses.map((status) => restartedContainer(place, status)).find(Boolean);
  if (isReady(pod)) return { state: 'ready', ...(restarted && { finding: restarted }) };
  return { state: 'starting', finding: wait(place, 'note', 'starts, and is not ready yet') };
}

interface Place {
  look: Look;
  pod: Pod;
  server: Server | undefined;
}

const describePod = ({ look, pod }: Place): Fix => ({
  to: 'see all that Kubernetes says of it',
  run: look.commands.kubectl('describe', 'pod', pod.metadata.name),
});

const logsOf = ({ look, pod }: Place, container: string, ...more: string[]): Fix => ({
  to: 'read its log',
  run: look.commands.kubectl('logs', pod.metadata.name, '-c', container, ...more),
});

const ageOf = ({ look, pod }: Place): string => ago(look.now - Date.parse(pod.metadata.creationTimestamp ?? ''));

const wait = (place: Place, level: Level, what: string, more: Partial<Finding> = {}): Finding => ({
  level,
  what: `${place.pod.metadata.name}: ${what}`,
  ...more,
});

function ending(place: Place): PodState {
  const { look, pod } = place;
  // The time of deletion is the one at which its grace period is over.
  const over = look.now - Date.parse(pod.metadata.deletionTimestamp!);
  if (over < 60_000) return { state: 'ending' };
  const node = pod.spec.nodeName ?? 'its node';
  return {
    state: 'ending',
    finding: wait(place, 'warning', `should have ended ${ago(over)} ago`, {
      why: `${node} does not say that it has: it may be down, or hang`,
      fixes: [
        { to: 'look at the node', run: look.commands.cluster('describe', 'node', node) },
        {
          to: 'if the node is gone for good, let go of the pod',
          run: look.commands.kubectl('delete', 'pod', pod.metadata.name, '--grace-period=0', '--force'),
        },
      ],
    }),
  };
}

function failedPod(place: Place): PodState {
  const { reason = 'failed', message = '' } = place.pod.status;
  const finding = wait(place, 'warning', `${reason}: ${oneLine(message)}`, {
    why: 'another has taken its place; what evicted it may do so again',
    fixes: [
      { to: 'see what else happened', run: place.look.commands.kubectl('get', 'events', '--sort-by=.lastTimestamp') },
      { to: 'take it away', run: place.look.commands.kubectl('delete', 'pod', place.pod.metadata.name) },
    ],
  });
  return { state: 'failing', finding };
}

/** What the scheduler says, told apart by what has to be done. */
function unscheduled(place: Place, message: string): PodState {
  const { look, server } = place;
  const { commands } = look;
  // Of a long list of nodes only what is wrong; what preemption would not help is the same once more.
  const said = oneLine(message.replace(/\.? ?preemption: .*$/s, ''));
  let fixes: Fix[] | undefined = [describePod(place)];
  let why = 'it waits for a place';
  if (/ephemeral volume controller|PersistentVolumeClaim|persistentvolumeclaim|storageclass/i.test(said)) {
    why = 'it waits for its volume: see "storage classes" and "claims"';
    fixes = undefined;
  } else if (server?.gpu && said.includes(`Insufficient ${server.gpu.resource}`)) {
    why = `it waits for ${server.gpu.count} × ${server.gpu.resource}: see "GPUs"`;
    fixes = undefined;
  } else if (/Insufficient (cpu|memory)/.test(said)) {
    why = 'no node has that much left beside what runs there';
    fixes = [
      {
        to: 'see what each node has given away, and add nodes, or larger ones',
        run: `${commands.cluster('describe', 'nodes')} | grep -A8 'Allocated resources'`,
      },
    ];
    const own = ['servers', server?.name ?? '', 'resources'];
    if (server && said.includes('Insufficient memory')) {
      fixes.push({
        to: 'or ask for less, as far as the models allow',
        run: commands.set([[...own, 'memory'], 'LESS']),
      });
    } else if (server) {
      fixes.push({ to: 'or set less of a CPU aside', run: commands.set([[...own, 'cpuRequest'], '500m']) });
    }
  } else if (/untolerated taint/.test(said)) {
    const taints = look.list('nodes').flatMap(({ spec }) => spec.taints ?? []);
    const own = taints.find(
      (taint) => !taint.key.startsWith('node.kubernetes.io/') && !tolerates(place.pod.spec.tolerations ?? [], [taint]),
    );
    why = own
      ? `nodes keep it off by the taint ${own.key}:${own.effect}`
      : 'the nodes are not ready or cordoned: see "nodes"';
    const part = server ? ['servers', server.name] : ['gateway'];
    fixes = own && [
      {
        to: 'tolerate it, if the nodes are meant for this',
        run: commands.setJson([...part, 'scheduling', 'tolerations'], [{ key: own.key, operator: 'Exists' }]),
      },
    ];
  } else if (/node affinity|node selector/.test(said)) {
    why = 'no node has the labels that `scheduling.nodeSelector` asks for';
    fixes = [{ to: 'see what labels there are', run: commands.cluster('get', 'nodes', '--show-labels') }];
  }
  const finding = wait(place, 'problem', `no node takes it, for ${ageOf(place)}: ${said}`, {
    why,
    ...(fixes && { fixes, more: 'docs/operations.md#a-pod-stays-pending' }),
  });
  return { state: 'pending', finding };
}

/** A container that Kubernetes itself does not get to run. */
function stuckContainer(place: Place, status: ContainerStatus): PodState | undefined {
  const { look } = place;
  const { waiting, terminated } = status.state;
  const reason = waiting?.reason ?? '';
  const said = oneLine(waiting?.message ?? '');
  if (/^(ErrImagePull|ImagePullBackOff|InvalidImageName|ErrImageNeverPull)$/.test(reason)) {
    const isOllama = status.name !== 'agent' && status.name !== 'gateway';
    const path = isOllama ? ['serverDefaults', 'ollama', 'image'] : ['image'];
    return {
      state: 'failing',
      finding: wait(place, 'problem', `image ${imageOf(place, status)} cannot be pulled: ${said}`, {
        why: `the container ${status.name} cannot start`,
        fixes: [
          {
            to: 'name an image that is there',
            run: look.commands.set([[...path, 'repository'], 'IMAGE'], [[...path, 'tag'], 'TAG']),
          },
          {
            to: 'where it is in a private registry, name the Secret that opens it',
            run: look.commands.setJson(['imagePullSecrets'], ['SECRET']),
          },
        ],
        more: 'docs/operations.md#an-image-cannot-be-pulled',
      }),
    };
  }
  if (/^(CreateContainerConfigError|CreateContainerError|RunContainerError)$/.test(reason)) {
    return {
      state: 'failing',
      finding: wait(place, 'problem', `${status.name} cannot be started: ${said}`, { fixes: [describePod(place)] }),
    };
  }
  // Between two starts, or just after one that failed.
  const last = terminated ?? status.lastState?.terminated;
  const failing = waiting ? reason === 'CrashLoopBackOff' : terminated !== undefined && terminated.exitCode !== 0;
  if (failing && last) return { state: 'crashing', finding: crash(place, status, last) };
  return undefined;
}

const imageOf = ({ pod }: Place, { name, image }: ContainerStatus): string =>
  [...(pod.spec.initContainers ?? []), ...pod.spec.containers].find((each) => each.name === name)?.image ?? image;

/** A container that was started again, and runs. */
function restartedContainer(place: Place, status: ContainerStatus): Finding | undefined {
  const last = status.lastState?.terminated;
  if (!last || place.look.now - Date.parse(last.finishedAt ?? '') > recentMs) return undefined;
  // An agent makes way for another when its pod gets another Ollama.
  if (last.exitCode === 0 && status.name === 'agent') return undefined;
  const found = crash(place, status, last);
  return { ...found, level: 'warning' };
}

/** Why a container ended, and ends again. */
function crash(place: Place, status: ContainerStatus, last: Terminated): Finding {
  const { look, pod, server } = place;
  const times = status.restartCount > 0 ? `, ${counted(status.restartCount, 'restart')}` : '';
  const when = last.finishedAt ? ` ${ago(look.now - Date.parse(last.finishedAt))} ago` : '';
  if (status.name === 'model-downloader' && last.reason !== 'OOMKilled') {
    const found = downloadOf(place);
    if (found?.failed) return downloadFailed(place, found);
  }
  if (last.reason === 'OOMKilled') {
    return wait(place, 'problem', `${status.name} was killed for its memory${when}${times}`, {
      why: `it took more than its limit of ${bytes(limitOf(place, status.name))}`,
      fixes: moreMemory(place, status.name),
      more: 'docs/operations.md#memory-runs-short',
    });
  }
  const log = look.logs.get(`${pod.metadata.name}/${status.name}/before`) ?? '';
  const said = oneLine(log.trim().split('\n').at(-1) ?? '', 200);
  return wait(place, 'problem', `${status.name} ended with exit status ${last.exitCode}${when}${times}`, {
    why: said ? `its last words: ${said}` : 'it said nothing',
    fixes: [logsOf(place, status.name, '--previous'), ...(server ? [] : [describePod(place)])],
    more: 'docs/operations.md#a-pod-crashes',
  });
}

const limitOf = ({ pod }: Place, container: string): number => {
  const spec = [...(pod.spec.initContainers ?? []), ...pod.spec.containers].find(({ name }) => name === container);
  return amount(spec?.resources?.limits?.memory);
};

function moreMemory(place: Place, container: string): Fix[] {
  const { look, server } = place;
  const wanted = bytes(Math.max(limitOf(place, container) * 1.5, 256 * 2 ** 20));
  if (container === 'gateway' || container === 'agent') {
    return [{ to: 'give it more', run: look.commands.set([[container, 'resources', 'memory'], wanted]) }];
  }
  if (!server) return [describePod(place)];
  const own = ['servers', server.name];
  return [
    { to: 'give it more', run: look.commands.set([[...own, 'resources', 'memory'], wanted]) },
    {
      to: 'or have the models take less: fewer answers at a time, or shorter contexts',
      run: look.commands.set([[...own, 'ollama', 'parallel'], 1], [[...own, 'ollama', 'contextLength'], 4096]),
    },
  ];
}

const downloadOf = ({ look, pod, server }: Place) =>
  lastWords(look.logs.get(`${pod.metadata.name}/model-downloader`) ?? '', {
    commands: look.commands,
    server: server?.name ?? 'SERVER',
    cache: server?.cache ?? 'shared',
    size: claimedBy(pod),
  });

const claimedBy = (pod: Pod): number => {
  const models = pod.spec.volumes?.find(({ name }) => name === 'models');
  return amount(models?.ephemeral?.volumeClaimTemplate.spec.resources.requests.storage);
};

function downloadFailed(place: Place, found: { said: string; fixes: Fix[] }): Finding {
  return wait(place, 'problem', `cannot get its models: ${found.said}`, {
    why: 'it serves nothing until all of its models are on its disk; it goes on trying',
    fixes: found.fixes.length > 0 ? found.fixes : [logsOf(place, 'model-downloader')],
    more: 'docs/operations.md#models-are-not-downloaded',
  });
}

function downloading(place: Place): PodState {
  const found = downloadOf(place);
  if (found?.failed) return { state: 'downloading', finding: downloadFailed(place, found) };
  const said = found ? `: ${found.said}` : '';
  return { state: 'downloading', finding: wait(place, 'note', `downloads its models, for ${ageOf(place)}${said}`) };
}

/** No container runs: what the kubelet does before the first is in the events alone. */
function notStarted(place: Place): PodState {
  const { look, pod } = place;
  const failure = look
    .list('events')
    .findLast(
      ({ involvedObject, type, reason }) =>
        involvedObject.name === pod.metadata.name &&
        type === 'Warning' &&
        /^(FailedMount|FailedAttachVolume|FailedCreatePodSandBox|FailedBinding|InspectFailed)$/.test(reason),
    );
  if (!failure) return { state: 'starting', finding: wait(place, 'note', `starts, for ${ageOf(place)}`) };
  const secret = /secret "([^"]+)" not found/.exec(failure.message)?.[1];
  return {
    state: 'failing',
    finding: wait(place, 'problem', `waits, for ${ageOf(place)}: ${oneLine(failure.message)}`, {
      why: secret ? `the Secret ${secret} has to be there first: see "API keys"` : 'no container can start',
      ...(!secret && { fixes: [describePod(place)] }),
    }),
  };
}

/** Ollama runs and the pod is not ready: the agent knows why. */
function notReady(place: Place): PodState {
  const { look, pod } = place;
  const { name } = pod.metadata;
  const answer = look.agents.get(name)?.health;
  const health = look.healthOf(pod);
  if (!health) {
    const said = answer && !('value' in answer) ? `: ${oneLine(answer.message, 200)}` : '';
    const what = `is not ready, and its agent does not say why${said}`;
    return { state: 'hanging', finding: wait(place, 'problem', what, { fixes: [logsOf(place, 'agent')] }) };
  }
  if (health.draining) return { state: 'draining', finding: wait(place, 'note', 'answers what it has, and ends') };
  const restarts = statusesOf(pod).find((status) => status.name === 'ollama')?.restartCount ?? 0;
  const started = statusesOf(pod).find((status) => status.name === 'ollama')?.state.running?.startedAt;
  if (!health.live.ok) {
    // At its start it takes a moment until it answers.
    if (started && look.now - Date.parse(started) < 20_000) {
      return { state: 'starting', finding: wait(place, 'note', 'Ollama starts') };
    }
    return { state: 'hanging', finding: hanging(place, health.live.reason, restarts) };
  }
  if (!health.startup.ok) {
    return {
      state: 'loading',
      finding: wait(place, 'warning', health.startup.reason, { fixes: [logsOf(place, 'agent')] }),
    };
  }
  const failed = Object.entries(health.models).filter(([, model]) => model.problem !== undefined);
  if (failed.length > 0) return { state: 'failing', finding: loadFailed(place, failed) };
  const waiting = Object.entries(health.models).filter(([, { state }]) => state !== 'loaded' && state !== 'unloaded');
  const what = `loads ${waiting.map(([key]) => key).join(', ') || 'its models'}, for ${ageOf(place)}`;
  return { state: 'loading', finding: wait(place, 'note', what) };
}

function hanging(place: Place, reason: string, restarts: number): Finding {
  const again = restarts > 0 ? ` It has been started anew ${restarts} times.` : '';
  return wait(place, 'problem', `Ollama hangs: ${oneLine(reason)}`, {
    why: `its requests go to other pods, and after a minute the kubelet starts it anew.${again}`,
    fixes: [
      logsOf(place, 'ollama', '--tail=50'),
      {
        to: 'if it does not come back, take the pod away; another takes its place',
        run: place.look.commands.kubectl('delete', 'pod', place.pod.metadata.name),
      },
    ],
    more: 'docs/operations.md#ollama-hangs',
  });
}

/** Ollama says why it did not load a model; for memory in many ways. */
function loadFailed(place: Place, failed: [string, { attempts: number; problem?: string }][]): Finding {
  const [key, { attempts, problem = '' }] = failed[0]!;
  const more = failed.length > 1 ? ` (and ${failed.length - 1} more)` : '';
  const memory = /signal: killed|out of memory|more system memory|unable to allocate|cannot allocate|cudaMalloc/i.test(
    problem,
  );
  return wait(
    place,
    'problem',
    `${key}${more} cannot be loaded, after ${counted(attempts, 'attempt')}: ${oneLine(problem)}`,
    {
      why: memory
        ? `it takes more memory than there is: Ollama has ${bytes(limitOf(place, 'ollama'))}`
        : 'the pod serves nothing until its models have been loaded once; it goes on trying',
      fixes: memory ? moreMemory(place, 'ollama') : [logsOf(place, 'ollama', '--tail=50')],
      more: memory ? 'docs/operations.md#memory-runs-short' : 'docs/operations.md#a-model-does-not-load',
    },
  );
}
