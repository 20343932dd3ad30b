import { describe, expect, test } from 'vitest';
import type { Container, PodSpec } from './kinds.ts';
import { fleet, forecasting, model, render } from './render.ts';

const pod = (spec: PodSpec) => {
  const [agent, downloader] = spec.initContainers!;
  return { downloader: downloader!, agent: agent!, ollama: spec.containers[0]! };
};

const environmentOf = (container: Container) =>
  Object.fromEntries(container.env!.map(({ name, value }) => [name, value]));

async function server(settings: object, rest: object = {}) {
  const { spec } = (await render(fleet({ tiny: settings }, {}, rest))).get('Deployment', 'tiny');
  return { ...spec, ...pod(spec.template.spec), volumes: spec.template.spec.volumes, pod: spec.template.spec };
}

describe('a server', () => {
  test('renders the agent as a native sidecar that is there from the first, the downloader, and Ollama', async () => {
    const { pod: spec, downloader, agent, ollama } = await server({});
    expect(spec.initContainers!.map(({ name }) => name)).toEqual(['agent', 'model-downloader']);
    expect(spec.containers.map(({ name }) => name)).toEqual(['ollama']);
    expect(downloader.restartPolicy).toBeUndefined();
    expect(agent.restartPolicy).toBe('Always');
    expect(ollama.args).toEqual(['serve']);
  });

  test('renders Ollama on loopback, without a port of its own', async () => {
    const { ollama, agent } = await server({});
    expect(environmentOf(ollama)).toMatchObject({ OLLAMA_HOST: '127.0.0.1:11434', OLLAMA_NOPRUNE: '1' });
    expect(ollama.ports).toBeUndefined();
    expect(agent.ports!.map(({ containerPort }) => containerPort)).toEqual([8080, 9090]);
  });

  test('renders what the values say about Ollama as its environment', async () => {
    const ollama = {
      ...{ parallel: 3, contextLength: 1_048_576, kvCacheType: 'q8_0' },
      ...{ promptCacheMiB: 1_048_576, extraEnv: { NO: 'a\\b "c" é', GOMEMLIMIT: '1e6' } },
    };
    const { ollama: container } = await server({ ollama, startup: { loadSeconds: 1000 } });
    expect(environmentOf(container)).toMatchObject({
      OLLAMA_NUM_PARALLEL: '3',
      OLLAMA_CONTEXT_LENGTH: '1048576',
      OLLAMA_FLASH_ATTENTION: '1',
      OLLAMA_KV_CACHE_TYPE: 'q8_0',
      OLLAMA_LOAD_TIMEOUT: '1000s',
      OLLAMA_MAX_LOADED_MODELS: '1',
      LLAMA_ARG_CACHE_RAM: '1048576',
      NO: 'a\\b "c" é',
      GOMEMLIMIT: '1e6',
    });
    expect(container.env!.length).toBe(new Set(container.env!.map(({ name }) => name)).size);
    const { ollama: without } = await server({ ollama: { flashAttention: false } });
    expect(environmentOf(without)).toMatchObject({ OLLAMA_FLASH_ATTENTION: '0', OLLAMA_KV_CACHE_TYPE: 'f16' });
  });

  test('renders an Ollama that unloads nothing, since the agent decides on that', async () => {
    const { ollama } = await server({ ollama: { keepAlive: '5m' } });
    expect(environmentOf(ollama).OLLAMA_KEEP_ALIVE).toBe('-1');
  });

  test('renders as many loaded models as it serves when it is a packed one', async () => {
    const rendered = await render(fleet({ packed: { models: ['a', 'b', 'c.1'] } }));
    const { ollama } = pod(rendered.get('Deployment', 'packed').spec.template.spec);
    expect(environmentOf(ollama).OLLAMA_MAX_LOADED_MODELS).toBe('3');
  });

  test('renders the same requests as limits, and GPUs for Ollama alone', async () => {
    const resources = { cpu: '1500m', memory: '9G', gpu: 2, gpuResource: 'amd.com/gpu' };
    const { ollama, downloader, agent } = await server({ resources });
    const own = { cpu: '1500m', memory: '9G' };
    expect(ollama.resources).toEqual({
      requests: { ...own, 'amd.com/gpu': 2 },
      limits: { ...own, 'amd.com/gpu': 2 },
    });
    expect(downloader.resources).toEqual({ requests: own, limits: own });
    expect(agent.resources).toEqual({ requests: { cpu: '100m', memory: '256Mi' }, limits: { memory: '256Mi' } });
  });

  test('renders GPUs that are hidden from Ollama when it has none', async () => {
    expect(environmentOf((await server({})).ollama).NVIDIA_VISIBLE_DEVICES).toBe('void');
  });

  test('omits what would hide the GPUs when it has some', async () => {
    const { ollama, downloader } = await server({ resources: { gpu: 1 } });
    expect(environmentOf(ollama)).not.toHaveProperty('NVIDIA_VISIBLE_DEVICES');
    expect(environmentOf(downloader).NVIDIA_VISIBLE_DEVICES).toBe('void');
  });

  test('renders probes of Ollama that the agent answers, with as long a startup as the load may take', async () => {
    const { ollama, agent } = await server({ startup: { loadSeconds: 900 } });
    expect(ollama.startupProbe).toMatchObject({ httpGet: { path: '/health/startup', port: 8080 } });
    expect(ollama.startupProbe!.periodSeconds * ollama.startupProbe!.failureThreshold).toBe(900);
    expect(ollama.livenessProbe!.httpGet).toEqual({ path: '/health/live', port: 8080 });
    expect(ollama.readinessProbe).toBeUndefined();
    expect(agent.readinessProbe!.httpGet).toEqual({ path: '/health/ready', port: 'http' });
  });

  test('renders a drain before the end, and as long a grace as an answer may take', async () => {
    const { ollama, pod: spec } = await server({}, { generationTimeoutSeconds: 86_400 });
    expect(ollama.lifecycle!.preStop.httpGet).toEqual({ path: '/drain', port: 8080 });
    expect(spec.terminationGracePeriodSeconds).toBe(86_430);
  });

  test('renders a rollout that takes no pod away before another is ready', async () => {
    const { strategy, progressDeadlineSeconds } = await server({ startup: { downloadSeconds: 500, loadSeconds: 200 } });
    expect(strategy).toEqual({ type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } });
    expect(progressDeadlineSeconds).toBe(1000);
  });

  test('renders the fewest pods when nothing scales it', async () => {
    const { replicas } = await server({ replicas: { min: 2, max: 3 }, autoscaling: { enabled: false } });
    expect(replicas).toBe(2);
    expect((await server({ replicas: { min: 2, max: 3 }, resources: { gpu: 1 } })).replicas).toBe(2);
  });

  test('omits the number of pods when an autoscaler decides on it', async () => {
    expect(await server({ replicas: { min: 2, max: 3 } })).not.toHaveProperty('replicas');
  });

  test('omits the number of pods when something else wakes it from none', async () => {
    expect(await server({ replicas: { min: 0, max: 3 }, autoscaling: { enabled: false } })).not.toHaveProperty(
      'replicas',
    );
  });

  test('renders where its pods go, with overrides that are empty or false taken as they are', async () => {
    const defaults = {
      scheduling: {
        nodeSelector: { disk: 'fast' },
        tolerations: [{ operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 86_400 }],
        priorityClassName: 'high',
        runtimeClassName: 'nvidia',
      },
      cache: { storageClass: 'fast' },
      replicas: { min: 3, max: 3 },
      autoscaling: { enabled: false },
    };
    const rest = { serverDefaults: defaults };
    const { pod: inherited } = await server({ scheduling: { nodeSelector: { zone: '1' } } }, rest);
    expect(inherited).toMatchObject({
      nodeSelector: { disk: 'fast', zone: '1' },
      tolerations: defaults.scheduling.tolerations,
      priorityClassName: 'high',
      runtimeClassName: 'nvidia',
    });
    const scheduling = { tolerations: [], priorityClassName: '', runtimeClassName: '' };
    const own = await server({ scheduling, cache: { storageClass: '' }, replicas: { min: 0 } }, rest);
    for (const key of ['tolerations', 'priorityClassName', 'runtimeClassName']) expect(own.pod).not.toHaveProperty(key);
    expect(own.volumes[0]!.ephemeral!.volumeClaimTemplate.spec).not.toHaveProperty('storageClassName');
    expect(own).not.toHaveProperty('replicas');
  });

  test('renders an image by its digest when there is one, and by its tag when there is none', async () => {
    const digest = `sha256:${'0123456789abcdef'.repeat(4)}`;
    const image = { repository: 'registry:5000/ollama', tag: '1', digest, pullPolicy: 'Always' };
    const pinned = await server({ ollama: { image } });
    for (const container of [pinned.ollama, pinned.downloader]) {
      expect(container.image).toBe(`registry:5000/ollama@${digest}`);
      expect(container.imagePullPolicy).toBe('Always');
    }
    expect((await server({ ollama: { image: { ...image, digest: '' } } })).ollama.image).toBe('registry:5000/ollama:1');
    expect((await server({})).agent.image).toBe('model-management:0.1.0');
  });

  test('renders the Secrets that images are pulled with', async () => {
    const { pod: spec } = await server({}, { imagePullSecrets: ['a', '1e3'] });
    expect(spec.imagePullSecrets).toEqual([{ name: 'a' }, { name: '1e3' }]);
    expect((await server({})).pod).not.toHaveProperty('imagePullSecrets');
  });

  test('renders its configuration mounted alone, so that a running pod keeps it', async () => {
    const { agent, volumes } = await server({});
    const mount = agent.volumeMounts.find(({ mountPath }) => mountPath === '/etc/model-management/config.json')!;
    expect(mount.subPath).toBe('config.json');
    expect(volumes.find(({ name }) => name === mount.name)!.configMap).toEqual({ name: 'tiny' });
  });

  test('omits itself when it is disabled', async () => {
    const rendered = await render(fleet({ tiny: {}, off: { enabled: false } }));
    expect(rendered.objects.filter(({ metadata }) => metadata.name === 'off')).toEqual([]);
    expect(rendered.find('Deployment', 'tiny')).toBeDefined();
  });
});

