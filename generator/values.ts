import type { NetworkPolicy } from '../schema/network.ts';
import type { Scheduling } from '../schema/placement.ts';
import type { Model, Server, ServerOverrides, Values } from '../schema/values.ts';
import { cacheGiB, downloadBudgetSeconds, loadBudgetSeconds } from './budgets.ts';
import { servedName } from './checks.ts';
import { distinctWeights, distinctWeightsGB, type FleetServer, fleetOf, weightsGB } from './fleet.ts';
import { gpus } from './gpus.ts';
import { hostBytesBesideGpu } from './memory/estimate.ts';
import { gpuReserve } from './memory/fit.ts';
import { GB, loadedBytes, MiB } from './memory.ts';
import type { ModelDefinition } from './model.ts';
import { usdPerPodHour } from './nodes.ts';
import type { Registry } from './registry.ts';

/** No node in particular, which a cluster of any kind has. */
const anywhere: Scheduling = {
  nodeSelector: {},
  tolerations: [],
  capacity: 'any',
  pack: false,
  spread: false,
  schedulerName: '',
  priorityClassName: '',
  runtimeClassName: '',
};

/** What every server has unless it says otherwise. */
const serverDefaults: Server = {
  enabled: true,
  models: [],
  replicas: { min: 1, max: 1, onDemand: 0 },
  resources: { cpu: '2', cpuRequest: '', memory: '4G', gpu: 0, gpuResource: 'nvidia.com/gpu', gpuMemoryMiB: 0 },
  ollama: {
    image: { repository: 'ollama/ollama', tag: '0.30.0', digest: '', pullPolicy: 'IfNotPresent' },
    parallel: 1,
    contextLength: 4096,
    keepAlive: '10m',
    flashAttention: true,
    kvCacheType: 'f16',
    promptCacheMiB: 0,
    extraEnv: {},
  },
  cache: { mode: 'ephemeral', size: '10Gi', storageClass: '', image: { reference: '', pullPolicy: 'IfNotPresent' } },
  startup: { downloadSeconds: 600, loadSeconds: 120 },
  autoscaling: {
    enabled: true,
    cpuUtilizationPercent: 70,
    alsoCpu: false,
    targetUtilizationPercent: 70,
    schedule: {},
    behavior: {
      scaleUp: { percent: 100, pods: 4, periodSeconds: 15 },
      scaleDown: { windowSeconds: 300, percent: 50, periodSeconds: 60 },
    },
  },
  podDisruptionBudget: { enabled: true, maxUnavailable: 1 },
  gpu: {
    mode: 'exclusive',
    sharedBy: 2,
    matchMemory: false,
    mig: { profile: '1g.10gb' },
    dra: { deviceClass: 'gpu.nvidia.com', driver: 'gpu.nvidia.com' },
    hami: { memoryMiB: 8192, cores: 0, schedulerName: 'hami-scheduler' },
  },
  scheduling: anywhere,
  costPerHour: 0,
};

const nobody = { namespaceLabels: {}, podLabels: {}, addresses: [] };

const networkPolicy: NetworkPolicy = {
  enabled: false,
  denyNamespace: false,
  engine: 'kubernetes',
  clients: {
    ingress: {
      namespaceLabels: { 'kubernetes.io/metadata.name': 'ingress-nginx' },
      podLabels: { 'app.kubernetes.io/name': 'ingress-nginx' },
      addresses: [],
    },
  },
  prometheus: {
    namespaceLabels: { 'kubernetes.io/metadata.name': 'monitoring' },
    podLabels: { 'app.kubernetes.io/name': 'prometheus' },
    addresses: [],
    ports: [9090],
  },
  dns: {
    namespaceLabels: { 'kubernetes.io/metadata.name': 'kube-system' },
    podLabels: { 'k8s-app': 'kube-dns' },
    // Where NodeLocal DNSCache listens.
    addresses: ['169.254.20.10/32'],
    ports: [53],
  },
  apiServer: { addresses: ['private'], ports: [443, 6443] },
  modelRegistry: {
    names: ['registry.ollama.ai', '*.r2.cloudflarestorage.com'],
    namespaceLabels: {},
    podLabels: {},
    addresses: ['public'],
    ports: [443],
  },
  httpsProxy: nobody,
  collector: nobody,
  backupRepository: { ...nobody, addresses: ['public'], ports: [443] },
  inferenceGateway: nobody,
};

