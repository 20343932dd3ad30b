import { hash } from 'node:crypto';
import path from 'node:path';
import { expect, it } from 'vitest';
import type { Resource } from '../../ci/cluster/testing.ts';
import { root } from '../../ci/tools/paths.ts';
import { toolEnvironment } from '../../ci/tools/tools.ts';
import { mergeValues, type ValuesOverrides } from '../../generator/environment.ts';
import { type Fleet, testFleet, tinyServer } from './fleet.ts';

const both = mergeValues(tinyServer('one'), tinyServer('two')) as ValuesOverrides;

/** Identities of the pods of all servers and the gateway: they change when one is restarted. */
async function identities({ namespace }: Fleet): Promise<Record<string, string>> {
  const pods = (await namespace.list('pods')).filter((pod) => !pod.metadata.deletionTimestamp);
  return Object.fromEntries(
    pods.map((pod: Resource) => {
      const { labels, uid } = pod.metadata;
      const restarts = (pod.status.containerStatuses ?? []).map((status: Resource) => status.restartCount).join();
      return [
        labels['model-management.fineprint.ai/server'] ?? labels['app.kubernetes.io/component'],
        `${uid} ${restarts}`,
      ];
    }),
  );
}

/** What `helm diff upgrade` says would change: the kinds and names, sorted. */
async function diff(fleet: Fleet, values: ValuesOverrides): Promise<{ objects: string[]; text: string }> {
  const plugins = (await toolEnvironment('helm3')).HELM_PLUGINS;
  const env = { ...fleet.namespace.cluster.env, HELM_PLUGINS: plugins, HELM_DIFF_COLOR: 'false' };
  const args = ['diff', 'upgrade', 'fleet', path.join(root, 'charts'), '--disable-validation', '--no-color'];
  const text = await fleet.helm([...args, '--values', fleet.valuesFile(values)], { env });
  const objects = [...text.matchAll(/^\S+, (\S+), (\S+) \(\S+\) has/gm)].map(([, name, kind]) => `${kind} ${name}`);
  return { objects: objects.sort(), text };
}

it.concurrent('installs and answers; changes exactly what is asked, as helm diff foretells; rolls back; leaves nothing', async () => {
  await using fleet = await testFleet();
  const { namespace } = fleet;
  await fleet.deploy(both);
  await Promise.all([fleet.untilReady('ollama-one'), fleet.untilReady('ollama-two'), fleet.untilGateway()]);
  expect(await fleet.chat('one')).toBeGreaterThan(0);
  expect(await fleet.chat('two')).toBeGreaterThan(0);
  await expect(fleet.chat('three')).rejects.toThrow(/404.*three.*not found/);
  expect(await namespace.kubectl(['logs', 'deployment/model-management-gateway'])).toContain(
    'watching the EndpointSlices',
  );

  expect((await diff(fleet, both)).objects).toEqual([]);

  const changed = mergeValues(both, { models: { two: { system: 'You answer in verse.' } } }) as ValuesOverrides;
  const foretold = await diff(fleet, changed);
  expect(foretold.objects).toEqual(['ConfigMap ollama-two', 'Deployment ollama-two']);
  expect(foretold.text).toContain('+     SYSTEM """You answer in verse."""');

  const before = await identities(fleet);
  await fleet.deploy(changed);
  await namespace.until('the new pod of ollama-two alone', 120, async () => {
    const [pod, ...more] = await fleet.untilReady('ollama-two');
    return more.length === 0 && pod.metadata.uid !== before['ollama-two']!.split(' ')[0];
  });
  const after = await identities(fleet);
  expect(after).toEqual({ ...before, 'ollama-two': after['ollama-two'] });
  expect(await fleet.chat('two')).toBeGreaterThan(0);

  await fleet.helm(['rollback', 'fleet', '1']);
  await namespace.until('the old model', 120, async () => {
    const [pod] = await fleet.untilReady('ollama-two');
    return pod.metadata.uid !== after['ollama-two']!.split(' ')[0];
  });
  expect((await diff(fleet, both)).objects).toEqual([]);
  expect((await identities(fleet))['ollama-one']).toBe(before['ollama-one']);

  await fleet.helm(['uninstall', 'fleet', '--wait', '--timeout', '3m']);
  // What the namespace has of its own, and the claims that go with their pods.
  const ours =
    'all,configmaps,serviceaccounts,persistentvolumeclaims,poddisruptionbudgets,ingresses,resourcequotas,limitranges,horizontalpodautoscalers,secrets,roles,rolebindings';
  await namespace.until('an empty namespace', 60, async () => {
    const left = await namespace.kubectl(['get', ours, '--output', 'name', '--ignore-not-found']);
    return left.split('\n').filter(Boolean).sort().join() === 'configmap/kube-root-ca.crt,serviceaccount/default';
  });
});

