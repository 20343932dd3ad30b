import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import { expect, it } from 'vitest';
import { apiPort } from '../../ci/cluster/layout.ts';
import {
  type Namespace,
  restrictedContainer,
  restrictedPod,
  testCluster,
  testNamespace,
} from '../../ci/cluster/testing.ts';
import { EndpointWatch, type Timing } from './endpoints.ts';

/** As the chart labels the Services of servers. */
const labels = {
  'app.kubernetes.io/part-of': 'model-management',
  'app.kubernetes.io/component': 'server',
};

const role = {
  apiVersion: 'rbac.authorization.k8s.io/v1',
  kind: 'Role',
  metadata: { name: 'gateway' },
  rules: [{ apiGroups: ['discovery.k8s.io'], resources: ['endpointslices'], verbs: ['get', 'list', 'watch'] }],
};

/** A service account that may do nothing yet, and the binding to the Role above. */
const account = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'gateway' } };
const binding = {
  apiVersion: 'rbac.authorization.k8s.io/v1',
  kind: 'RoleBinding',
  metadata: { name: 'gateway' },
  roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'gateway' },
  subjects: [{ kind: 'ServiceAccount', name: 'gateway' }],
};

const service = (name: string, spec: object = {}) => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name, labels },
  spec: {
    ports: [
      { name: 'http', port: 80, targetPort: 'http' },
      { name: 'metrics', port: 9090 },
    ],
    ...spec,
  },
});

/** A slice that no controller looks after. */
const slice = (name: string, of: string, addresses: string[], more: object = labels) => ({
  apiVersion: 'discovery.k8s.io/v1',
  kind: 'EndpointSlice',
  metadata: { name, labels: { 'kubernetes.io/service-name': of, ...more } },
  addressType: 'IPv4',
  endpoints: addresses.map((address) => ({ addresses: [address], conditions: { ready: true } })),
  ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
});

interface Watched extends AsyncDisposable {
  watch: EndpointWatch;
  told: [string, string[]][];
  logged: { level: number; problem?: string }[];
}

/** Watches as the service account `gateway` of the namespace, by its token. */
async function watchAsGateway(
  namespace: Namespace,
  services: string[],
  timing: Partial<Timing> = {},
): Promise<Watched> {
  const { layout } = namespace.cluster.node;
  const folder = mkdtempSync(path.join(tmpdir(), 'endpoints-'));
  const tokenFile = path.join(folder, 'token');
  writeFileSync(tokenFile, await namespace.kubectl(['create', 'token', 'gateway']));
  const told: Watched['told'] = [];
  const logged: Watched['logged'] = [];
  const watch = new EndpointWatch({
    namespace: namespace.name,
    services: () => new Set(services),
    onChange: (name, urls) => told.push([name, urls]),
    log: pino({ level: 'info' }, { write: (line: string) => logged.push(JSON.parse(line)) }),
    api: {
      url: `https://${layout.nodeAddress}:${apiPort}`,
      tokenFile,
      caFile: path.join(layout.folder, 'pki/ca.crt'),
    },
    timing,
  });
  return {
    watch,
    told,
    logged,
    async [Symbol.asyncDispose]() {
      watch.close();
      rmSync(folder, { recursive: true });
    },
  };
}

it.concurrent('follows the pods of a Service with no right but to read EndpointSlices', async () => {
  await using namespace = await testNamespace();
  const { ollama } = await testCluster();
  const pod = (name: string) => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, labels: { server: 'one' } },
    spec: {
      terminationGracePeriodSeconds: 30,
      securityContext: restrictedPod,
      containers: [
        {
          name: 'stubborn',
          image: ollama.reference,
          // It goes on in spite of SIGTERM, as an agent does that lets its streams finish.
          command: ['sh', '-c', "trap '' TERM; while :; do sleep 1; done"],
          ports: [{ name: 'http', containerPort: 8080 }],
          securityContext: restrictedContainer,
        },
      ],
    },
  });
  await namespace.apply(account, role, binding, service('ollama-one', { selector: { server: 'one' } }));
  await using gateway = await watchAsGateway(namespace, ['ollama-one']);
  const { watch, told, logged } = gateway;
  await namespace.until('the first list', 30, async () => watch.known);
  expect(told).toEqual([['ollama-one', []]]);

  await namespace.apply(pod('a'), pod('b'));
  await namespace.until('two replicas', 60, async () => told.at(-1)?.[1].length === 2);
  const addresses = (await namespace.list('pods')).map(({ status }) => `http://${status.podIP}:8080`);
  expect(told.at(-1)).toEqual(['ollama-one', addresses.sort()]);

  const { podIP } = (await namespace.get('pod', 'a')).status;
  await namespace.kubectl(['delete', 'pod', 'a', '--wait=false']);
  await namespace.until('one replica', 30, async () => told.at(-1)?.[1].length === 1);
  expect(told.at(-1)![1]).not.toContain(`http://${podIP}:8080`);
  expect((await namespace.get('pod', 'a')).metadata.deletionTimestamp).toBeDefined();
  expect(logged.map(({ level }) => level)).toEqual([30]);
});

it.concurrent('follows a thousand replicas in slices that come, change and go, over watches that end', async () => {
  await using namespace = await testNamespace();
  await namespace.apply(account, role, binding, service('ollama-one'), service('ollama-two'));
  await using gateway = await watchAsGateway(namespace, ['ollama-one', 'ollama-two'], { watchSeconds: 2 });
  const { watch, told, logged } = gateway;
  const count = (name: string, replicas: number) =>
    namespace.until(`${replicas} replicas of ${name}`, 30, async () => watch.urlsOf(name).length === replicas);
  const addresses = (part: number) => Array.from({ length: 100 }, (_, n) => `10.1.${part}.${n}`);
  const parts = Array.from({ length: 10 }, (_, part) => slice(`one-${part}`, 'ollama-one', addresses(part)));

  await namespace.apply(
    ...parts,
    slice('stray', 'ollama-one', ['10.9.9.9'], { 'app.kubernetes.io/part-of': 'another' }),
  );
  await count('ollama-one', 1000);
  await sleep(3000);
  await namespace.apply(
    slice('one-0', 'ollama-one', ['10.1.0.5', '10.1.1.5']),
    slice('two', 'ollama-two', ['10.2.0.1']),
  );
  await count('ollama-one', 901);
  await count('ollama-two', 1);
  await sleep(3000);
  await namespace.kubectl(['delete', 'endpointslice', 'one-0', 'one-1', 'two']);
  await count('ollama-one', 800);
  await count('ollama-two', 0);
  expect(new Set(told.map(([name]) => name))).toEqual(new Set(['ollama-one', 'ollama-two']));
  expect(logged.map(({ level }) => level)).toEqual([30]);
});

it.concurrent('begins by itself once it is allowed to', async () => {
  await using namespace = await testNamespace();
  await namespace.apply(account, service('ollama-one'), slice('one', 'ollama-one', ['10.1.0.1']));
  await using gateway = await watchAsGateway(namespace, ['ollama-one']);
  const { watch, told, logged } = gateway;
  await namespace.until('the complaint', 30, async () => logged.length > 0);
  expect([watch.known, told]).toEqual([false, []]);
  expect(logged[0]!.problem).toMatch(/^403: .*endpointslices.discovery.k8s.io is forbidden/);
  await namespace.apply(role, binding);
  await namespace.until('the first list', 60, async () => watch.known);
  expect(told).toEqual([['ollama-one', ['http://10.1.0.1:8080']]]);
});