/** The values of the chart for a registry: what `helm install` without any file of values gives. */
export function valuesOf(registry: Registry): Values {
  const fleet = fleetOf(registry);
  return {
    global: {},
    namePrefix: '',
    commonLabels: {},
    imagePullSecrets: [],
    image: { repository: 'model-management', tag: '', digest: '', pullPolicy: 'IfNotPresent' },
    images: { requireDigest: false },
    modelRegistry: {
      host: '',
      insecure: false,
      httpsProxy: '',
      caBundle: { existingConfigMap: '', key: 'ca.crt' },
    },
    generationTimeoutSeconds: 600,
    gateway: {
      strategy: 'rolling',
      blueGreen: { active: 'blue', held: '' },
      replicas: { min: 2, max: 6 },
      resources: { cpu: '500m', memory: '512Mi' },
      autoscaling: { enabled: true, cpuUtilizationPercent: 70 },
      podDisruptionBudget: { enabled: true, maxUnavailable: 1 },
      scheduling: { ...anywhere, spread: true },
      service: { type: 'ClusterIP', port: 80, sessionAffinitySeconds: 3600 },
      maxBodyMiB: 32,
      queue: { depth: 128, waitSeconds: 60, holdSeconds: 300 },
      apiKeys: { enabled: false, existingSecret: '', secretKey: 'keys.json' },
      statusPage: { enabled: true },
      logLevel: 'info',
    },
    agent: {
      resources: { cpu: '100m', memory: '256Mi' },
      allowance: 1,
      runnerOptions: 'replace',
      logLevel: 'info',
    },
    forecaster: {
      enabled: false,
      binMinutes: 10,
      quantilePercent: 97,
      resources: { cpu: '100m', memory: '256Mi' },
      scheduling: anywhere,
      logLevel: 'info',
    },
    ingress: {
      enabled: false,
      kind: 'ingress',
      className: 'nginx',
      host: 'models.fineprint.ai',
      tls: {
        enabled: true,
        secretName: 'model-management-tls',
        clusterIssuer: 'letsencrypt-prod',
        issuer: '',
        redirect: 'withTls',
      },
      gateway: { create: false, className: '', name: '', namespace: '', listener: 'https', httpListener: 'http' },
      rateLimit: { requestsPerSecond: 0, requestsPerMinute: 0, connections: 0, burstMultiplier: 5, exempt: [] },
      oauth2Proxy: { enabled: false, protect: 'statusPage', url: '', signinUrl: '' },
      annotations: {},
    },
    inferencePool: { enabled: false, endpointPicker: { service: '', port: 9002, failureMode: 'FailClose' } },
    networkPolicy,
    userNamespaces: { enabled: false },
    tracing: { endpoint: '', sampleRatio: 1 },
    monitoring: {
      scrape: { method: 'annotations', labels: {}, intervalSeconds: 30 },
      rules: { delivery: 'none', labels: {}, runbooksUrl: '' },
      dashboards: {
        delivery: 'none',
        labels: { grafana_dashboard: '1' },
        instanceSelector: { dashboards: 'grafana' },
        folder: '',
      },
      alerts: { memoryPercent: 85, gpuPercent: 90, queueWaitSeconds: 30, rejectedPercent: 1, restarts: 1 },
      objectives: {
        interactive: { availablePercent: 99.9, firstTokenSeconds: 5, firstTokenPercent: 95 },
        standard: { availablePercent: 99.5, firstTokenSeconds: 20, firstTokenPercent: 95 },
        batch: { availablePercent: 99, firstTokenSeconds: 160, firstTokenPercent: 90 },
      },
      plannedCost: {
        onDemand: { minimum: 0, average: 0, maximum: 0 },
        spot: { minimum: 0, average: 0, maximum: 0 },
      },
    },
    externalSecrets: {
      enabled: false,
      secretStoreRef: { kind: 'SecretStore', name: '' },
      refreshSeconds: 3600,
      apiKeys: { key: '', property: '' },
      backup: {},
      imagePullSecrets: {},
    },
    backup: {
      enabled: false,
      schedule: '17 3 * * *',
      timeZone: 'UTC',
      image: { repository: 'restic/restic', tag: '0.18.1', digest: '', pullPolicy: 'IfNotPresent' },
      repository: '',
      claim: { size: '50Gi', storageClass: '', existingClaim: '' },
      existingSecret: '',
      keep: { daily: 7, weekly: 5, monthly: 12 },
      checkPercent: 10,
      baseModels: false,
      resources: { cpu: '250m', memory: '512Mi' },
      timeoutSeconds: 7200,
      alertAfterHours: 26,
    },
    autoscaling: {
      engine: 'hpa',
      signals: 'cpu',
      prometheusUrl: '',
      timeZone: 'UTC',
      recommendations: false,
      placeholders: {},
    },
    resourceQuota: { enabled: true },
    limitRange: { enabled: true },
    sharedCache: {
      size: `${cacheGiB(distinctWeightsGB(Object.values(registry.models)))}Gi`,
      storageClass: '',
      accessMode: 'ReadWriteMany',
      existingClaim: '',
    },
    models: modelsValues(registry, fleet),
    serverDefaults,
    servers: Object.fromEntries(fleet.map((server) => [server.name, serverValues(server)])),
  };
}