describe('the cache of a server', () => {
  const models = (container: Container) => container.volumeMounts.find(({ name }) => name === 'models')!;

  test('renders a claim for each pod that it fills itself when the mode is ephemeral', async () => {
    const cache = { mode: 'ephemeral', size: '7Gi', storageClass: '1e3' };
    const { volumes, downloader, ollama } = await server({ cache });
    const { metadata, spec } = volumes[0]!.ephemeral!.volumeClaimTemplate;
    expect(metadata!.labels).toMatchObject({ app: 'ollama', 'model-management.fineprint.ai/server': 'tiny' });
    expect(spec).toEqual({
      accessModes: ['ReadWriteOnce'],
      storageClassName: '1e3',
      resources: { requests: { storage: '7Gi' } },
    });
    expect(downloader.command!.at(-1)).toBe('pull');
    for (const container of [downloader, ollama]) expect(models(container)).not.toHaveProperty('readOnly');
  });

  test('renders the shared claim read-only, and pods that wait for it, when the mode is shared', async () => {
    const { volumes, downloader, ollama } = await server({ cache: { mode: 'shared' } });
    expect(volumes[0]!.persistentVolumeClaim).toEqual({ claimName: 'model-management-models' });
    expect(downloader.command!.at(-1)).toBe('wait');
    for (const container of [downloader, ollama]) expect(models(container).readOnly).toBe(true);
  });

  test('renders the image, and pods that verify it, when the mode is image', async () => {
    const image = { reference: 'registry:5000/models:1', pullPolicy: 'Always' };
    const { volumes, downloader, ollama } = await server({ cache: { mode: 'image', image } });
    expect(volumes[0]!.image).toEqual(image);
    expect(downloader.command!.at(-1)).toBe('verify');
    for (const container of [downloader, ollama]) expect(models(container).readOnly).toBe(true);
  });

  test('renders a rollout that takes the old pod away first when its claim can be on one node only', async () => {
    const settings = { cache: { mode: 'shared' }, replicas: { min: 1, max: 1 } };
    const once = await server(settings, { sharedCache: { accessMode: 'ReadWriteOnce' } });
    expect(once.strategy.rollingUpdate).toEqual({ maxUnavailable: 1, maxSurge: 0 });
    expect((await server(settings)).strategy.rollingUpdate).toEqual({ maxUnavailable: 0, maxSurge: 1 });
  });

  test('renders a deadline for the downloads of all servers when one Job does them', async () => {
    const settings = { cache: { mode: 'shared' }, startup: { downloadSeconds: 1000, loadSeconds: 100 } };
    const own = { startup: { downloadSeconds: 5000, loadSeconds: 100 } };
    const rendered = await render(fleet({ a: settings, b: settings, c: own }));
    expect(rendered.get('Deployment', 'a').spec.progressDeadlineSeconds).toBe(2400);
    expect(rendered.get('Deployment', 'c').spec.progressDeadlineSeconds).toBe(5400);
  });
});

