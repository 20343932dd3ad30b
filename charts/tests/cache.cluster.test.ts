import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';
import { buildImage, type Image } from '../../ci/cluster/images.ts';
import { seed } from '../../ci/cluster/models.ts';
import { restrictedContainer, restrictedPod, testCluster } from '../../ci/cluster/testing.ts';
import { mergedValues } from '../../generator/environment.ts';
import { type Fleet, testFleet, tinyServer } from './fleet.ts';

it.concurrent('ephemeral: pulls to a claim of the pod, which goes with it', async () => {
  await using fleet = await testFleet();
  await fleet.deploy(tinyServer('one'));
  const [pod] = await fleet.untilReady('ollama-one');
  const log = await fleet.downloadLog(pod.metadata.name);
  expect(log).toMatch(/one: pulling registry\.internal:5000\/library\/tiny:latest \(attempt 1 of 5\)/);
  expect(log).toMatch(/one: pulled and verified by Ollama in \d+ s/);
  expect(log).toMatch(/one: one is on disk/);
  const [claim] = await fleet.namespace.list('persistentvolumeclaims');
  expect(claim.metadata.ownerReferences[0].name).toBe(pod.metadata.name);
});

it.concurrent('shared: one Job pulls for all, the pods wait for it and cannot write', async () => {
  await using fleet = await testFleet();
  const values = mergedValues(tinyServer('one'), tinyServer('two', { replicas: { min: 2, max: 2 } }), {
    serverDefaults: { cache: { mode: 'shared' } },
    sharedCache: { size: '64Mi' },
  });
  await fleet.deploy(values);
  const [one] = await fleet.untilReady('ollama-one');
  await Promise.all([fleet.untilReady('ollama-two', 2), fleet.untilGateway()]);
  expect(await fleet.downloadLog(one.metadata.name)).toMatch(/one: one is on disk/);
  expect(await fleet.namespace.list('persistentvolumeclaims')).toHaveLength(1);
  const [job] = await fleet.namespace.list('jobs');
  expect(job.status.succeeded).toBe(1);
  expect(await fleet.namespace.kubectl(['logs', `job/${job.metadata.name}`])).toMatch(/two: two is on disk/);
  const write = ['exec', one.metadata.name, '--container', 'ollama', '--', 'touch', '/models/x'];
  await expect(fleet.namespace.kubectl(write)).rejects.toThrow(/Read-only file system/);
  expect(await fleet.chat('two')).toBeGreaterThan(0);

  // Another model of the same server: another Job, that one server rolled, the others left alone.
  await fleet.deploy(mergedValues(values, { models: { two: { system: 'Again.' } } }));
  await fleet.namespace.until('the new pods of ollama-two', 120, async () => {
    const pods = await fleet.untilReady('ollama-two', 2);
    const specs = await fleet.namespace.kubectl([
      'exec',
      pods[0].metadata.name,
      '-c',
      'ollama',
      '--',
      'ollama',
      'show',
      'two',
      '--modelfile',
    ]);
    return specs.includes('Again.');
  });
  expect((await fleet.untilReady('ollama-one'))[0].metadata.uid).toBe(one.metadata.uid);
});

/** An image with the folder of an Ollama that has the tiny model under the name `one`. */
async function modelsImage(): Promise<Image> {
  const { models } = await seed();
  return buildImage({
    repository: 'model-management.local/models-one',
    sources: [models],
    context: (folder) => {
      const [from, to] = ['127.0.0.1:5000/library/tiny', 'registry.ollama.ai/library/one'];
      cpSync(path.join(models, 'blobs'), path.join(folder, 'models/blobs'), { recursive: true });
      mkdirSync(path.join(folder, 'models/manifests', to), { recursive: true });
      cpSync(path.join(models, 'manifests', from, 'latest'), path.join(folder, 'models/manifests', to, 'latest'));
      writeFileSync(path.join(folder, 'Dockerfile'), 'FROM scratch\nCOPY models /\n');
    },
  });
}

it.concurrent('image: mounts the models from an image, pulls nothing and needs no claim', async () => {
  await using fleet = await testFleet();
  const image = await modelsImage();
  await fleet.namespace.cluster.loadImages(image);
  const cache = { mode: 'image', image: { reference: image.reference } } as const;
  await fleet.deploy(mergedValues(tinyServer('one', { cache }), tinyServer('two', { cache })));
  const [one] = await fleet.untilReady('ollama-one');
  await fleet.untilGateway();
  expect(await fleet.downloadLog(one.metadata.name)).toMatch(/one: one is in the image/);
  expect(await fleet.chat('one')).toBeGreaterThan(0);
  expect(await fleet.namespace.list('persistentvolumeclaims')).toEqual([]);
  await untilSaid(fleet, 'ollama-two', /two: the image has no model two .*correct cache\.image\.reference/);
});