function modelsValues(registry: Registry, fleet: FleetServer[]): Values['models'] {
  const homes = new Map(fleet.flatMap((server) => server.models.map(({ alias }) => [alias, server] as const)));
  return mapValues(registry.models, (definition, alias) => modelValues(alias, definition, homes.get(alias)!));
}

function modelValues(alias: string, definition: ModelDefinition, home: FleetServer): Model {
  const { facts, modelfile, serving } = definition;
  const { priority, aliases, fallbacks, canary, keepAlive, runnerOptions, queue, alerts, objectives } = serving;
  return {
    name: servedName(alias, definition),
    pull: facts.name,
    ...(facts.digest && { digest: facts.digest }),
    ...modelfile,
    priority,
    ...(aliases && { aliases }),
    ...(fallbacks && { fallbacks }),
    ...(canary && { canary }),
    ...(keepAlive && { keepAlive }),
    // On a server of several the widest context is that of all.
    memoryMiB: Math.ceil(loadedBytes(facts, { ...serving, ...home.serving }) / MiB),
    ...(runnerOptions && { runnerOptions }),
    ...(queue && { queue }),
    ...(alerts && { alerts }),
    ...(objectives && { objectives }),
  };
}

function serverValues(server: FleetServer): ServerOverrides {
  const { serving } = server;
  const weights = weightsGB(server) * GB;
  const autoscaling = autoscalingValues(serving);
  return {
    models: server.models.map(({ alias }) => alias),
    replicas: serving.replicas,
    resources: {
      cpu: String(serving.cpu),
      memory: `${serving.memoryGB}G`,
      ...(serving.gpu && { gpu: serving.gpu.count, gpuMemoryMiB: gpus[serving.gpu.type].memoryMiB - gpuReserve / MiB }),
    },
    // Several models on GPUs take turns there.
    ...(serving.gpu && server.models.length > 1 && { gpu: { mode: 'shared' } }),
    ollama: {
      parallel: serving.parallel,
      contextLength: serving.context,
      ...(serving.kvCacheType !== serverDefaults.ollama.kvCacheType && { kvCacheType: serving.kvCacheType }),
      promptCacheMiB: promptCacheMiB(server),
    },
    cache: { size: `${cacheGiB(weightsGB(server))}Gi` },
    startup: { downloadSeconds: downloadBudgetSeconds(weights), loadSeconds: loadBudgetSeconds(weights) },
    costPerHour: Number((usdPerPodHour(serving) ?? 0).toFixed(4)),
    ...serving.server,
    ...(Object.keys(autoscaling).length > 0 && { autoscaling }),
  };
}

/** A pod with a GPU is the dearest and the slowest to come back: it is kept for longer. */
function autoscalingValues({
  gpu,
  schedule,
  server,
}: FleetServer['serving']): NonNullable<ServerOverrides['autoscaling']> {
  const { behavior, ...own } = server?.autoscaling ?? {};
  const scaleDown = { ...(gpu && { windowSeconds: 600 }), ...behavior?.scaleDown };
  const paces = { ...behavior, ...(Object.keys(scaleDown).length > 0 && { scaleDown }) };
  return { ...(schedule && { schedule }), ...(Object.keys(paces).length > 0 && { behavior: paces }), ...own };
}

/**
 * MiB that the runners of a server may keep for prompts seen before, each its share: half of the memory that its models
 * leave, at most Ollama's own 8 GiB. On a GPU server that is all of the pod's memory but what a runner computes in, for weights
 * and context are in the GPU then and the page cache gives way.
 */
function promptCacheMiB(server: FleetServer): number {
  const { serving } = server;
  const runners = distinctWeights(server.models.map(({ definition }) => definition));
  const taken = runners.reduce(
    (sum, runner) =>
      sum + (serving.gpu ? hostBytesBesideGpu(runner.facts, serving) : loadedBytes(runner.facts, serving)),
    0,
  );
  const left = serving.memoryGB * GB - taken;
  return Math.max(0, Math.min(8192, Math.floor(left / 2 / runners.length / MiB)));
}

function mapValues<T, U>(record: Record<string, T>, change: (value: T, key: string) => U): Record<string, U> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, change(value, key)]));
}
