import { expect, test } from 'vitest';
import { render } from './render.ts';

const edge = async (ingress: object = {}, rest: object = {}) => {
  const gateway = { create: true, className: 'example' };
  return render({ ...rest, ingress: { enabled: true, kind: 'httpRoute', gateway, ...ingress } });
};

test('omits it unless the route is attached to one that the chart makes', async () => {
  const gateway = { create: true, className: 'example' };
  expect((await render({ ingress: { enabled: true, gateway } })).all('Gateway')).toEqual([]);
  expect((await render({ ingress: { kind: 'httpRoute', gateway } })).all('Gateway')).toEqual([]);
});

test('renders a listener for HTTP and one that ends TLS, for routes of its namespace alone', async () => {
  const rendered = await edge();
  const { metadata, spec } = rendered.only('Gateway');
  expect(spec.gatewayClassName).toBe('example');
  const shared = { hostname: 'models.fineprint.ai', allowedRoutes: { namespaces: { from: 'Same' } } };
  const certificateRefs = [{ group: '', kind: 'Secret', name: 'model-management-tls' }];
  expect(spec.listeners).toEqual([
    { ...shared, name: 'http', port: 80, protocol: 'HTTP' },
    { ...shared, name: 'https', port: 443, protocol: 'HTTPS', tls: { mode: 'Terminate', certificateRefs } },
  ]);
  for (const route of rendered.all('HTTPRoute')) {
    for (const parent of route.spec.parentRefs) {
      expect(parent.name).toBe(metadata.name);
      expect(spec.listeners.map(({ name }) => name)).toContain(parent.sectionName);
    }
  }
});

test('renders no listener for TLS where that is off, and no issuer', async () => {
  const { metadata, spec } = (await edge({ tls: { enabled: false } })).only('Gateway');
  expect(spec.listeners.map(({ name }) => name)).toEqual(['http']);
  expect(metadata.annotations).toBeUndefined();
});

test.each([
  ['the ClusterIssuer', {}, { 'cert-manager.io/cluster-issuer': 'letsencrypt-prod' }],
  ['the Issuer', { issuer: 'ours' }, { 'cert-manager.io/issuer': 'ours' }],
  ['none', { clusterIssuer: '' }, undefined],
])('has cert-manager make the certificate: %s', async (_, tls, expected) => {
  expect((await edge({ tls })).only('Gateway').metadata.annotations).toEqual(expected);
});

test("renders the user's annotations over its own", async () => {
  const annotations = { 'cert-manager.io/cluster-issuer': 'other', 'example.com/on': 'on' };
  expect((await edge({ annotations })).only('Gateway').metadata.annotations).toEqual(annotations);
});

test('is called as the values say, or like the Service', async () => {
  expect((await edge({}, { namePrefix: 'x-' })).only('Gateway').metadata.name).toBe('x-model-management');
  const gateway = { create: true, className: 'example', name: 'edge' };
  expect((await edge({ gateway })).only('Gateway').metadata.name).toBe('edge');
});
