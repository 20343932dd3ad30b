import { statSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Fleet, testFleet, tinyServer } from '../../charts/tests/fleet.ts';
import { mergedValues, mergeValues, type ValuesOverrides } from '../../generator/environment.ts';
import { offerFakeGpus } from '../cluster/fake-gpus.ts';
import type { Resource } from '../cluster/testing.ts';
import { temporaryFolder } from '../testing/project.ts';
import { root } from '../tools/paths.ts';
import { output } from '../tools/run.ts';
import { openSocket } from './api.ts';
import { checksFor } from './checks.ts';
import { type Judged, judge } from './finding.ts';
import { examine } from './way.ts';

/** A server with a whole core for its one thread, of which little is set aside. */
const cpu = { cpu: '1', cpuRequest: '50m' };
const server = (name: string, over: NonNullable<ValuesOverrides['servers']>[string] = {}) =>
  tinyServer(name, mergeValues({ resources: cpu }, over) as typeof over);

async function run(fleet: Fleet, args: string[], over: NodeJS.ProcessEnv = {}) {
  const { cluster, name } = fleet.namespace;
  const context = JSON.parse(await cluster.kubectl(['config', 'view', '--output', 'json']))['current-context'];
  const env = { ...cluster.env, ...over };
  const main = [path.join(root, 'ci/doctor/main.ts'), '--namespace', name, '--context', context, ...args];
  return output(process.execPath, main, { env, timeout: 60_000 });
}

interface Report {
  findings: Judged[];
  /** What a check found, as `level: what`. */
  of(check: string): string;
  /** The commands that it gives. */
  commands(check: string): string;
}

/** The same without a process of its own, for the many times that it is asked. */
async function doctor(fleet: Fleet): Promise<Report> {
  const { cluster, name } = fleet.namespace;
  const look = await examine({ where: 'the test', env: cluster.env }, { namespace: name });
  const findings = judge(checksFor(look.release), look);
  const own = (check: string) => findings.filter((finding) => finding.check === check);
  return {
    findings,
    of: (check) =>
      own(check)
        .map(({ level, what }) => `${level}: ${what}`)
        .join('\n'),
    commands: (check) =>
      own(check)
        .flatMap(({ fixes = [] }) => fixes.flatMap(({ run }) => run ?? []))
        .join('\n'),
  };
}

/** Looks again and again until a check finds what it should: what was provoked takes its time to show. */
async function untilFound(fleet: Fleet, check: string, words: RegExp, seconds = 90): Promise<Report> {
  let last: Report | undefined;
  const deadline = Date.now() + seconds * 1000;
  do {
    last = await doctor(fleet);
    if (words.test(last.of(check))) return last;
    await sleep(1000);
  } while (Date.now() < deadline);
  throw new Error(
    `${check}: not found within ${seconds} s: ${words}\n${last.findings.map(({ check, level, what }) => `${level} ${check}: ${what}`).join('\n')}`,
  );
}

