import { expect, it } from 'vitest';
import { testNamespace } from '../../ci/cluster/testing.ts';
import { defined } from '../../ci/testing/crds.ts';
import { output } from '../../ci/tools/run.ts';
import { tool } from '../../ci/tools/tools.ts';
import { environments, fleet, model, render } from './render.ts';

const everything = {
  serverDefaults: {
    scheduling: {
      nodeSelector: { 'nvidia.com/gpu.product': 'NVIDIA-L4' },
      tolerations: [{ key: 'nvidia.com/gpu', operator: 'Exists', effect: 'NoSchedule' }],
      priorityClassName: 'system-node-critical',
    },
    ollama: { extraEnv: { OLLAMA_DEBUG: '1' } },
  },
  commonLabels: { team: 'models' },
  imagePullSecrets: ['registry'],
  modelRegistry: { host: 'mirror.example.com:5000', insecure: true, httpsProxy: 'http://proxy.example.com:3128' },
  ingress: {
    enabled: true,
    annotations: { 'example.com/note': 'yes' },
    tls: { redirect: 'always', issuer: 'ours' },
    rateLimit: { requestsPerSecond: 5, connections: 9, exempt: ['10.0.0.0/8'] },
    oauth2Proxy: {
      enabled: true,
      url: 'http://oauth2-proxy.auth.svc/oauth2/auth',
      signinUrl: 'https://auth.example.com/oauth2/start',
    },
  },
  networkPolicy: {
    clients: { other: { namespaceLabels: { team: 'models' }, addresses: ['public', 'fd00::/8'] } },
    httpsProxy: { addresses: ['10.1.2.3/32'] },
    modelRegistry: { ports: [443, 5000] },
  },
  userNamespaces: { enabled: true },
  gateway: { apiKeys: { enabled: true, existingSecret: 'keys' } },
};
const toNone = {
  servers: { 'ollama-llama': { replicas: { min: 0 } } },
  serverDefaults: { autoscaling: { alsoCpu: true } },
};
const image = {
  serverDefaults: {
    cache: { mode: 'image', image: { reference: `registry.example.com/models@sha256:${'4'.repeat(64)}` } },
  },
};

/** A server in every mode that GPUs have, two of which share one by priority; and pods that never run on spot nodes. */
const placed = (rest: object = {}) => {
  const servers = ['exclusive', 'shared', 'timeSlicing', 'mps', 'mig', 'dra', 'hami'].map((mode) => [
    mode.toLowerCase(),
    {
      models: mode === 'shared' ? ['shared', 'other'] : [mode.toLowerCase()],
      gpu: { mode, hami: { cores: 30 } },
      resources: { gpu: 1, gpuMemoryMiB: 8192 },
    },
  ]);
  return fleet(
    {
      ...Object.fromEntries(servers),
      cpu: { replicas: { min: 2, max: 4, onDemand: 1 }, scheduling: { capacity: 'preferSpot' } },
    },
    { timeslicing: model('timeslicing', { memoryMiB: 4096 }) },
    rest,
  );
};
const scheduling = { pack: true, spread: true, schedulerName: 'packing', capacity: 'onDemand' };

it.each([
  ['the defaults', {}, undefined],
  ['every mode of GPUs', placed(), undefined],
  [
    'every mode of GPUs, packed, spread and on spot nodes',
    placed({ serverDefaults: { scheduling: { pack: true, spread: true, capacity: 'preferSpot' } } }),
    undefined,
  ],
  ['a gateway on demand with a scheduler of its own', { gateway: { scheduling } }, undefined],
  ...environments.map((name) => [name, {}, name] as const),
  ['production with every switch on', everything, 'production'],
  ['production on an HPA with CPU beside demand, down to none', toNone, 'production'],
  ['production with a shared cache', { serverDefaults: { cache: { mode: 'shared' } } }, 'production'],
  ['production with image volumes', image, 'production'],
] as const)('the API server takes every object of %s, without a warning', async (_, values, environment) => {
  await using namespace = await testNamespace();
  await using _definitions = await defined(namespace.cluster.kubectl, 'prometheus');
  const rendered = await render(values, { namespace: namespace.name, ...(environment && { environment }) });
  // Pod security judges pods: what a Deployment would make is only tried when it makes it.
  const pods = Object.entries(rendered.podTemplates).map(([name, { metadata, spec }]) => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { ...metadata, name, namespace: namespace.name },
    // As the service account admission would have it: the real one is not there in a dry run.
    spec: { ...spec, serviceAccountName: 'default' },
  }));
  expect(pods.length).toBeGreaterThan(1);
  const { env } = namespace.cluster;
  const apply = ['apply', '--server-side', '--dry-run=server', '--output', 'name', '--filename', '-'];
  const list = (items: object[]) => JSON.stringify({ apiVersion: 'v1', kind: 'List', items });
  for (const objects of [rendered.objects, pods]) {
    const { status, stdout, stderr } = await output(await tool('kubectl'), apply, { env, input: list(objects) });
    expect(stderr).toBe('');
    expect(status).toBe(0);
    expect(stdout.trim().split('\n')).toHaveLength(objects.length);
  }
});