describe('the agent', () => {
  test('renders the models for it to look at, and no more, where they are not in an image', async () => {
    const image = { mode: 'image', image: { reference: 'registry:5000/models:1' } };
    const mounts = async (cache: object) =>
      (await server({ cache })).agent.volumeMounts.filter(({ name }) => name === 'models');
    for (const mode of ['ephemeral', 'shared']) {
      expect(await mounts({ mode })).toEqual([{ name: 'models', mountPath: '/models', readOnly: true }]);
    }
    expect(await mounts(image)).toEqual([]);
  });
});

describe('the downloader', () => {
  test('renders the registry that it pulls from when one is given', async () => {
    const modelRegistry = { host: 'mirror:5000', insecure: true, httpsProxy: 'http://proxy:3128' };
    const { downloader } = await server({}, { modelRegistry });
    expect(environmentOf(downloader)).toMatchObject({
      MODEL_REGISTRY_INSECURE: '1',
      HTTPS_PROXY: 'http://proxy:3128',
    });
  });

  test('trusts the authorities of a ConfigMap when one is named', async () => {
    const modelRegistry = { caBundle: { existingConfigMap: 'company', key: 'root.pem' } };
    const { downloader, volumes } = await server({}, { modelRegistry });
    const mount = downloader.volumeMounts!.find(({ name }) => name === 'ca-bundle')!;
    expect(environmentOf(downloader).SSL_CERT_FILE).toBe(`${mount.mountPath}/root.pem`);
    expect(volumes).toContainEqual({
      name: 'ca-bundle',
      configMap: { name: 'company', items: [{ key: 'root.pem', path: 'root.pem' }] },
    });
  });

  test('omits proxy, authorities and insecure pulls when the values do', async () => {
    const { downloader, volumes } = await server({});
    const environment = environmentOf(downloader);
    expect(environment).not.toHaveProperty('SSL_CERT_FILE');
    expect(volumes!.map(({ name }) => name)).not.toContain('ca-bundle');
    expect(environment).not.toHaveProperty('MODEL_REGISTRY_INSECURE');
    expect(environment).not.toHaveProperty('HTTPS_PROXY');
  });
});

