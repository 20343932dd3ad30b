import { mkdtempDisposable, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import { testNamespace } from '../../ci/cluster/testing.ts';
import { defined } from '../../ci/testing/crds.ts';
import { testDigests } from '../../ci/testing/digests.ts';
import { previousRelease, previousServiceImage, previousValues } from '../../ci/testing/previous.ts';
import { root } from '../../ci/tools/paths.ts';
import { run } from '../../ci/tools/run.ts';
import { tool } from '../../ci/tools/tools.ts';
import { mergedValues } from '../../generator/environment.ts';
import { type Fleet, testFleet, tinyServer } from './fleet.ts';
import { load } from './load.ts';
import { chart, environments } from './render.ts';

/** Where upgrades have data to keep: a claim that the servers share. A server that pulls for itself is beside them. */
const values = mergedValues(
  tinyServer('one', { replicas: { min: 2, max: 3 }, cache: { mode: 'shared' } }),
  tinyServer('two', { replicas: { min: 2, max: 3 } }),
  {
    sharedCache: { size: '64Mi' },
    gateway: { replicas: { min: 2, max: 3 }, service: { sessionAffinitySeconds: 0 } },
  },
);

/** Waits until every Deployment has its pods, all of them of its last template, and no pod ends any more. */
async function settled({ namespace }: Fleet): Promise<void> {
  await namespace.until('every pod to be of the last template, and ready', 240, async () => {
    const [deployments, pods] = await Promise.all([namespace.list('deployments'), namespace.list('pods')]);
    return (
      pods.every(({ metadata }) => !metadata.deletionTimestamp) &&
      deployments.every(({ metadata: { generation }, spec, status }) => {
        const counts = [status.replicas, status.updatedReplicas, status.readyReplicas];
        return status.observedGeneration === generation && counts.every((count) => count === spec.replicas);
      })
    );
  });
}

/** The files of the shared claim with when each was last written, as a pod that has it sees them. */
async function sharedFiles(fleet: Fleet): Promise<string> {
  const [pod] = await fleet.pods('ollama-one');
  const list = ['find', '/models', '-type', 'f', '-path', '*/blobs/*', '-printf', '%i %T@ %s %p\\n'];
  const said = await fleet.namespace.kubectl(['exec', pod.metadata.name, '--container', 'ollama', '--', ...list]);
  return said.split('\n').sort().join('\n');
}

/** Takes out of a file of values what the previous chart knows nothing of. */
async function withoutImages(file: string): Promise<void> {
  const { images: _, ...values } = parse(await readFile(file, 'utf8'));
  await writeFile(file, stringify(values));
}

/** What an upgrade must keep: claims by their identity, what is in the shared one, digests of the models, the Service's address. */
async function kept(fleet: Fleet) {
  const address = await fleet.address();
  const tags = (await (await fetch(`${address}/api/tags`)).json()) as { models: { name: string; digest: string }[] };
  const claims = await fleet.namespace.list('persistentvolumeclaims', 'app.kubernetes.io/instance=fleet');
  const shared = claims.filter(({ metadata }) => !metadata.ownerReferences);
  return {
    address,
    claims: shared.map(({ metadata: { name, uid }, spec }) => [name, uid, spec.volumeName]),
    files: await sharedFiles(fleet),
    models: tags.models.map(({ name, digest }) => [name, digest]).sort(),
  };
}

it('upgrades the previous release to this one and back under load: no request fails, and nothing is pulled to the shared claim again', {
  timeout: 900_000,
}, async () => {
  await using fleet = await testFleet();
  const previous = await previousRelease();
  const image = await previousServiceImage(previous);
  await fleet.namespace.cluster.loadImages(image);
  const before = mergedValues(values, { image: { repository: image.repository, tag: image.tag } });
  const past = fleet.valuesFile(before);
  await withoutImages(past);
  await fleet.helm(['install', 'fleet', previous.chart, '--values', past]);
  await Promise.all([fleet.untilReady('ollama-one', 2, 180), fleet.untilReady('ollama-two', 2, 180)]);
  await fleet.untilGateway();
  const old = await kept(fleet);
  expect(old.models.length).toBe(2);
  expect(old.claims).toHaveLength(1);
  const images = async () => {
    const pods = await fleet.namespace.list('pods', 'app.kubernetes.io/instance=fleet');
    const of = pods.flatMap(({ spec }) => [...(spec.initContainers ?? []), ...spec.containers]);
    const service = (image: string) => image.includes('/model-management:');
    return [...new Set(of.map((container) => container.image).filter(service))];
  };

  const { stop, tally } = load(await fleet.address(), ['one', 'two', 'one', 'two']);
  const steps: Record<string, number> = {};
  const step = async (what: string, args: string[]) => {
    const [whole, start] = [tally.whole, performance.now()];
    await fleet.helm(args);
    await settled(fleet);
    steps[what] = Math.round((performance.now() - start) / 1000);
    await fleet.namespace.until(`more answers after: ${what}`, 60, async () => tally.whole >= whole + 8);
  };
  try {
    await step('upgrade', ['upgrade', 'fleet', chart, '--values', fleet.valuesFile(values)]);
    expect(await images()).not.toContain(image.reference);
    expect(await kept(fleet)).toEqual(old);
    await step('rollback', ['rollback', 'fleet', '1']);
    expect(await images()).toEqual([image.reference]);
    expect(await kept(fleet)).toEqual(old);
  } finally {
    await stop();
    console.log(`${tally.whole} answers, ${tally.lost.length} lost, seconds: ${JSON.stringify(steps)}`);
  }
  expect(tally.lost).toEqual([]);
});

// Installed by Helm 3 and upgraded by Helm 4 too: one writes by merging, the other by server-side apply.
it.each([
  ...environments.map((environment) => [environment, 'helm', 'helm'] as const),
  ['production', 'helm3', 'helm3'] as const,
  ['production', 'helm3', 'helm'] as const,
])(
  'the API server takes the upgrade of %s, installed by %s, by %s, and its rollback',
  async (environment, first, then) => {
    await using namespace = await testNamespace();
    const { cluster } = namespace;
    await using _definitions = await defined(cluster.kubectl, 'prometheus');
    // Objects alone are tried here: no pod may be made.
    const spec = { hard: { pods: '0' } };
    await namespace.apply({ apiVersion: 'v1', kind: 'ResourceQuota', metadata: { name: 'no-pods' }, spec });
    const previous = await previousRelease();
    await using folder = await mkdtempDisposable(path.join(tmpdir(), 'upgrade-'));
    const past = path.join(folder.path, 'values.yaml');
    await writeFile(past, await previousValues(previous, environment));
    const helm = async (name: 'helm' | 'helm3', ...args: string[]) =>
      run(await tool(name), ['--namespace', namespace.name, ...args], { env: cluster.env });
    const present = path.join(root, 'environments', environment, 'values.yaml');
    await helm(first, 'install', 'rel', previous.chart, '--values', past);
    const pinned = path.join(folder.path, 'digests.json');
    await writeFile(pinned, JSON.stringify(testDigests));
    await helm(then, 'upgrade', 'rel', chart, '--values', present, '--values', pinned);
    await helm(then, 'rollback', 'rel', '1');
    const history = JSON.parse(await helm(then, 'history', 'rel', '--output', 'json')) as { status: string }[];
    expect(history.map(({ status }) => status)).toEqual(['superseded', 'superseded', 'deployed']);
  },
);
