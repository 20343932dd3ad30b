// npm run restore -- --release NAME --namespace NS --secret NAME [--from NS/RELEASE] [--repository ADDRESS | --claim NAME]
//                    [--snapshot ID] [--context NAME | --name NAME] [--image IMAGE] [--values FILE]… [--timeout SECONDS]
//
// Installs a release anew from the last good copy, or from another: its values, with every model at the digest that it had, and the
// models on the shared claim that cannot be pulled. The namespace is made if it is not there; the Secret with RESTIC_PASSWORD has to be.
import { mkdtempDisposable, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { parse } from 'yaml';
import type { Values } from '../../schema/values.ts';
import type { ListedModel } from '../../service/backup/collect.ts';
import { type Access, accessTo, ensureNamespace } from '../cluster/release.ts';
import { restrictedContainer, restrictedPod } from '../cluster/restricted.ts';
import { wayTo } from '../doctor/way.ts';
import { clientEnvironment } from '../tools/clients.ts';
import { columns } from '../tools/columns.ts';
import { root } from '../tools/paths.ts';
import { duration, say } from '../tools/progress.ts';
import { run } from '../tools/run.ts';
import { pinned, withRemovals } from './restored-values.ts';

const usage =
  'usage: npm run restore -- --release NAME --namespace NS --secret NAME [--from NS/RELEASE] [--repository ADDRESS | --claim NAME] ' +
  '[--snapshot ID] [--context NAME | --name NAME] [--image IMAGE] [--values FILE]… [--timeout SECONDS]';

interface Asked {
  release: string;
  namespace: string;
  secret: string;
  /** Host of the copies, as restic calls it: NAMESPACE/RELEASE. */
  from: string;
  repository: string | undefined;
  claim: string;
  snapshot: string;
  context: string | undefined;
  name: string;
  image: string;
  values: string[];
  seconds: number;
}

/** Throws an Error that says what is wrong with the command line. */
function asked(args: string[]): Asked {
  const text = { type: 'string' } as const;
  const { values } = parseArgs({
    args,
    options: {
      ...{ release: text, namespace: text, secret: text, from: text, repository: text, claim: text, context: text },
      snapshot: { ...text, default: 'latest' },
      name: { ...text, default: 'local' },
      image: { ...text, default: 'restic/restic:0.18.1' },
      values: { ...text, multiple: true, default: [] },
      timeout: { ...text, default: '3600' },
    },
  });
  const needed = (option: 'release' | 'namespace' | 'secret') => {
    const value = values[option];
    if (!value) throw new Error(`--${option}: missing: ${usage}`);
    return value;
  };
  const [release, namespace, secret] = [needed('release'), needed('namespace'), needed('secret')];
  const seconds = Number(values.timeout);
  if (!(seconds > 0)) throw new Error(`--timeout ${values.timeout}: is no number of seconds: write one`);
  return {
    ...{ release, namespace, secret, seconds, repository: values.repository, context: values.context },
    from: values.from ?? `${namespace}/${release}`,
    claim: values.claim ?? 'model-management-backup',
    snapshot: values.snapshot,
    ...{ name: values.name, image: values.image, values: values.values },
  };
}

/** kubectl and Helm in the namespace of the release. */
class Place {
  readonly namespace: string;
  readonly access: Access;

  constructor(access: Access, namespace: string) {
    this.access = access;
    this.namespace = namespace;
  }

  kubectl(args: string[], input?: string): Promise<string> {
    const options = { env: this.access.env, ...(input !== undefined && { input }) };
    return run('kubectl', [...this.access.kubectl, '--namespace', this.namespace, ...args], options);
  }

  helm(args: string[]): Promise<string> {
    const where = [...this.access.helm, '--namespace', this.namespace];
    return run('helm', [...where, ...args], { env: this.access.env, cwd: root });
  }
}

interface Volume {
  name: string;
  claim: string;
  path: string;
}

/** Runs a script beside the repository in a pod of its own, and gives back what it printed; takes the pod away again. */
async function inPod(place: Place, what: Asked, script: string, volumes: Volume[] = []): Promise<string> {
  const all = what.repository ? volumes : [...volumes, { name: 'repository', claim: what.claim, path: '/repository' }];
  const env = {
    RESTIC_REPOSITORY: what.repository ?? '/repository',
    RESTIC_CACHE_DIR: '/tmp/restic',
    FROM: what.from,
    SNAPSHOT: what.snapshot,
  };
  const pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      generateName: 'restore-',
      // Those of a backup's pods: policies that deny everything to everybody let these reach the repository.
      labels: {
        'app.kubernetes.io/name': 'model-management',
        'app.kubernetes.io/instance': what.release,
        'app.kubernetes.io/component': 'backup',
      },
    },
    spec: {
      restartPolicy: 'Never',
      automountServiceAccountToken: false,
      securityContext: { ...restrictedPod, runAsGroup: restrictedPod.runAsUser },
      containers: [
        {
          name: 'restic',
          image: what.image,
          command: ['/bin/sh', '-c', script],
          envFrom: [{ secretRef: { name: what.secret } }],
          env: Object.entries(env).map(([name, value]) => ({ name, value })),
          resources: { requests: { cpu: '100m', memory: '256Mi' }, limits: { memory: '512Mi' } },
          securityContext: { ...restrictedContainer, readOnlyRootFilesystem: true },
          volumeMounts: [
            { name: 'tmp', mountPath: '/tmp' },
            { name: 'secret', mountPath: '/etc/restic', readOnly: true },
            ...all.map(({ name, path }) => ({ name, mountPath: path })),
          ],
        },
      ],
      volumes: [
        { name: 'tmp', emptyDir: {} },
        { name: 'secret', secret: { secretName: what.secret } },
        ...all.map(({ name, claim }) => ({ name, persistentVolumeClaim: { claimName: claim } })),
      ],
    },
  };
  const name = await place.kubectl(
    ['create', '--filename', '-', '--output', 'jsonpath={.metadata.name}'],
    JSON.stringify(pod),
  );
  try {
    for (const deadline = Date.now() + what.seconds * 1000; ; await sleep(500)) {
      const { phase, containerStatuses } = JSON.parse(
        await place.kubectl(['get', 'pod', name, '--output', 'json']),
      ).status;
      const log = () => place.kubectl(['logs', name]);
      if (phase === 'Succeeded') return await log();
      if (phase === 'Failed') throw new Error((await log()).split('\n').slice(-3).join(' '));
      const waiting = containerStatuses?.[0]?.state?.waiting;
      if (/Image|Config|Invalid/.test(waiting?.reason ?? '')) throw new Error(`${waiting.reason}: ${waiting.message}`);
      if (Date.now() > deadline)
        throw new Error(`pod ${name} did not end within ${what.seconds} s: kubectl describe it`);
    }
  } finally {
    await place.kubectl(['delete', 'pod', name, '--wait=false']);
  }
}