describe('a release that is well', () => {
  let fleet: Fleet;
  beforeAll(async () => {
    fleet = await testFleet();
    await fleet.deploy(server('one'));
    await Promise.all([fleet.untilReady('ollama-one'), fleet.untilGateway()]);
    expect(await fleet.chat('one')).toBeGreaterThan(0);
  });
  afterAll(() => fleet[Symbol.asyncDispose]());

  it('is told to be', async () => {
    const report = await untilFound(fleet, 'memory', /^ok: at most \d+% of a limit is used/);
    expect(report.findings.filter(({ level }) => level !== 'ok' && level !== 'note')).toEqual([]);
    expect(report.of('servers')).toBe('ok: 1 server: 1 of 1 pod ready, for 1 model');
    expect(report.of('replicas')).toBe('ok: 1 gateway knows every ready pod, and leaves none out');
    expect(report.of('storage classes')).toBe('ok: standard (the default)');
    expect(report.of('Helm')).toMatch(/^ok: fleet, revision 1 of model-management \S+: deployed \d+ s ago$/);
    expect(report.of('objects')).toMatch(/^ok: \d+ objects, all there$/);
    expect(report.of('first token')).toMatch(/^ok: 1 answer in/);
    expect(report.of('DNS')).toMatch(/^ok: kube-dns has 1 ready endpoint/);
    expect(report.of('metrics API')).toBe('ok: metrics.k8s.io answers');
  });

  it('is told so to people, without colours where nobody sees them', async () => {
    const { status, stdout } = await run(fleet, []);
    expect(status).toBe(0);
    expect(stdout).toMatch(/^release fleet in namespace test-\w+ of context \S+; looking changes nothing\n/);
    expect(stdout).toMatch(/^ {2}✓ ok {7}servers +1 server: 1 of 1 pod ready, for 1 model$/m);
    expect(stdout).toMatch(/\n\d+ fine\n$/);
    expect(stdout).not.toContain('\x1b');
    const json = await run(fleet, ['--output', 'json']);
    expect(json.status).toBe(0);
    expect(JSON.parse(json.stdout)).toMatchObject({
      release: 'fleet',
      revision: 1,
      counts: { problem: 0, warning: 0 },
    });
  });

  it('is not found under another name, and a namespace without one is told how to get one', async () => {
    const other = await run(fleet, ['--release', 'other']);
    expect([other.status, other.stderr]).toEqual([
      2,
      expect.stringMatching(/^doctor: other: no release of model-management/),
    ]);
    const empty = await run(fleet, ['--namespace', 'default']);
    expect(empty.status).toBe(1);
    expect(empty.stdout).toMatch(/ok +Kubernetes[\s\S]*No release of model-management is in the namespace default/);
    const nowhere = await run(fleet, ['--context', 'nowhere']);
    expect([nowhere.status, nowhere.stderr]).toEqual([
      2,
      expect.stringMatching(/^doctor: kubectl: context "nowhere" does not exist/),
    ]);
  });

  it('cannot be changed by the way that it is looked at', async () => {
    const { cluster, name } = fleet.namespace;
    await using way = await openSocket([], cluster.env);
    const ask = (method: string, target: string) =>
      new Promise<number>((resolve, reject) => {
        const question = request({ socketPath: way.socket, method, path: target }, (answer) => {
          answer.resume();
          resolve(answer.statusCode!);
        });
        question.once('error', reject).end();
      });
    const pod = `/api/v1/namespaces/${name}/pods/${(await fleet.pods('ollama-one'))[0].metadata.name}`;
    expect(await ask('GET', pod)).toBe(200);
    expect(await ask('GET', `${pod}/exec?command=true`)).toBe(403);
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE']) expect(await ask(method, pod)).toBe(403);
    expect(statSync(path.dirname(way.socket)).mode & 0o77).toBe(0);
  });

  it('is looked at as far as one may, and it is said what one may not', async () => {
    const { namespace } = fleet;
    await namespace.kubectl(['create', 'serviceaccount', 'onlooker']);
    const subject = `--serviceaccount=${namespace.name}:onlooker`;
    await namespace.kubectl(['create', 'rolebinding', 'onlooker', '--clusterrole=view', subject]);
    const token = await namespace.kubectl(['create', 'token', 'onlooker']);
    const config = JSON.parse(await namespace.cluster.kubectl(['config', 'view', '--raw', '--output', 'json']));
    config.users = config.users.map((user: Resource) => ({ name: user.name, user: { token } }));
    await using folder = await temporaryFolder();
    const KUBECONFIG = path.join(folder.path, 'kubeconfig');
    writeFileSync(KUBECONFIG, JSON.stringify(config), { mode: 0o600 });
    const { status, stdout } = await run(fleet, [], { KUBECONFIG });
    expect(status).toBe(0);
    expect(stdout).toMatch(
      /\? unknown {2}rights +you may not read apiservices, ingressclasses, nodes, pods\/proxy, rolebindings, roles,\n +secrets, storageclasses\n/,
    );
    expect(stdout).toMatch(/kubectl --context \S+ create clusterrole doctor --verb=get,list --resource=\S*nodes/);
    expect(stdout).toMatch(/\? unknown {2}nodes +not looked at: you may not read nodes/);
    expect(stdout).toMatch(/✓ ok {7}servers +1 server: 1 of 1 pod ready/);
    expect(stdout).toMatch(/✓ ok {7}claims +1 of 1 bound/);
  });
});

