import { expect, test } from 'vitest';
import { fleet, model, render } from './render.ts';

const ingress = async (values: object, rest: object = {}) =>
  (await render({ ...rest, ingress: { enabled: true, ...values } })).only('Ingress');

const ofNginx = (annotations: Record<string, string>) =>
  Object.fromEntries(
    Object.entries(annotations).flatMap(([name, value]) => {
      const [, of] = /^nginx[.]ingress[.]kubernetes[.]io[/](.*)$/.exec(name) ?? [];
      return of ? [[of, value]] : [];
    }),
  );

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

test('renders an Issuer of the namespace instead of the ClusterIssuer, and never both', async () => {
  const { metadata } = await ingress({ tls: { issuer: 'ours' } });
  expect(metadata.annotations).toMatchObject({ 'cert-manager.io/issuer': 'ours' });
  expect(metadata.annotations).not.toHaveProperty(['cert-manager.io/cluster-issuer']);
});

test.each([
  ['withTls', true, { 'ssl-redirect': 'true' }],
  ['never', true, { 'ssl-redirect': 'false' }],
  ['always', true, { 'ssl-redirect': 'true', 'force-ssl-redirect': 'true' }],
  ['withTls', false, {}],
  ['never', false, {}],
  ['always', false, { 'force-ssl-redirect': 'true' }],
])('renders a redirect %s, with TLS %s, as %o', async (redirect, enabled, expected) => {
  const { metadata } = await ingress({ tls: { enabled, redirect } });
  const said = ofNginx(metadata.annotations!);
  expect(Object.fromEntries(Object.entries(said).filter(([name]) => name.endsWith('ssl-redirect')))).toEqual(expected);
});

test('renders no bound of requests unless the values have one, and each that they have', async () => {
  const limits = async (rateLimit: object) => {
    const { metadata } = await ingress({ rateLimit });
    return Object.fromEntries(
      Object.entries(ofNginx(metadata.annotations!)).filter(([name]) => name.startsWith('limit-')),
    );
  };
  expect(await limits({ exempt: ['10.0.0.0/8'] })).toEqual({});
  expect(await limits({ connections: 20 })).toEqual({ 'limit-connections': '20' });
  expect(await limits({ requestsPerSecond: 1_000_000, requestsPerMinute: 60, burstMultiplier: 3 })).toEqual({
    'limit-rps': '1000000',
    'limit-rpm': '60',
    'limit-burst-multiplier': '3',
  });
  expect(await limits({ connections: 1, exempt: ['10.0.0.0/8', 'fd00::/8'] })).toEqual({
    'limit-connections': '1',
    'limit-whitelist': '10.0.0.0/8,fd00::/8',
  });
});

const signIn = { url: 'http://oauth2-proxy.auth.svc/oauth2/auth', signinUrl: 'https://auth.example.com/oauth2/start' };

test('renders a sign-in for the status page alone, which has an Ingress of its own then', async () => {
  const rendered = await render({ ingress: { enabled: true, oauth2Proxy: { enabled: true, ...signIn } } });
  const [all, page] = [rendered.get('Ingress', 'model-management'), rendered.get('Ingress', 'model-management-ui')];
  const paths = ({ spec }: typeof all) =>
    spec.rules.flatMap(({ host, http }) => http.paths.map(({ path }) => host + path));
  expect([paths(all), paths(page)]).toEqual([['models.fineprint.ai/'], ['models.fineprint.ai/ui']]);
  expect(page.spec.rules[0]!.http.paths[0]!.backend).toEqual(all.spec.rules[0]!.http.paths[0]!.backend);
  expect(page.spec.tls).toEqual(all.spec.tls);
  const { 'auth-url': url, 'auth-signin': signin, ...rest } = ofNginx(page.metadata.annotations!);
  expect({ url, signinUrl: signin }).toEqual(signIn);
  expect(rest).toEqual(ofNginx(all.metadata.annotations!));
  // Two that ask for one certificate would have cert-manager make it twice.
  expect(all.metadata.annotations).toHaveProperty(['cert-manager.io/cluster-issuer']);
  expect(page.metadata.annotations).not.toHaveProperty(['cert-manager.io/cluster-issuer']);
});

test('renders a sign-in for everything on the one Ingress, without a page to sign in where there is none', async () => {
  const { metadata } = await ingress({ oauth2Proxy: { enabled: true, protect: 'everything', url: signIn.url } });
  expect(ofNginx(metadata.annotations!)).toMatchObject({ 'auth-url': signIn.url, 'proxy-buffering': 'off' });
  expect(ofNginx(metadata.annotations!)).not.toHaveProperty('auth-signin');
});

test("renders the user's annotations on the status page's Ingress too", async () => {
  const annotations = { 'nginx.ingress.kubernetes.io/auth-url': 'http://other/auth' };
  const rendered = await render({ ingress: { enabled: true, annotations, oauth2Proxy: { enabled: true, ...signIn } } });
  for (const { metadata } of rendered.all('Ingress')) expect(metadata.annotations).toMatchObject(annotations);
});