const picked = '--host "$FROM" --tag verified "$SNAPSHOT"';
const parts = ['values.json', 'release.json', 'models.json'] as const;

/** What the copy says, and whether it has files of models. */
async function readCopy(place: Place, what: Asked) {
  const dumps = parts.map(
    (file) => `echo; echo "== ${file}"; restic dump --quiet --no-lock ${picked} /backup/${file} || exit 1`,
  );
  const files = `echo; echo "== files"; restic ls --quiet --no-lock ${picked} /models | grep -c ^/models/ || true`;
  const text = await inPod(place, what, [...dumps, files].join('\n'));
  const [, ...sections] = text.split(/^== (\S+)$/m);
  const part = (name: string) => {
    const at = sections.indexOf(name);
    if (at < 0) throw new Error(`the copy has no ${name}: ${text.slice(0, 200)}`);
    return sections[at + 1]!.trim();
  };
  return {
    values: JSON.parse(part('values.json')) as Values,
    release: JSON.parse(part('release.json')) as { chart: string; secrets: string[] },
    models: JSON.parse(part('models.json')) as ListedModel[],
    hasModels: Number(part('files')) > 0,
  };
}

async function restore(what: Asked): Promise<boolean> {
  const start = performance.now();
  const step = (text: string) => say(`restore: ${text} (${duration(performance.now() - start)})`);
  const way = await wayTo(what.context, what.name);
  const env = way.kubeconfig ? way.env : await clientEnvironment('kubectl', 'helm');
  const place = new Place(accessTo(env, way.context), what.namespace);
  await ensureNamespace(place.access, what.namespace);
  const copy = await readCopy(place, what);
  step(`read the copy of ${what.from}, by chart ${copy.release.chart}`);
  const there = (await place.kubectl(['get', 'secrets', '--output', 'jsonpath={.items[*].metadata.name}'])).split(' ');
  const missing = copy.release.secrets.filter((name) => !there.includes(name));
  if (missing.length > 0) say(`restore: not there yet, and in no copy: the Secret(s) ${missing.join(', ')}`);

  await using folder = await mkdtempDisposable(path.join(tmpdir(), 'model-management-restore-'));
  const file = path.join(folder.path, 'values.json');
  const chart = async (name: string) => parse(await readFile(path.join(root, 'charts', name), 'utf8'));
  const values = pinned(copy.values, copy.models);
  await writeFile(
    file,
    JSON.stringify(withRemovals(values, await chart('values.yaml'), await chart('values.schema.json'))),
  );
  const files = [file, ...what.values.map((each) => path.resolve(each))].flatMap((each) => ['--values', each]);
  await place.helm(['upgrade', '--install', what.release, path.join(root, 'charts'), ...files]);
  step('the release is installed');
  const selector = ['--selector', `app.kubernetes.io/instance=${what.release}`];
  if (copy.hasModels) {
    const claim = copy.values.sharedCache.existingClaim || `${copy.values.namePrefix}model-management-models`;
    const pullers = ['--selector', `app.kubernetes.io/instance=${what.release},app.kubernetes.io/component=puller`];
    await place.kubectl(['wait', 'job', ...pullers, '--for=condition=complete', `--timeout=${what.seconds}s`]);
    const script = `restic restore --quiet --no-lock --overwrite if-changed --include /models --target / ${picked} || exit 1`;
    await inPod(place, what, script, [{ name: 'models', claim, path: '/models' }]);
    step('the models that cannot be pulled are back');
  }
  const deployments = await place.kubectl(['get', 'deployments', ...selector, '--output', 'name']);
  for (const deployment of deployments.split('\n')) {
    await place.kubectl(['rollout', 'status', deployment, `--timeout=${what.seconds}s`]);
    step(`${deployment.replace(/^.*\//, '')} is ready`);
  }
  return compare(place, copy.models);
}

