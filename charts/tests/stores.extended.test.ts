import { writeFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { azureAccount, startFakeAzure, startFakeGoogle } from '../../ci/cluster/fake-clouds.ts';
import { blobsPort, registryPort } from '../../ci/cluster/layout.ts';
import { startPolicyEngine } from '../../ci/cluster/policies.ts';
import { type Store, startS3 } from '../../ci/cluster/stores.ts';
import { type Namespace, testCluster, testNamespace } from '../../ci/cluster/testing.ts';
import { defined } from '../../ci/testing/crds.ts';
import { temporaryFolder } from '../../ci/testing/project.ts';
import { run } from '../../ci/tools/run.ts';
import { tool } from '../../ci/tools/tools.ts';
import type { ValuesOverrides } from '../../generator/environment.ts';
import {
  answersIn,
  backUp,
  copiedFleet,
  endOfBackup,
  keysOf,
  loadedRestic,
  restoreInto,
  startBackup,
} from './backups.ts';
import { testFleet } from './fleet.ts';

/** Objects of operators, of which the chart makes one each. */
const ofOperators: ValuesOverrides = {
  imagePullSecrets: ['ours'],
  externalSecrets: {
    enabled: true,
    secretStoreRef: { name: 'store' },
    imagePullSecrets: { ours: { key: 'registry' } },
  },
  ingress: {
    enabled: true,
    host: 'models.example.com',
    kind: 'httpRoute',
    gateway: { create: true, className: 'nobody' },
  },
};

/** The fake of Azure, with a name in a Service `blob` of the namespace that leads to it. */
async function azureIn(host: string, namespace: Namespace): Promise<Store> {
  const store = await startFakeAzure(host, `${namespace.name}.svc.cluster.local`);
  const ports = store.ports.map((port) => ({ port }));
  await namespace.apply(
    { apiVersion: 'v1', kind: 'Service', metadata: { name: 'blob' }, spec: { clusterIP: 'None', ports } },
    {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { name: 'blob', labels: { 'kubernetes.io/service-name': 'blob' } },
      addressType: 'IPv4',
      endpoints: [{ addresses: [host], hostname: azureAccount }],
      ports,
    },
  );
  return store;
}

/** The kinds of the objects in the last good copy, read from outside of the cluster. */
async function copiedKinds({ repository, credentials }: Store, password: string): Promise<Set<string>> {
  await using folder = await temporaryFolder();
  const file = `${folder.path}/ca.crt`;
  await writeFile(file, credentials.CA_CERT!);
  const env = {
    ...process.env,
    ...credentials,
    RESTIC_PASSWORD: password,
    RESTIC_CACERT: file,
    RESTIC_CACHE_DIR: folder.path,
  };
  const dump = ['--repo', repository, 'dump', '--no-lock', '--tag', 'verified', 'latest', '/backup/objects.json'];
  const objects: { kind: string }[] = JSON.parse(await run(await tool('restic'), dump, { env }));
  return new Set(objects.map(({ kind }) => kind));
}

it.each<[string, (host: string, namespace: Namespace) => Promise<Store>, boolean]>([
  ['S3, with the objects of operators', startS3, true],
  ['a fake of Google', startFakeGoogle, false],
  ['a fake of Azure', azureIn, false],
])(
  'backs up to %s and restores from it after all was lost, through policies that deny the rest, and names credentials that are refused',
  // A refusal alone takes two minutes.
  { timeout: 600_000 },
  async (_, start, withOperators) => {
    const restic = await loadedRestic();
    const cluster = await testCluster();
    const { hostAddress, nodeAddress } = cluster.node.layout;
    await using definitions = new AsyncDisposableStack();
    for (const name of withOperators ? (['gateway', 'external-secrets'] as const) : []) {
      definitions.use(await defined(cluster.kubectl, name));
    }
    await using _engine = await startPolicyEngine(cluster);
    await using names = await testNamespace();
    await using restored = await testNamespace();
    await using store = await start(hostAddress, names);
    const right = { RESTIC_PASSWORD: 'right', ...store.credentials };
    const networkPolicy = {
      enabled: true,
      denyNamespace: true,
      clients: { ingress: null, test: { addresses: [`${hostAddress}/32`, `${nodeAddress}/32`] } },
      // DNS and the registry are processes of the node, the store one of the host.
      dns: { addresses: [`${nodeAddress}/32`] },
      modelRegistry: { addresses: [`${nodeAddress}/32`], ports: [registryPort, blobsPort] },
      backupRepository: { addresses: [`${hostAddress}/32`], ports: store.ports },
    };
    let before: string[];
    let from: string;
    {
      await using fleet = await testFleet();
      const { namespace } = fleet;
      await namespace.apply(keysOf({ ...right, ...store.wrong }));
      const more = withOperators ? [ofOperators] : [];
      await fleet.deploy(copiedFleet(restic, { backup: { repository: store.repository }, networkPolicy }, ...more));
      await startBackup(fleet, 'refused');
      await Promise.all([fleet.untilReady('ollama-one'), fleet.untilReady('ollama-two'), fleet.untilGateway()]);
      before = await answersIn(namespace);
      const refused = await endOfBackup(fleet, 'refused');
      expect(refused.succeeded).toBe(false);
      expect(refused.log).toMatch(store.refusal);
      expect(refused.log).toContain('what restic asks it with is in the Secret repository-keys');

      await namespace.apply(keysOf(right));
      const made = await backUp(fleet, 'made');
      expect(made.log).toMatch(/1 copies take \d+ bytes/);
      expect(made.succeeded).toBe(true);
      from = namespace.name;
    }
    if (withOperators) {
      const kinds = await copiedKinds(store, 'right');
      expect([...kinds]).toEqual(expect.arrayContaining(['ExternalSecret', 'Gateway', 'HTTPRoute', 'NetworkPolicy']));
      expect(kinds).not.toContain('Secret');
    }
    await restored.apply(keysOf(right));
    await restoreInto(restored, from, restic, '--repository', store.repository);
    expect(await answersIn(restored)).toEqual(before);
  },
);