/** Waits until the model-downloader of a server says this in its log. */
async function untilSaid(fleet: Fleet, server: string, words: RegExp): Promise<void> {
  await fleet.namespace.until(`${words} in the log of the model-downloader of ${server}`, 120, async () => {
    const [pod] = await fleet.pods(server);
    // Between two attempts the kubelet has neither the log of the last one nor one of the next.
    return pod && words.test(await fleet.downloadLog(pod.metadata.name));
  });
}

it.concurrent('says in its log that there is no such model', async () => {
  await using fleet = await testFleet();
  await fleet.deploy(mergedValues(tinyServer('one'), { models: { one: { pull: 'nosuch:1b' } } }));
  await untilSaid(fleet, 'ollama-one', /pulling .*nosuch:1b failed: no such model: .*check models\.\*\.pull/);
});

it.concurrent('says in its log that there is no space', async () => {
  await using fleet = await testFleet();
  const { namespace } = fleet;
  const { ollama } = await testCluster();
  // A volume of exactly 1 MiB with so much on it that the tiny model's 0.4 MB do not fit beside it.
  const volumes = [{ name: 'data', persistentVolumeClaim: { claimName: 'full' } }];
  await namespace.apply(
    {
      apiVersion: 'v1',
      kind: 'PersistentVolumeClaim',
      metadata: { name: 'full' },
      spec: { storageClassName: 'sized', accessModes: ['ReadWriteMany'], resources: { requests: { storage: '1Mi' } } },
    },
    {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'filler' },
      spec: {
        restartPolicy: 'Never',
        securityContext: restrictedPod,
        volumes,
        containers: [
          {
            name: 'filler',
            image: ollama.reference,
            command: ['dd', 'if=/dev/zero', 'of=/data/filler', 'bs=1K', 'count=800'],
            securityContext: restrictedContainer,
            volumeMounts: [{ name: 'data', mountPath: '/data' }],
          },
        ],
      },
    },
  );
  await namespace.until(
    'the filler',
    60,
    async () => (await namespace.get('pod', 'filler')).status.phase === 'Succeeded',
  );
  await fleet.deploy(
    mergedValues(tinyServer('one'), {
      serverDefaults: { cache: { mode: 'shared' } },
      sharedCache: { existingClaim: 'full' },
    }),
  );
  const log = await namespace.until('a failed download', 120, async () => {
    const [job] = await namespace.list('jobs');
    const text = job ? await namespace.kubectl(['logs', `job/${job.metadata.name}`]).catch(() => '') : '';
    return text.includes('failed') ? text : undefined;
  });
  expect(log).toMatch(/failed: no space: the volume of \/models is full \(\S+ of \S+ left\): raise cache\.size/);
});

it.concurrent('says in its log that the digest is another', async () => {
  await using fleet = await testFleet();
  const digest = `sha256:${'0'.repeat(64)}`;
  await fleet.deploy(mergedValues(tinyServer('one'), { models: { one: { digest } } }));
  await untilSaid(fleet, 'ollama-one', /one: wrong digest: .*tiny:latest has the manifest sha256:[0-9a-f]{64}/);
});

it.concurrent('says in its log that the registry is out of reach, and goes on trying', async () => {
  await using fleet = await testFleet();
  await fleet.deploy(mergedValues(tinyServer('one'), { modelRegistry: { host: 'nowhere.invalid' } }));
  const log = await fleet.namespace.until('a second attempt', 90, async () => {
    const [pod] = await fleet.pods('ollama-one');
    const text = pod ? await fleet.downloadLog(pod.metadata.name) : '';
    return text.includes('attempt 2 of 5') ? text : undefined;
  });
  expect(log).toMatch(/failed: no route: the registry does not answer/);
  expect(log).toMatch(/trying again in 2 s; what has arrived is kept/);
  // A pod that is deleted in the middle of that ends at once, not after its grace period of a minute.
  const [pod] = await fleet.pods('ollama-one');
  const start = Date.now();
  await fleet.namespace.kubectl(['delete', 'pod', pod.metadata.name, '--timeout=60s']);
  expect(Date.now() - start).toBeLessThan(30_000);
});