/** Says of every model whether it is the one that it was. */
async function compare(place: Place, before: readonly ListedModel[]): Promise<boolean> {
  const rows: string[][] = [];
  for (const server of new Set(before.map((each) => each.server))) {
    const url = `/api/v1/namespaces/${place.namespace}/services/${server}:http/proxy/api/tags`;
    const answer = await place.kubectl(['get', '--raw', url]).catch(() => '{"models": []}');
    const now = new Map(
      (JSON.parse(answer).models as { name: string; digest: string }[]).map(({ name, digest }) => [name, digest]),
    );
    for (const { name, digest } of before.filter((each) => each.server === server && each.digest !== undefined)) {
      const verdict = now.get(name) === digest ? 'the same' : now.has(name) ? 'ANOTHER' : 'MISSING';
      rows.push([server, name, digest!.slice(0, 12), now.get(name)?.slice(0, 12) ?? '', verdict]);
    }
  }
  for (const line of columns([['SERVER', 'MODEL', 'WAS', 'IS', ''], ...rows])) console.log(line);
  return rows.every((row) => row[4] === 'the same');
}

if (import.meta.main) {
  try {
    if (!(await restore(asked(process.argv.slice(2))))) process.exitCode = 1;
  } catch (error) {
    const { message, code } = error as NodeJS.ErrnoException;
    console.error(`restore: ${message}${code?.startsWith('ERR_PARSE_ARGS') ? `\n${usage}` : ''}`);
    process.exitCode = 1;
  }
}