describe('the gateway', () => {
  const gateway = async (values: object) =>
    (await render({ gateway: values })).get('Deployment', 'model-management-gateway').spec;

  test('renders the fewest pods when nothing scales it', async () => {
    expect((await gateway({ autoscaling: { enabled: false }, replicas: { min: 3 } })).replicas).toBe(3);
    expect(await gateway({ replicas: { min: 3 } })).not.toHaveProperty('replicas');
  });

  test('renders one container with its configuration as a folder, so that it sees a change', async () => {
    const { template } = await gateway({ resources: { cpu: '2', memory: '1Gi' } });
    const [container] = template.spec.containers;
    expect(container!.volumeMounts).toEqual([{ name: 'config', mountPath: '/etc/model-management', readOnly: true }]);
    expect(container!.resources).toEqual({ requests: { cpu: '2', memory: '1Gi' }, limits: { memory: '1Gi' } });
    expect(template.spec.terminationGracePeriodSeconds).toBe(630);
    expect(template.spec.serviceAccountName).toBe('model-management-gateway');
  });

  test('renders the keys of a Secret as a folder, so that it sees a change, and nothing else of the Secret', async () => {
    const apiKeys = { enabled: true, existingSecret: '1e3', secretKey: 'a_b.json' };
    const { template } = await gateway({ apiKeys });
    const mount = template.spec.containers[0]!.volumeMounts.find(({ name }) => name === 'api-keys');
    expect(mount).toEqual({ name: 'api-keys', mountPath: '/etc/model-management-keys', readOnly: true });
    expect(template.spec.volumes.find(({ name }) => name === 'api-keys')!.secret).toEqual({
      secretName: '1e3',
      defaultMode: 0o440,
      items: [{ key: 'a_b.json', path: 'a_b.json' }],
    });
    const off = await gateway({ apiKeys: { ...apiKeys, enabled: false } });
    expect(off.template.spec.volumes.map(({ name }) => name)).toEqual(['config']);
  });

  test('renders the same pods when a model joins', async () => {
    const before = await render(fleet({ a: {} }));
    const after = await render(fleet({ a: {}, b: {} }, { c: model('c') }));
    const template = (rendered: typeof before) => rendered.podTemplates['model-management-gateway'];
    expect(template(after)).toEqual(template(before));
  });
});