it.concurrent('routes a model and takes an API key that are added to the gateway that runs already', async () => {
  await using fleet = await testFleet();
  const { namespace } = fleet;
  const apiKeys = { gateway: { apiKeys: { enabled: true, existingSecret: 'keys-of-clients' } } };
  const allow = (...keys: string[]) => {
    const entries = keys.map((key) => ({ name: `holder-of-${key}`, sha256: hash('sha256', key) }));
    const stringData = { 'keys.json': JSON.stringify({ keys: entries }) };
    return namespace.apply({ apiVersion: 'v1', kind: 'Secret', metadata: { name: 'keys-of-clients' }, stringData });
  };
  await allow('first', 'steady');
  await fleet.deploy(mergeValues(tinyServer('one'), apiKeys) as ValuesOverrides);
  await Promise.all([fleet.untilReady('ollama-one'), fleet.untilGateway()]);
  await expect(fleet.chat('one')).rejects.toThrow(/401/);
  await expect(fleet.chat('one', 'second')).rejects.toThrow(/401/);
  expect(await fleet.chat('one', 'first')).toBeGreaterThan(0);
  await expect(fleet.chat('two', 'first')).rejects.toThrow(/404/);

  const before = await identities(fleet);
  await Promise.all([allow('second', 'steady'), fleet.deploy(mergeValues(both, apiKeys) as ValuesOverrides)]);
  await fleet.untilReady('ollama-two');
  await namespace.until('an answer of the new model to the new key', 120, async () => {
    // Who has another key notices nothing of it.
    expect(await fleet.chat('one', 'steady')).toBeGreaterThan(0);
    return fleet.chat('two', 'second').catch(() => undefined);
  });
  await expect(fleet.chat('two', 'first')).rejects.toThrow(/401/);
  expect(await identities(fleet)).toMatchObject(before);
});

it.concurrent('keeps serving while a server is rolled: no request fails', async () => {
  await using fleet = await testFleet();
  await fleet.deploy(tinyServer('one'));
  const [old] = await fleet.untilReady('ollama-one');
  await fleet.untilGateway();
  const failures: string[] = [];
  let answered = 0;
  let rolling = true;
  const client = async () => {
    // Bounded in count as well as by the rollout's end.
    for (let count = 0; rolling && count < 2000; count++) {
      await fleet.chat('one').then(
        () => answered++,
        (error: Error) => failures.push(error.message),
      );
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  };
  const clients = [client(), client()];
  try {
    await fleet.deploy(mergeValues(tinyServer('one'), { models: { one: { system: 'Again.' } } }) as ValuesOverrides);
    await fleet.namespace.until('the old pod to be gone', 150, async () => {
      const pods = await fleet.namespace.list('pods', 'model-management.fineprint.ai/server=ollama-one');
      return pods.every((pod) => pod.metadata.uid !== old.metadata.uid);
    });
  } finally {
    rolling = false;
    await Promise.all(clients);
  }
  expect(failures).toEqual([]);
  expect(answered).toBeGreaterThan(10);
});

it.concurrent('rolls a server at its maximum to smaller pods, within the quota', async () => {
  await using fleet = await testFleet();
  const sized = (cpu: string) => tinyServer('one', { resources: { cpu }, replicas: { min: 1, max: 1 } });
  await fleet.deploy(sized('400m'));
  const [old] = await fleet.untilReady('ollama-one');
  await fleet.deploy(sized('200m'));
  await fleet.namespace.until('the smaller pod', 120, async () => {
    const [pod, ...more] = await fleet.untilReady('ollama-one');
    return more.length === 0 && pod.metadata.uid !== old.metadata.uid;
  });
});