describe('a release that does not come up', () => {
  let fleet: Fleet;
  beforeAll(async () => {
    fleet = await testFleet();
    const pulls = ['llama3:70b', 'qwen2.5:32b', 'gpt-oss:20b', 'tiny:latest'];
    const many = Object.fromEntries(pulls.map((pull, index) => [`big-${index}`, { pull }]));
    const gateway = { apiKeys: { enabled: true, existingSecret: 'no-keys' } };
    await fleet.deploy(
      mergedValues(
        server('nosuch'),
        { models: { nosuch: { pull: 'nosuch:1b' } } },
        {
          models: many,
          servers: {
            'ollama-full': { models: Object.keys(many), resources: cpu, cache: { storageClass: 'sized', size: '1Mi' } },
          },
        },
        server('hungry', { resources: { ...cpu, memory: '90M' }, ollama: { parallel: 64, contextLength: 2048 } }),
        server('gpu', { resources: { ...cpu, gpu: 1 }, models: ['gpu'] }),
        server('noclass', { cache: { storageClass: 'nowhere' } }),
        server('noimage', { ollama: { image: { repository: 'registry.internal:5000/nothing', tag: 'none' } } }),
        server('huge', { resources: { cpu: '1', cpuRequest: '900m', memory: '9000G' } }),
        { gateway, imagePullSecrets: ['no-pull'], ingress: { enabled: true, className: 'nowhere' } },
      ),
    );
  });
  afterAll(() => fleet[Symbol.asyncDispose]());

  it('names a Secret, a class of Ingress and cert-manager that are not there', async () => {
    const report = await doctor(fleet);
    expect(report.of('API keys')).toBe('problem: the Secret no-keys is not there');
    expect(report.of('pull secrets')).toBe('problem: the Secret no-pull is not there');
    expect(report.commands('pull secrets')).toContain('create secret docker-registry no-pull');
    expect(report.of('ingress')).toBe('problem: there is no class nowhere; there is none');
    expect(report.of('cert-manager')).toMatch(
      /^problem: its kinds \(cert-manager\.io\) are not there, and ingress\.tls\.clusterIssuer names/,
    );
    expect(report.of('TLS')).toMatch(/^problem: the Secret \S+ with the certificate is not there/);
  });

  it('tells of the gateway that waits for its keys', async () => {
    const report = await untilFound(fleet, 'gateways', /waits, for .*no-keys/);
    expect(report.findings.find(({ check }) => check === 'gateways')!.why).toMatch(
      /the Secret no-keys has to be there first: see "API keys"/,
    );
  });

  it('tells of a server whose GPU no node offers', async () => {
    const report = await untilFound(
      fleet,
      'servers',
      /ollama-gpu-\S+: no node takes it, .*Insufficient nvidia\.com\/gpu/,
    );
    expect(report.of('GPUs')).toBe('problem: no node offers nvidia.com/gpu, which ollama-gpu asks for');
    expect(report.commands('GPUs')).toMatch(
      /install nvidia-device-plugin[\s\S]*--set servers\.ollama-gpu\.enabled=false/,
    );
  });

  it('tells of a storage class that is not there', async () => {
    const report = await untilFound(fleet, 'claims', /"nowhere" not found/);
    expect(report.of('storage classes')).toMatch(
      /^problem: there is no class nowhere, which ollama-noclass relies on; there is fast-ssd, sized and standard$/,
    );
    expect(report.of('servers')).toMatch(/ollama-noclass-\S+: no node takes it/);
  });

  it('tells of a pod that no node has the memory for', async () => {
    const report = await untilFound(
      fleet,
      'servers',
      /ollama-huge-\S+: no node takes it, for \d+ s: 0\/1 nodes are available: 1 Insufficient .*memory/,
    );
    expect(report.findings.find(({ what }) => what.startsWith('ollama-huge'))!.why).toBe(
      'no node has that much left beside what runs there; nothing serves huge',
    );
  });

  it('tells of a model that there is not, in the words of the model-downloader', async () => {
    const report = await untilFound(
      fleet,
      'servers',
      /ollama-nosuch-\S+: cannot get its models: nosuch: pulling \S+nosuch:1b failed: no such model/,
    );
    expect(report.commands('servers')).toContain('--set models.nosuch.pull=NAME:TAG');
  });

  it('tells of a volume that is too small for the models', async () => {
    const report = await untilFound(fleet, 'servers', /ollama-full-\S+: cannot get its models: .*no space/);
    expect(report.commands('servers')).toContain('--set servers.ollama-full.cache.size=1Gi');
  });

  it('tells of an image that cannot be pulled', async () => {
    const report = await untilFound(
      fleet,
      'servers',
      /ollama-noimage-\S+: image registry\.internal:5000\/nothing:none cannot be pulled: /,
    );
    expect(report.commands('servers')).toContain('--set serverDefaults.ollama.image.repository=IMAGE');
  });

  it('tells of a model that takes more memory than there is', async () => {
    const report = await untilFound(
      fleet,
      'servers',
      /ollama-hungry-\S+: (hungry cannot be loaded|\S+ was killed for its memory)/,
      120,
    );
    const finding = report.findings.find(({ what }) => what.startsWith('ollama-hungry'))!;
    expect(finding.why).toMatch(/more than its limit|more memory than there is/);
    expect(finding.fixes![0]!.run).toContain('--set servers.ollama-hungry.resources.memory=256Mi');
  });

  it('tells of pods that a quota does not let be made', async () => {
    const { namespace } = fleet;
    await namespace.apply({
      apiVersion: 'v1',
      kind: 'ResourceQuota',
      metadata: { name: 'strict' },
      spec: { hard: { pods: '1' } },
    });
    await namespace.kubectl(['scale', 'deployment/ollama-nosuch', '--replicas=2']);
    const report = await untilFound(
      fleet,
      'quota',
      /^problem: ollama-nosuch: no pod may be made: .*exceeded quota: strict/m,
    );
    expect(report.commands('quota')).toContain('describe resourcequotas');
  });

  it('has a report of which each line is to the point', async () => {
    const { status, stdout } = await run(fleet, []);
    expect(status).toBe(1);
    expect(stdout).toMatch(/✗ problem {2}servers +ollama-\S+: /);
    expect(stdout).toMatch(
      /\n {13}fix {3}name a model and tag that the registry has:\n {21}helm --kube-context \S+ -n test-\w+ upgrade fleet/,
    );
    expect(stdout).toMatch(/\n1\d problems, /);
  });
});