it('the API server takes the InferencePool of each server as it is, by the CRD of the extension', async () => {
  await using namespace = await testNamespace();
  await using _definitions = await defined(namespace.cluster.kubectl, 'inference');
  const rendered = await render({ inferencePool: { enabled: true } }, { namespace: namespace.name });
  const pools = rendered.all('InferencePool');
  expect(pools).toHaveLength(7);
  await namespace.apply(...pools);
  const taken = await namespace.list('inferencepools.inference.networking.k8s.io');
  const specs = (objects: typeof pools) =>
    Object.fromEntries(objects.map(({ metadata, spec }) => [metadata.name, spec]));
  // Whatever the CRD did not know would be gone. It fills in the group of a Service, which is the empty one.
  for (const { spec } of taken) delete spec.endpointPickerRef.group;
  expect(specs(taken)).toEqual(specs(pools));
});

it('the API server takes the CiliumNetworkPolicies as they are, by the CRD of Cilium', async () => {
  await using namespace = await testNamespace();
  await using _definitions = await defined(namespace.cluster.kubectl, 'cilium');
  const networkPolicy = { enabled: true, engine: 'cilium' };
  const rendered = await render({ networkPolicy }, { environment: 'production', namespace: namespace.name });
  const policies = rendered.all('CiliumNetworkPolicy');
  expect(policies).toHaveLength(3);
  await namespace.apply(...policies);
  const taken = await namespace.list('ciliumnetworkpolicies.cilium.io');
  const specs = (all: typeof policies) => Object.fromEntries(all.map(({ metadata, spec }) => [metadata.name, spec]));
  expect(specs(taken)).toEqual(specs(policies));
});

it('the API server takes the ScaledObject of each server as it is, by the CRD of KEDA', async () => {
  await using namespace = await testNamespace();
  await using _definitions = await defined(namespace.cluster.kubectl, 'keda');
  const autoscaling = { engine: 'keda', prometheusUrl: 'http://prometheus.monitoring:9090' };
  const values = { autoscaling, serverDefaults: { autoscaling: { alsoCpu: true } } };
  const rendered = await render(values, { environment: 'production', namespace: namespace.name });
  const objects = rendered.all('ScaledObject');
  expect(objects).toHaveLength(7);
  await namespace.apply(...objects);
  const taken = await namespace.list('scaledobjects.keda.sh');
  const specs = (all: typeof objects) => Object.fromEntries(all.map(({ metadata, spec }) => [metadata.name, spec]));
  expect(specs(taken)).toEqual(specs(objects));
});

it('the API server takes the VerticalPodAutoscaler of each server without GPUs as it is, by its CRD', async () => {
  await using namespace = await testNamespace();
  await using _definitions = await defined(namespace.cluster.kubectl, 'vertical-pod-autoscaler');
  const values = { autoscaling: { recommendations: true } };
  const objects = (await render(values, { environment: 'production', namespace: namespace.name })).all(
    'VerticalPodAutoscaler',
  );
  expect(objects).toHaveLength(4);
  await namespace.apply(...objects);
  const taken = await namespace.list('verticalpodautoscalers.autoscaling.k8s.io');
  const specs = (all: typeof objects) => Object.fromEntries(all.map(({ metadata, spec }) => [metadata.name, spec]));
  expect(specs(taken)).toEqual(specs(objects));
});

