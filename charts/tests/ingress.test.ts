import { expect, test } from 'vitest';
import { fleet, model, render } from './render.ts';

const ingress = async (values: object, rest: object = {}) =>
  (await render({ ...rest, ingress: { enabled: true, ...values } })).only('Ingress');

test('omits it when it is switched off, as by default', async () => {
  expect((await render()).all('Ingress')).toEqual([]);
});

test('renders the host with TLS by cert-manager in front of the gateway', async () => {
  const { metadata, spec } = await ingress({});
  expect(metadata.name).toBe('model-management');
  expect(metadata.annotations).toMatchObject({ 'cert-manager.io/cluster-issuer': 'letsencrypt-prod' });
  expect(spec).toMatchObject({
    ingressClassName: 'nginx',
    tls: [{ hosts: ['models.fineprint.ai'], secretName: 'model-management-tls' }],
  });
  const [rule] = spec.rules;
  expect(rule!.host).toBe('models.fineprint.ai');
  expect(rule!.http.paths[0]!.backend.service).toEqual({ name: 'model-management', port: { name: 'http' } });
});

test('renders streams unbuffered, for a little longer than an answer and the wait for it may take', async () => {
  const queue = { waitSeconds: 40, holdSeconds: 30 };
  const resources = { memory: '4Gi' };
  const gateway = { maxBodyMiB: 1024, queue, resources };
  const rest = { generationTimeoutSeconds: 900, gateway, agent: { resources } };
  const { metadata } = await ingress({}, fleet({ a: {} }, {}, rest));
  expect(metadata.annotations).toMatchObject({
    'nginx.ingress.kubernetes.io/proxy-buffering': 'off',
    'nginx.ingress.kubernetes.io/proxy-request-buffering': 'off',
    'nginx.ingress.kubernetes.io/proxy-read-timeout': '970',
    'nginx.ingress.kubernetes.io/proxy-send-timeout': '970',
    'nginx.ingress.kubernetes.io/proxy-body-size': '1024m',
  });
  const patient = { a: model('a', { queue: { holdSeconds: 600 } }) };
  const other = await ingress({}, fleet({ a: {}, b: {} }, patient, rest));
  expect(other.metadata.annotations).toMatchObject({ 'nginx.ingress.kubernetes.io/proxy-read-timeout': '1530' });
});

test("renders the user's annotations over its own, the empty too", async () => {
  const annotations = { 'nginx.ingress.kubernetes.io/proxy-buffering': '', 'example.com/on': 'on' };
  const { metadata } = await ingress({ annotations });
  expect(metadata.annotations).toMatchObject(annotations);
  expect(metadata.annotations).toHaveProperty(['nginx.ingress.kubernetes.io/proxy-body-size']);
});

test('omits TLS and the issuer when TLS is switched off', async () => {
  const { metadata, spec } = await ingress({ tls: { enabled: false } });
  expect(spec).not.toHaveProperty('tls');
  expect(metadata.annotations).not.toHaveProperty(['cert-manager.io/cluster-issuer']);
});

test('omits the issuer when the certificate comes from elsewhere', async () => {
  const { metadata, spec } = await ingress({ tls: { clusterIssuer: '', secretName: '1e3' } });
  expect(spec.tls![0]!.secretName).toBe('1e3');
  expect(metadata.annotations).not.toHaveProperty(['cert-manager.io/cluster-issuer']);
});
