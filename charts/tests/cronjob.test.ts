import { describe, expect, test } from 'vitest';
import { withRemovals } from '../../ci/delivery/restored-values.ts';
import { chartSchema, chartValues } from '../../ci/testing/chart.ts';
import { parseConfig } from '../../service/shared/config.ts';
import type { KubeObject } from './kinds.ts';
import { fleet, mistakes, model, render } from './render.ts';

const on = { enabled: true, existingSecret: 'repository-keys' };
const of = (backup: object, rest: object = {}, servers: object = { a: {} }) =>
  fleet(servers as Parameters<typeof fleet>[0], {}, { ...rest, backup: { ...on, ...backup } });

describe('backups', () => {
  test('omits all of it by default', async () => {
    const { objects } = await render(fleet({ a: {} }));
    expect(objects.filter(({ metadata }) => metadata.name.includes('backup'))).toEqual([]);
    expect(objects.filter(({ kind }) => kind === 'CronJob')).toEqual([]);
  });

  test('renders a CronJob that collects, copies and reports, one at a time', async () => {
    const rendered = await render(of({ schedule: '5 4 * * *', timeZone: 'Europe/Berlin', timeoutSeconds: 600 }));
    const { spec } = rendered.only('CronJob');
    expect([spec.schedule, spec.timeZone, spec.concurrencyPolicy]).toEqual(['5 4 * * *', 'Europe/Berlin', 'Forbid']);
    expect(spec.jobTemplate.spec.activeDeadlineSeconds).toBe(600);
    const { initContainers, containers } = spec.jobTemplate.spec.template.spec;
    expect([...initContainers!, ...containers].map(({ name }) => name)).toEqual(['collect', 'restic', 'report']);
  });

  test('renders the claim of the copies, which outlives the release, unless they are elsewhere', async () => {
    const claimsOf = async (backup: object) =>
      (await render(of(backup))).all('PersistentVolumeClaim').map(({ metadata }) => metadata.name);
    const rendered = await render(of({ claim: { size: '9Gi', storageClass: 'standard' } }));
    const { metadata, spec } = rendered.get('PersistentVolumeClaim', 'model-management-backup');
    expect(metadata.annotations).toEqual({ 'helm.sh/resource-policy': 'keep' });
    expect([spec.storageClassName, spec.resources.requests.storage]).toEqual(['standard', '9Gi']);
    expect(await claimsOf({ repository: 's3:https://s3.example.com/bucket' })).toEqual([]);
    expect(await claimsOf({ claim: { existingClaim: 'copies' } })).toEqual([]);
  });

  test('renders the models of the shared claim for it, and to be read alone', async () => {
    const mountsOf = async (server: object) => {
      const { podTemplates } = await render(of({}, {}, { a: server }));
      const { initContainers } = podTemplates['model-management-backup']!.spec;
      return initContainers!.flatMap(({ volumeMounts = [] }) => volumeMounts.filter(({ name }) => name === 'models'));
    };
    expect(await mountsOf({})).toEqual([]);
    expect(await mountsOf({ cache: { mode: 'shared' } })).toEqual([
      { name: 'models', mountPath: '/models', readOnly: true },
      { name: 'models', mountPath: '/models', readOnly: true },
    ]);
  });

  test('renders the shared claim as a volume that is not read-only, or a local one would get no group by it', async () => {
    const { podTemplates } = await render(of({}, {}, { a: { cache: { mode: 'shared' } } }));
    const claims = podTemplates['model-management-backup']!.spec.volumes.map((each) => each.persistentVolumeClaim);
    expect(claims).toContainEqual({ claimName: 'model-management-models' });
  });

  test('renders the keys of its Secret as the environment of restic alone, and as files of it alone', async () => {
    const { initContainers, containers, volumes } = (await render(of({}))).podTemplates['model-management-backup']!
      .spec;
    expect(volumes.filter(({ secret }) => secret)).toEqual([
      { name: 'secret', secret: { secretName: 'repository-keys' } },
    ]);
    const all = [...initContainers!, ...containers];
    const mounting = all.filter(({ volumeMounts }) => volumeMounts.some(({ name }) => name === 'secret'));
    expect(mounting).toEqual([
      expect.objectContaining({ name: 'restic', envFrom: [{ secretRef: { name: 'repository-keys' } }] }),
    ]);
    expect(mounting[0]!.volumeMounts).toContainEqual({ name: 'secret', mountPath: '/etc/restic', readOnly: true });
    expect(all.filter((each) => 'envFrom' in each)).toEqual(mounting);
  });

  test('renders a configuration that the service takes: servers, pulled models, and the names of Secrets', async () => {
    const rest = {
      namePrefix: 'x-',
      imagePullSecrets: ['pull'],
      ingress: { enabled: true, tls: { secretName: 'tls' } },
      modelRegistry: { host: 'mirror:5000' },
      gateway: { apiKeys: { enabled: true, existingSecret: 'keys' } },
      backup: on,
    };
    const models = { a: model('a', { pull: 'base:1' }), b: model('b', { pull: 'base:1' }) };
    const rendered = await render(fleet({ a: { models: ['a'] }, b: { models: ['b'] } }, models, rest), {
      namespace: 'ns',
    });
    const { data } = rendered.get('ConfigMap', 'x-model-management-backup');
    expect(parseConfig('config.json', data['config.json']!, 'BackupConfig', () => [])).toEqual({
      release: 'release',
      chart: '0.1.0',
      namespace: 'ns',
      servers: { a: 'http://x-a.ns.svc:8080', b: 'http://x-b.ns.svc:8080' },
      pulled: ['mirror:5000/library/base:1'],
      baseModels: false,
      secrets: ['keys', 'pull', 'repository-keys', 'tls'],
      resources: expect.arrayContaining(['v1/services', 'apps/v1/deployments']),
      statusConfigMap: 'x-model-management-backup-status',
    });
    expect(rendered.get('ConfigMap', 'x-model-management-backup-status').data).toBeUndefined();
  });

  test('renders values that make the same release again', async () => {
    const values = of({ keep: { daily: 3 } }, { namePrefix: 'x-' }, { a: { replicas: { min: 2, max: 3 } } });
    const first = await render(values);
    const copied = JSON.parse(first.get('ConfigMap', 'x-model-management-backup').data['values.json']!);
    const again = withRemovals(copied, chartValues, chartSchema) as object;
    expect((await render(again)).byIdentity).toEqual(first.byIdentity);
  });

  test('renders rights to list what is copied, of which no Secret is one, and to say how it went', async () => {
    const rendered = await render(of({}));
    const { rules } = rendered.get('Role', 'model-management-backup');
    const may = rules.flatMap(({ resources, verbs, resourceNames }) =>
      resources.map((resource) => `${verbs.join()} ${resource}${resourceNames ? ` ${resourceNames.join()}` : ''}`),
    );
    expect(may.toSorted()).toEqual([
      'list configmaps',
      'list cronjobs',
      'list deployments',
      'list horizontalpodautoscalers',
      'list ingresses',
      'list limitranges',
      'list persistentvolumeclaims',
      'list poddisruptionbudgets',
      'list pods',
      'list resourcequotas',
      'list rolebindings',
      'list roles',
      'list serviceaccounts',
      'list services',
      'patch configmaps model-management-backup-status',
    ]);
    const { subjects, roleRef } = rendered.get('RoleBinding', 'model-management-backup');
    expect([subjects[0]!.name, roleRef.name]).toEqual(['model-management-backup', 'model-management-backup']);
    const { serviceAccountName } = rendered.podTemplates['model-management-backup']!.spec;
    expect(serviceAccountName).toBe('model-management-backup');
  });

  /** The kinds of a rendering as resources of the API, by group and version. */
  const kindsOf = ({ objects }: { objects: KubeObject[] }) => {
    const plural = (kind: string) =>
      kind
        .toLowerCase()
        .replace(/([^aeiou])y$/, '$1ie')
        .replace(/s$/, 'se')
        .concat('s');
    return new Set(objects.map(({ apiVersion, kind }) => `${apiVersion}/${plural(kind)}`));
  };

  test.each<[string, object]>([
    ['with nothing more than a backup', {}],
    [
      'with an Ingress, network policies and a shared claim',
      {
        ingress: { enabled: true, host: 'models.example.com' },
        networkPolicy: { enabled: true },
        serverDefaults: { cache: { mode: 'shared' } },
      },
    ],
    [
      'with an HTTPRoute',
      { ingress: { enabled: true, host: 'models.example.com', kind: 'httpRoute', gateway: { name: 'g' } } },
    ],
    [
      'with every operator',
      {
        ingress: {
          enabled: true,
          host: 'models.example.com',
          kind: 'httpRoute',
          gateway: { create: true, className: 'c' },
        },
        externalSecrets: {
          enabled: true,
          secretStoreRef: { name: 'store' },
          backup: { RESTIC_PASSWORD: { key: 'password' } },
        },
        monitoring: {
          scrape: { method: 'podMonitor' },
          rules: { delivery: 'prometheusRule' },
          dashboards: { delivery: 'grafanaDashboard' },
        },
        autoscaling: {
          engine: 'keda',
          signals: 'demand',
          prometheusUrl: 'http://prometheus:9090',
          recommendations: true,
        },
        inferencePool: { enabled: true },
        networkPolicy: {
          enabled: true,
          engine: 'cilium',
          clients: { ingress: null, edge: { podLabels: { app: 'edge' } } },
          inferenceGateway: { podLabels: { app: 'inference' } },
        },
        serverDefaults: { autoscaling: { enabled: true }, gpu: { mode: 'dra' } },
        servers: { b: { models: ['a'], resources: { gpu: 1 } } },
      },
    ],
    ['on EKS in its auto mode', { networkPolicy: { enabled: true, engine: 'eksAutoMode' } }],
  ])('copies every kind that the chart makes and may list it, %s', async (_, rest) => {
    const rendered = await render(of({}, rest));
    const { data } = rendered.get('ConfigMap', 'model-management-backup');
    const { resources: copied } = JSON.parse(data['config.json']!) as { resources: string[] };
    const always = [
      'autoscaling/v2/horizontalpodautoscalers',
      'networking.k8s.io/v1/ingresses',
      'policy/v1/poddisruptionbudgets',
    ];
    const made = [...kindsOf(rendered), ...always, 'v1/persistentvolumeclaims'];
    expect(copied.toSorted()).toEqual([...new Set(made)].toSorted());
    const { rules } = rendered.get('Role', 'model-management-backup');
    const listed = rules
      .filter(({ verbs }) => verbs.includes('list'))
      .flatMap(({ apiGroups, resources: names }) => names.map((name) => `${apiGroups.join()} ${name}`));
    const needed = copied.map((each) => each.replace(/^(?:(.+)\/)?[^/]+\/([^/]+)$/, '$1 $2'));
    expect(listed.toSorted()).toEqual([...needed, ' pods'].toSorted());
  });

  test('renders where gateways read how it went, and counts its pod and its claim in the bounds', async () => {
    const rendered = await render(of({ resources: { cpu: '1', memory: '64Gi' } }));
    const { volumes } = rendered.podTemplates['model-management-gateway']!.spec;
    expect(volumes).toContainEqual({ name: 'backup-status', configMap: { name: 'model-management-backup-status' } });
    const config = JSON.parse(rendered.get('ConfigMap', 'model-management-gateway').data['config.json']!);
    expect(config.backupStatusFile).toBe('/etc/model-management-backup/status.json');
    const without = await render(fleet({ a: {} }));
    const pods = (all: typeof rendered) => Number(all.only('ResourceQuota').spec.hard.pods);
    expect(pods(rendered)).toBe(pods(without) + 1);
    const limits = rendered.only('LimitRange').spec.limits;
    expect(limits[0]!.max.memory).toBe(String(64 * 2 ** 30));
    expect(limits[1]!.max.storage).toBe(String(50 * 2 ** 30));
  });

  test('refuses backups without the Secret of the repository', async () => {
    expect(await mistakes(of({ existingSecret: '' }))).toEqual([
      "backup: enabled without existingSecret: name the Secret that has RESTIC_PASSWORD and what the repository's cloud asks for, or set enabled to false",
    ]);
  });
});