describe('a release that serves, but not well', () => {
  let fleet: Fleet;
  beforeAll(async () => {
    fleet = await testFleet();
    await fleet.deploy(
      mergedValues(
        server('one', { resources: { cpu: '400m', cpuRequest: '50m' }, replicas: { min: 1, max: 1 } }),
        server('two'),
        { gateway: { queue: { depth: 3 } } },
      ),
    );
    await Promise.all([fleet.untilReady('ollama-one'), fleet.untilReady('ollama-two'), fleet.untilGateway()]);
  });
  afterAll(() => fleet[Symbol.asyncDispose]());

  it('has more threads than cores', async () => {
    const report = await doctor(fleet);
    expect(report.of('CPU')).toMatch(/^warning: ollama-one: 1 thread on a CPU limit of 0\.4 cores/);
    expect(report.commands('CPU')).toContain('--set servers.ollama-one.resources.cpu=1');
  });

  it('has requests waiting before a server that has all of its pods, and refuses what finds no room', async () => {
    const address = await fleet.address();
    const abort = new AbortController();
    const ask = () =>
      fetch(`${address}/api/generate`, {
        method: 'POST',
        signal: abort.signal,
        body: JSON.stringify({ model: 'one', prompt: 'hello', options: { num_predict: 5000 } }),
      })
        .then((answer) => answer.text())
        .catch(() => '');
    const asked = Array.from({ length: 8 }, ask);
    try {
      const report = await untilFound(fleet, 'queues', /^warning: one: \d requests wait in line now/, 20);
      const finding = report.findings.find(({ check }) => check === 'queues')!;
      expect(finding.why).toBe('ollama-one has all of its 1 pod (replicas.max)');
      expect(finding.fixes![0]!.run).toContain('--set servers.ollama-one.replicas.max=2');
      expect(report.of('refused requests')).toMatch(
        /^warning: one: 3 of \d+ requests refused in \d+ s: the line was full$/,
      );
    } finally {
      abort.abort();
      await Promise.all(asked);
    }
  });

  it('is short of memory', async () => {
    const [pod] = await fleet.pods('ollama-two');
    const { namespace } = fleet;
    // What is held back before a newline comes is held in memory; the reader takes nothing.
    const hold = 'head -c 560000000 /dev/zero | tail | while [ ! -e /tmp/seen ]; do sleep 1; done';
    const holding = namespace.kubectl(['exec', pod.metadata.name, '-c', 'ollama', '--', 'sh', '-c', hold]);
    const report = await untilFound(fleet, 'memory', /: ollama uses (8[5-9]|9\d)% of its limit/, 50);
    expect(report.commands('memory')).toContain('--set servers.ollama-two.resources.memory=');
    await namespace.kubectl(['exec', pod.metadata.name, '-c', 'ollama', '--', 'touch', '/tmp/seen']);
    await holding.catch(() => {});
  });

  it('has an Ollama that hangs', async () => {
    const [pod] = await fleet.pods('ollama-two');
    await fleet.signalOllama(pod, 'STOP');
    try {
      const report = await untilFound(
        fleet,
        'servers',
        /^problem: ollama-two-\S+: Ollama hangs: Ollama does not answer/m,
        40,
      );
      expect(report.commands('servers')).toMatch(/logs ollama-two-\S+ -c ollama --tail=50/);
    } finally {
      await fleet.signalOllama(pod, 'CONT');
    }
    await fleet.untilReady('ollama-two');
  });

  it('has had an Ollama that crashed', async () => {
    const [pod] = await fleet.pods('ollama-two');
    await fleet.signalOllama(pod, 'KILL');
    await untilFound(
      fleet,
      'servers',
      /^warning: ollama-two-\S+: ollama ended with exit status 137 \d+ s ago, 1 restart$/m,
      60,
    );
  });

  it('lacks an object, and has a budget that lets no pod go', async () => {
    const { namespace } = fleet;
    await namespace.kubectl(['delete', 'rolebinding', 'model-management-gateway']);
    const selector = { matchLabels: { app: 'ollama' } };
    await namespace.apply({
      apiVersion: 'policy/v1',
      kind: 'PodDisruptionBudget',
      metadata: { name: 'none' },
      spec: { maxUnavailable: 0, selector },
    });
    const report = await untilFound(
      fleet,
      'disruption budgets',
      /warning: none lets no pod go, though all 2 are well/,
      60,
    );
    expect(report.of('disruption budgets')).toMatch(/none and ollama-one are both for the same pods/);
    expect(report.of('objects')).toBe('problem: an object has been deleted: RoleBinding model-management-gateway');
  });

  it('has a server whose GPU does nothing, and one that waits for it', async () => {
    const { cluster } = fleet.namespace;
    await using _gpu = await offerFakeGpus(cluster, 1);
    await fleet.deploy(server('gpu', { resources: { ...cpu, gpu: 1 }, replicas: { min: 2, max: 2 } }));
    const report = await untilFound(
      fleet,
      'GPU use',
      /problem: ollama-gpu-\S+: gpu is not in the GPU that the pod has been given, but all on the CPU/,
    );
    expect(report.commands('GPU use')).toContain('--set servers.ollama-gpu.scheduling.runtimeClassName=nvidia');
    expect(report.of('GPUs')).toBe(
      'problem: ollama-gpu: all nvidia.com/gpu are taken: 1 × nvidia.com/gpu on 1 node; the pods of ollama-gpu ask for 2',
    );
    expect(report.findings.find(({ check }) => check === 'GPUs')!.why).toMatch(
      /^held by test-\w+\/ollama-gpu-\S+ \(1\)$/,
    );
  });
});