describe('the forecaster', () => {
  const forecaster = async (values: object) =>
    (await render({ ...forecasting, forecaster: { enabled: true, ...values } })).get(
      'Deployment',
      'model-management-forecaster',
    ).spec;

  test('renders one pod, which goes when another has read the history', async () => {
    const { replicas, strategy, template } = await forecaster({});
    expect(replicas).toBe(1);
    expect(strategy).toEqual({ type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } });
    const [container] = template.spec.containers;
    expect(container!.args![0]).toBe('/app/service/forecaster/main.ts');
    expect(container!.readinessProbe!.httpGet).toEqual({ path: '/health/ready', port: 'http' });
    expect(container!.ports!.map(({ containerPort }) => containerPort)).toEqual([8080, 9090]);
    expect(template.metadata.annotations).toHaveProperty('prometheus.io/scrape', 'true');
  });

  test('renders its resources, where it goes, and its configuration as a folder, so that it sees a change', async () => {
    const scheduling = { nodeSelector: { disk: 'fast' }, priorityClassName: 'high' };
    const { template } = await forecaster({ resources: { cpu: '2', memory: '1Gi' }, scheduling });
    const [container] = template.spec.containers;
    expect(container!.resources).toEqual({ requests: { cpu: '2', memory: '1Gi' }, limits: { memory: '1Gi' } });
    expect(container!.volumeMounts).toEqual([{ name: 'config', mountPath: '/etc/model-management', readOnly: true }]);
    expect(template.spec).toMatchObject(scheduling);
  });

  test('renders the same pod when a server joins', async () => {
    const template = async (servers: Record<string, object>) =>
      (await render(fleet(servers, {}, forecasting))).podTemplates['model-management-forecaster'];
    expect(await template({ a: {}, b: {} })).toEqual(await template({ a: {} }));
  });

  test('omits it, and all that is its own, by default', async () => {
    const { objects } = await render({});
    expect(objects.filter(({ metadata }) => metadata.name.includes('forecaster'))).toEqual([]);
  });
});