it('the API server takes PodMonitor and PrometheusRule as they are, by the CRDs of the operator', async () => {
  await using namespace = await testNamespace();
  await using _definitions = await defined(namespace.cluster.kubectl, 'prometheus');
  const rendered = await render({}, { environment: 'production', namespace: namespace.name });
  const [monitor, rule] = [rendered.only('PodMonitor'), rendered.only('PrometheusRule')];
  await namespace.apply(monitor, rule);
  const [takenMonitor] = await namespace.list('podmonitors.monitoring.coreos.com');
  const [takenRule] = await namespace.list('prometheusrules.monitoring.coreos.com');
  expect(takenRule.spec).toEqual(rule.spec);
  // The one thing that the CRD fills in.
  for (const endpoint of takenMonitor.spec.podMetricsEndpoints) {
    for (const relabeling of endpoint.relabelings) delete relabeling.action;
  }
  expect(takenMonitor.spec).toEqual(monitor.spec);
});

it('the API server takes the dashboards as they are, by the CRD of the operator of Grafana', async () => {
  await using namespace = await testNamespace();
  await using _definitions = await defined(namespace.cluster.kubectl, 'grafana');
  const dashboards = { delivery: 'grafanaDashboard', folder: 'Models' };
  const rendered = await render({ monitoring: { dashboards } }, { namespace: namespace.name });
  const objects = rendered.all('GrafanaDashboard');
  expect(objects).toHaveLength(3);
  await namespace.apply(...objects);
  const taken = await namespace.list('grafanadashboards.grafana.integreatly.org');
  for (const { metadata, spec } of objects) {
    // Whatever the CRD did not know would be gone; it adds defaults of its own.
    expect(taken.find((object) => object.metadata.name === metadata.name).spec).toMatchObject(spec);
  }
});

it.each([
  ['a Gateway that is there', { name: 'public', namespace: 'edge' }, ['HTTPRoute', 'HTTPRoute']],
  ['a Gateway of its own', { create: true, className: 'example' }, ['Gateway', 'HTTPRoute', 'HTTPRoute']],
])(
  'the API server takes the HTTPRoutes of %s as they are, by the CRDs of the Gateway API',
  async (_, gateway, kinds) => {
    await using namespace = await testNamespace();
    await using _definitions = await defined(namespace.cluster.kubectl, 'gateway');
    const networkPolicy = { clients: { ingress: null, edge: { podLabels: { app: 'edge' } } } };
    const values = { networkPolicy, ingress: { kind: 'httpRoute', gateway } };
    const rendered = await render(values, { environment: 'production', namespace: namespace.name });
    const objects = [...rendered.all('Gateway'), ...rendered.all('HTTPRoute')];
    expect(objects.map(({ kind }) => kind)).toEqual(kinds);
    await namespace.apply(...objects);
    const taken = [
      ...(await namespace.list('gateways.gateway.networking.k8s.io')),
      ...(await namespace.list('httproutes.gateway.networking.k8s.io')),
    ];
    // Whatever the CRD did not know would be gone; what it fills in, the chart says itself, but for what a redirect does to paths.
    for (const { metadata, spec } of objects) {
      expect(
        taken.find((object) => object.metadata.name === metadata.name && 'rules' in object.spec === 'rules' in spec)
          .spec,
      ).toEqual(spec);
    }
  },
);

it('the API server takes the ExternalSecrets as they are, by the CRD of the operator', async () => {
  await using namespace = await testNamespace();
  await using _definitions = await defined(namespace.cluster.kubectl, 'external-secrets');
  const values = {
    imagePullSecrets: ['ours'],
    backup: { enabled: true, existingSecret: 'repository', repository: 's3:https://s3.example.com/bucket' },
    externalSecrets: {
      enabled: true,
      secretStoreRef: { kind: 'ClusterSecretStore', name: 'vault' },
      apiKeys: { key: 'api-keys', property: 'file' },
      backup: { RESTIC_PASSWORD: { key: 'backup', property: 'password' } },
      imagePullSecrets: { ours: { key: 'registry' } },
    },
  };
  const rendered = await render(values, { environment: 'production', namespace: namespace.name });
  const objects = rendered.all('ExternalSecret');
  expect(objects).toHaveLength(3);
  await namespace.apply(...objects);
  const taken = await namespace.list('externalsecrets.external-secrets.io');
  for (const { metadata, spec } of objects) {
    // Whatever the CRD did not know would be gone; it adds defaults of its own.
    expect(taken.find((object) => object.metadata.name === metadata.name).spec).toMatchObject(spec);
  }
});
