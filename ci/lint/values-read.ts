import { mkdtempDisposable, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { mergeValues } from '../../generator/environment.ts';
import { chartFolder, chartSchema, chartValues } from '../testing/chart.ts';
import { fewAtATime, helm } from '../testing/helm.ts';
import { type Case, rightCases, valuesWith } from '../testing/schema-cases.ts';
import { placesOf } from '../testing/schema-places.ts';

const nothing = (map: object) => Object.fromEntries(Object.keys(map).map((key) => [key, null]));

/** Values of a fleet of one server, which says nothing itself but what makes a situation. */
const fleet = (server: object, rest: object = {}) => ({
  models: {
    ...nothing(chartValues.models),
    one: { pull: 'one', system: 'Be brief.', memoryMiB: 100 },
    two: { pull: 'two' },
    urgent: { pull: 'urgent', priority: 'interactive' },
    patient: { pull: 'patient', priority: 'batch' },
  },
  servers: { ...nothing(chartValues.servers), only: server },
  ingress: { enabled: true },
  inferencePool: { enabled: true },
  monitoring: {
    scrape: { method: 'podMonitor' },
    rules: { delivery: 'prometheusRule' },
    dashboards: { delivery: 'configMap', folder: 'Models' },
  },
  ...rest,
});

const models = ['one'];

/** What is scaled on demand, with a window that every change of one completes. */
const onDemand = (autoscaling: object, server: object) => ({
  autoscaling: { signals: 'demand', ...autoscaling },
  serverDefaults: {
    ...server,
    autoscaling: { alsoCpu: true, schedule: { example: { days: ['mon'], from: '08:00', to: '12:00', min: 1 } } },
  },
});

/** Policies for everybody whom they may name. */
const onTheNetwork = (engine: string) => {
  const peer = { podLabels: { app: 'peer' }, namespaceLabels: { a: 'b' }, addresses: ['1.2.3.4/32'] };
  const everybody = { clients: { one: peer }, httpsProxy: peer, collector: peer, inferenceGateway: peer };
  return {
    networkPolicy: { enabled: true, engine, ...everybody, modelRegistry: peer, backupRepository: peer },
    backup: { enabled: true, existingSecret: 'repository', repository: 's3:bucket' },
    autoscaling: { signals: 'demand', prometheusUrl: 'http://prometheus:9090' },
    forecaster: { enabled: true },
    modelRegistry: { insecure: true, httpsProxy: 'http://proxy.example.com:3128' },
    tracing: { endpoint: 'http://collector.example.com:4318/v1/traces' },
  };
};

const gpu = (mode: string, gpuMemoryMiB = 8192) => ({ gpu: { mode }, resources: { gpu: 1, gpuMemoryMiB } });

/** A colour that is held beside the one of the values. */
const held = JSON.stringify({ slot: 'blue', next: 'green', retiring: [], config: '{}', deployment: {} });

/** Deployments in one of which each value makes a difference. */
const situations: object[] = [
  fleet(
    { models },
    { serverDefaults: { replicas: { min: 2, max: 4, onDemand: 1 }, scheduling: { capacity: 'preferSpot' } } },
  ),
  fleet({ models, ...gpu('timeSlicing') }, { serverDefaults: { replicas: { min: 2, max: 4 } } }),
  fleet(
    { models: ['one', 'two', 'urgent', 'patient'] },
    {
      gateway: { apiKeys: { enabled: true, existingSecret: 'keys' } },
      backup: { enabled: true, existingSecret: 'repository' },
      inferencePool: { enabled: true, endpointPicker: { service: 'picker' } },
    },
  ),
  // Two edges, and a store for all secrets.
  fleet(
    { models },
    {
      ingress: {
        enabled: true,
        rateLimit: { requestsPerSecond: 5, requestsPerMinute: 5, connections: 5 },
        oauth2Proxy: { enabled: true, url: 'http://proxy.example.com/auth' },
      },
      imagePullSecrets: ['example'],
      gateway: { apiKeys: { enabled: true, existingSecret: 'keys' } },
      backup: { enabled: true, existingSecret: 'repository' },
      externalSecrets: {
        enabled: true,
        secretStoreRef: { name: 'store' },
        apiKeys: { key: 'keys' },
        backup: { RESTIC_PASSWORD: { key: 'password' }, EXAMPLE: { key: 'example' } },
        imagePullSecrets: { example: { key: 'registry' } },
      },
    },
  ),
  ...[
    { name: 'public', className: 'example' },
    { create: true, className: 'example' },
  ].map((gateway) => fleet({ models }, { ingress: { enabled: true, kind: 'httpRoute', gateway } })),
  mergeValues(fleet({ models }), {
    models: { one: { canary: { model: 'urgent', percent: 5 } } },
    servers: { a: { models: ['two'] }, b: { models: ['urgent'] } },
  }) as object,
  ...['kubernetes', 'cilium'].map((engine) => fleet({ models }, onTheNetwork(engine))),
  fleet(
    { models },
    {
      autoscaling: { placeholders: { example: { server: 'only', pods: 1, priorityClassName: 'low' } } },
      // The first text that may be the name of a server is one.
      servers: { ...nothing(chartValues.servers), only: { models }, a: { models: ['two'], resources: { cpu: '3' } } },
    },
  ),
  fleet(
    { models },
    {
      ...onDemand({ prometheusUrl: 'http://prometheus:9090' }, { cache: { mode: 'shared' } }),
      forecaster: { enabled: true },
    },
  ),
  fleet({ models }, { gateway: { strategy: 'blueGreen', blueGreen: { held } } }),
  ...[gpu('hami', 0), gpu('dra')].map((serverDefaults) => fleet({ models }, { serverDefaults })),
  fleet(
    {},
    onDemand(
      { engine: 'keda', prometheusUrl: 'http://prometheus:9090' },
      { models, cache: { mode: 'image', image: { reference: 'registry.example.com/models:1' } } },
    ),
  ),
  fleet(
    { models, autoscaling: { enabled: false } },
    {
      serverDefaults: gpu('mig'),
      gateway: { autoscaling: { enabled: false } },
      modelRegistry: { host: 'registry.example.com', caBundle: { existingConfigMap: 'authorities' } },
      monitoring: { dashboards: { delivery: 'grafanaDashboard' } },
    },
  ),
];

/**
 * The values that no template reads, a line each: those that may be changed to whatever the schema allows, in every
 * situation, and nothing that is rendered changes. A mention in a comment, or in a checksum alone, is no reading.
 */
export async function unreadValues(
  options: { chart?: string; only?: (path: string) => boolean } = {},
): Promise<string[]> {
  const { chart = chartFolder, only = () => true } = options;
  await using folder = await mkdtempDisposable(path.join(tmpdir(), 'model-management-values-'));
  let files = 0;
  const version = ['--kube-version', '1.37.2'];
  const render = async (values: unknown) => {
    const file = path.join(folder.path, `${files++}.json`);
    await writeFile(file, JSON.stringify(values));
    const { status, stdout, stderr } = await helm('template', 'release', chart, ...version, '--values', file);
    return status === 0 ? { manifest: whatCounts(stdout) } : { refusal: stderr };
  };
  const rendered = await fewAtATime(situations, render);
  const broken = rendered.findIndex(({ manifest }) => manifest === undefined);
  if (broken !== -1) return [`situation ${broken} of ci/lint/values-read.ts does not render: mend it`];

  const found = new Map<string, number>();
  const isRead = async (changes: Case[]) => {
    const prefixes = prefixesOf(changes[0]!.path);
    // What is near it has most likely made a difference where it will; else those that say anything in its part of the values.
    const near = prefixes.map((prefix) => found.get(prefix)).find((index) => index !== undefined);
    const part = String(changes[0]!.path[0]);
    const likelihood = (index: number) => (index === near ? 2 : Number(part in situations[index]!));
    const likely = [...situations.keys()].sort((a, b) => likelihood(b) - likelihood(a));
    // One of two values is another than what is there: more of them seldom tell more.
    for (const some of [changes.slice(0, 2), changes.slice(2)]) {
      for (const index of likely) {
        for (const change of some) {
          const { manifest, refusal } = await render(mergeValues(situations[index]!, valuesWith([change])));
          const differs = manifest !== undefined && manifest !== rendered[index]!.manifest;
          // One that is there to refuse others says so.
          if (!differs && !refusal?.includes(`${change.path.join('.')} is true`)) continue;
          for (const prefix of prefixes) found.set(prefix, index);
          return true;
        }
      }
    }
    return false;
  };
  const places = [...changesByPlace()].filter(([place]) => only(place));
  const read = await fewAtATime(places, ([, changes]) => isRead(changes));
  return places
    .filter((_, index) => !read[index])
    .map(([place]) => `${place}: no template reads it: read it, or remove it from schema/values.ts`);
}

/** For each leaf of the schema a few values to change it to; `global` is open, and `enabled` is for parent charts. */
function changesByPlace(): Map<string, Case[]> {
  const places = placesOf(chartSchema, { models: { one: {} }, servers: { only: {} } });
  const changes = new Map<string, Case[]>();
  for (const change of rightCases(places)) {
    const name = change.path.join('.');
    // Keys of models are right when there is such a model.
    const list = /\b(models|fallbacks)$/.test(name) ? { ...change, value: ['two'] } : change;
    const known = name.endsWith('.canary.model') ? { ...change, value: 'two' } : list;
    if (name !== 'enabled' && !/\b(models|fallbacks)\.0$/.test(name))
      changes.set(name, [...(changes.get(name) ?? []), known]);
  }
  // What comes first fits the rest of the values best: later on there are the longest texts and the largest numbers.
  for (const [name, all] of changes) changes.set(name, all.slice(0, 8));
  return changes;
}

/** What a path is below, from the nearest on; a server and the defaults of all are one. */
function prefixesOf(path: Case['path']): string[] {
  const names = path
    .join('.')
    .replace(/^servers\.only\./, 'serverDefaults.')
    .split('.');
  return names.slice(1).map((_, index) => names.slice(0, names.length - 1 - index).join('.'));
}

/** A copy of all values, as a backup has it, is no reading either. */
function whatCounts(manifest: string): string {
  return manifest.replaceAll(/^\s*(#|checksum\/|values\.json:).*\n/gm, '');
}
