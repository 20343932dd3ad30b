import { expect, test } from 'vitest';
import { chartSchema } from '../../ci/testing/chart.ts';
import { environments, type Rendered, render, template } from './render.ts';

const keys = { gateway: { apiKeys: { enabled: true, existingSecret: 'keys-of-clients' } } };
const backup = { backup: { enabled: true, existingSecret: 'repository', repository: 's3:https://s3.example.com/b' } };
const store = { enabled: true, secretStoreRef: { kind: 'ClusterSecretStore', name: 'vault' } };

test('omits all of them when they are switched off, as by default', async () => {
  const externalSecrets = { apiKeys: { key: 'a' }, backup: { RESTIC_PASSWORD: { key: 'b' } } };
  expect((await render({ ...keys, ...backup, externalSecrets })).all('ExternalSecret')).toEqual([]);
});

test('renders the Secret that the gateway mounts, with the file that it reads', async () => {
  const apiKeys = { key: 'model-management/api-keys', property: 'file' };
  const rendered = await render({ ...keys, externalSecrets: { ...store, refreshSeconds: 60, apiKeys } });
  const { metadata, spec } = rendered.only('ExternalSecret');
  const { volumes } = rendered.get('Deployment', 'model-management-gateway').spec.template.spec;
  const { secretName, items } = volumes.find(({ name }) => name === 'api-keys')!.secret!;
  expect(metadata.name).toBe(secretName);
  expect(spec).toEqual({
    refreshInterval: '60s',
    secretStoreRef: { kind: 'ClusterSecretStore', name: 'vault' },
    target: { name: secretName, creationPolicy: 'Owner', deletionPolicy: 'Retain' },
    data: [{ secretKey: items[0]!.key, remoteRef: { key: 'model-management/api-keys', property: 'file' } }],
  });
});

test('renders the Secret of the backup, with every variable that the values name', async () => {
  const variables = { RESTIC_PASSWORD: { key: 'backup', property: 'password' }, AWS_ACCESS_KEY_ID: { key: 'aws-id' } };
  const rendered = await render({ ...backup, externalSecrets: { ...store, backup: variables } });
  const { spec } = rendered.only('ExternalSecret');
  expect(spec.target.name).toBe('repository');
  expect(Object.fromEntries(spec.data.map(({ secretKey, remoteRef }) => [secretKey, remoteRef]))).toEqual(variables);
});

test('renders the Secrets with which images are pulled, of the type that the kubelet wants', async () => {
  const imagePullSecrets = { ours: { key: 'registry' } };
  const rendered = await render({
    imagePullSecrets: ['ours', 'by-hand'],
    externalSecrets: { ...store, imagePullSecrets },
  });
  const { metadata, spec } = rendered.only('ExternalSecret');
  expect(metadata.name).toBe('ours');
  expect(spec.target.template).toEqual({ type: 'kubernetes.io/dockerconfigjson' });
  expect(spec.data).toEqual([{ secretKey: '.dockerconfigjson', remoteRef: { key: 'registry' } }]);
});

test('leaves alone what comes from elsewhere', async () => {
  const externalSecrets = { ...store, apiKeys: { key: 'keys' } };
  const rendered = await render({ ...keys, ...backup, externalSecrets });
  expect(rendered.all('ExternalSecret').map(({ metadata }) => metadata.name)).toEqual(['keys-of-clients']);
});

/** Environment variables of all containers, by name. */
const environmentOf = (rendered: Rendered) =>
  Object.values(rendered.podTemplates).flatMap(({ spec }) =>
    [...(spec.initContainers ?? []), ...spec.containers].flatMap(({ env = [] }) => env),
  );

const everything = {
  ...keys,
  ...backup,
  imagePullSecrets: ['ours'],
  modelRegistry: { host: 'mirror:5000', httpsProxy: 'http://proxy:3128' },
  networkPolicy: { httpsProxy: { addresses: ['10.1.2.3/32'] } },
  ingress: { enabled: true },
};

const secretive = /password|passphrase|secret|token|credential|api[-_]?key|private[-_]?key/i;

test.each(environments)(
  'renders no Secret and no variable with one, but names of Secrets, in %s',
  async (environment) => {
    const rendered = await render(everything, { environment });
    expect(rendered.objects.filter(({ kind }) => kind === 'Secret')).toEqual([]);
    const variables = environmentOf(rendered).filter(({ name }) => secretive.test(name));
    expect(variables).toEqual([{ name: 'BACKUP_SECRET', value: 'repository' }]);
  },
);

test('there is no value that a secret would be put into, but names of Secrets and where a store has them', () => {
  const names = new Set<string>();
  const visit = (schema: unknown): void => {
    if (typeof schema !== 'object' || schema === null) return;
    if ('properties' in schema) for (const name of Object.keys(schema.properties as object)) names.add(name);
    for (const part of Object.values(schema)) visit(part);
  };
  visit(chartSchema);
  expect([...names].filter((name) => secretive.test(name)).sort()).toEqual([
    'apiKeys',
    'existingSecret',
    'externalSecrets',
    'firstTokenPercent',
    'firstTokenSeconds',
    'imagePullSecrets',
    'secretKey',
    'secretName',
    'secretStoreRef',
  ]);
});

test.each([
  ['modelRegistry.httpsProxy', { modelRegistry: { httpsProxy: 'http://user:word@proxy:3128' } }],
  ['tracing.endpoint', { tracing: { endpoint: 'http://user:word@collector:4318/v1/traces' } }],
  ['autoscaling.prometheusUrl', { autoscaling: { prometheusUrl: 'http://user:word@prometheus:9090' } }],
  ['ingress.oauth2Proxy.url', { ingress: { oauth2Proxy: { url: 'http://user:word@oauth2-proxy/oauth2/auth' } } }],
])('refuses a password in the address %s', async (place, values) => {
  const { status, stderr } = await template(values);
  expect(status).not.toBe(0);
  expect(stderr).toContain(`at '/${place.replaceAll('.', '/')}': '`);
});
