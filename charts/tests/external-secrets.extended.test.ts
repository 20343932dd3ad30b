import { hash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, it } from 'vitest';
import { startExternalSecrets } from '../../ci/cluster/external-secrets.ts';
import { apiPort } from '../../ci/cluster/layout.ts';
import { defined } from '../../ci/testing/crds.ts';
import { mergeValues, type ValuesOverrides } from '../../generator/environment.ts';
import { testFleet, tinyServer } from './fleet.ts';

it('a key that is changed in the store is the one that is let in, without a restart', async () => {
  await using fleet = await testFleet();
  const { namespace } = fleet;
  const { cluster } = namespace;
  const { layout } = cluster.node;
  await using _definitions = await defined(cluster.kubectl, 'external-secrets-operator');
  await using _operator = await startExternalSecrets(cluster, namespace.name);
  // The store is a Secret of another name, which the provider `kubernetes` reads as an account that may read that alone.
  const store = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'store' } };
  const role = { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'store' };
  const caBundle = (await readFile(path.join(layout.folder, 'pki/ca.crt'))).toString('base64');
  await namespace.apply(
    store,
    {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'Role',
      metadata: { name: 'store' },
      rules: [{ apiGroups: [''], resources: ['secrets'], resourceNames: ['stored'], verbs: ['get'] }],
    },
    {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'RoleBinding',
      metadata: { name: 'store' },
      roleRef: role,
      subjects: [{ kind: 'ServiceAccount', name: 'store', namespace: namespace.name }],
    },
    {
      apiVersion: 'external-secrets.io/v1',
      kind: 'SecretStore',
      metadata: { name: 'store' },
      spec: {
        provider: {
          kubernetes: {
            remoteNamespace: namespace.name,
            server: { url: `https://${layout.nodeAddress}:${apiPort}`, caBundle },
            auth: { serviceAccount: { name: 'store' } },
          },
        },
      },
    },
  );
  const keep = (...keys: string[]) => {
    const entries = keys.map((key) => ({ name: `holder-of-${key}`, sha256: hash('sha256', key) }));
    const stringData = { clients: JSON.stringify({ keys: entries }) };
    return namespace.apply({ apiVersion: 'v1', kind: 'Secret', metadata: { name: 'stored' }, stringData });
  };
  await keep('steady', 'first');
  const values = {
    gateway: { apiKeys: { enabled: true, existingSecret: 'keys-of-clients' } },
    externalSecrets: {
      enabled: true,
      secretStoreRef: { name: 'store' },
      refreshSeconds: 2,
      apiKeys: { key: 'stored', property: 'clients' },
    },
  };
  await fleet.deploy(mergeValues(tinyServer('one'), values) as ValuesOverrides);
  await Promise.all([fleet.untilReady('ollama-one'), fleet.untilGateway()]);
  expect(await fleet.chat('one', 'first')).toBeGreaterThan(0);
  await expect(fleet.chat('one', 'second')).rejects.toThrow(/401/);

  const pods = async () =>
    (await namespace.list('pods')).map(({ metadata, status }) => [
      metadata.uid,
      ...status.containerStatuses.map(({ restartCount }: { restartCount: number }) => restartCount),
    ]);
  const before = await pods();
  await keep('steady', 'second');
  let asked = 0;
  await namespace.until('an answer to the new key', 180, async () => {
    // Who has another key notices nothing.
    expect(await fleet.chat('one', 'steady')).toBeGreaterThan(0);
    asked += 1;
    return fleet.chat('one', 'second').catch(() => undefined);
  });
  await expect(fleet.chat('one', 'first')).rejects.toThrow(/401/);
  expect(asked).toBeGreaterThan(1);
  expect(await pods()).toEqual(before);
});
