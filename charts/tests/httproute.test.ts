import { expect, test } from 'vitest';
import { fleet, model, render } from './render.ts';

const edge = (ingress: object = {}, rest: object = {}) =>
  render({ ...rest, ingress: { enabled: true, kind: 'httpRoute', gateway: { name: 'public' }, ...ingress } });

const parent = { group: 'gateway.networking.k8s.io', kind: 'Gateway', name: 'public' };

test('omits it where there is no ingress, or one of the other kind', async () => {
  expect((await render({ ingress: { kind: 'httpRoute' } })).all('HTTPRoute')).toEqual([]);
  expect((await render({ ingress: { enabled: true } })).all('HTTPRoute')).toEqual([]);
});

test('renders the host at the listener with TLS of a Gateway that is there, and no Ingress and no Gateway', async () => {
  const rendered = await edge({ gateway: { name: 'public', namespace: 'edge' } });
  expect(rendered.all('Ingress')).toEqual([]);
  expect(rendered.all('Gateway')).toEqual([]);
  const { spec } = rendered.get('HTTPRoute', 'model-management');
  expect(spec.parentRefs).toEqual([{ ...parent, namespace: 'edge', sectionName: 'https' }]);
  expect(spec.hostnames).toEqual(['models.fineprint.ai']);
  expect(spec.rules).toHaveLength(1);
  const [{ matches, backendRefs, filters }] = spec.rules as [(typeof spec.rules)[0]];
  expect(matches).toEqual([{ path: { type: 'PathPrefix', value: '/' } }]);
  expect(backendRefs).toEqual([{ group: '', kind: 'Service', name: 'model-management', port: 80, weight: 1 }]);
  expect(filters).toBeUndefined();
});

test('sends requests to the port that the Service has', async () => {
  const rendered = await edge({}, { gateway: { service: { port: 8443 } } });
  const [rule] = rendered.get('HTTPRoute', 'model-management').spec.rules;
  expect(rule!.backendRefs![0]!.port).toBe(rendered.get('Service', 'model-management').spec.ports[0]!.port);
});

const ofNginx = 'nginx.ingress.kubernetes.io/proxy-read-timeout';

test.each([10, 600, 86_400])(
  'gives a request as long as the Ingress does when an answer may take %d s',
  async (seconds) => {
    const patient = { a: model('a', { queue: { holdSeconds: 3600 } }) };
    const values = { generationTimeoutSeconds: seconds };
    const ingress = { enabled: true, gateway: { name: 'public' } };
    const [route, other] = await Promise.all(
      ['httpRoute', 'ingress'].map((kind) =>
        render(fleet({ a: {} }, patient, { ...values, ingress: { ...ingress, kind } })),
      ),
    );
    const { request } = route!.get('HTTPRoute', 'model-management').spec.rules[0]!.timeouts!;
    // As the API says durations are written.
    expect(request).toMatch(/^([0-9]{1,5}(h|m|s|ms)){1,4}$/);
    const [, minutes, rest] = /^(\d+)m(\d+)s$/.exec(request)!;
    expect(`${Number(minutes) * 60 + Number(rest)}`).toBe(other!.only('Ingress').metadata.annotations![ofNginx]);
    expect(Number(minutes) * 60 + Number(rest)).toBeGreaterThan(seconds + 3600);
  },
);

test('renders a route from HTTP to HTTPS, at the listener for HTTP', async () => {
  const { metadata, spec } = (await edge()).get('HTTPRoute', 'model-management-redirect');
  expect(metadata.namespace).toBe('models');
  expect(spec.parentRefs).toEqual([{ ...parent, sectionName: 'http' }]);
  expect(spec.hostnames).toEqual(['models.fineprint.ai']);
  const [{ filters, backendRefs }] = spec.rules as [(typeof spec.rules)[0]];
  expect(filters).toEqual([{ type: 'RequestRedirect', requestRedirect: { scheme: 'https', statusCode: 301 } }]);
  expect(backendRefs).toBeUndefined();
});

test.each([
  ['both listeners where HTTP is not sent on', { tls: { redirect: 'never' } }, ['https', 'http']],
  ['the listener for HTTP without TLS', { tls: { enabled: false } }, ['http']],
  [
    'whichever takes the host where no listener is named',
    { tls: { redirect: 'never' }, gateway: { name: 'public', listener: '', httpListener: '' } },
    [undefined],
  ],
])('attaches the one route to %s', async (_, ingress, sections) => {
  const rendered = await edge(ingress);
  const { spec } = rendered.only('HTTPRoute');
  expect(spec.parentRefs.map(({ sectionName }) => sectionName)).toEqual(sections);
});

test("renders the user's annotations, and none of ingress-nginx", async () => {
  const annotations = { 'example.com/on': 'on' };
  const plain = await edge();
  for (const { metadata } of plain.all('HTTPRoute')) expect(metadata.annotations).toBeUndefined();
  const rendered = await edge({ annotations });
  for (const { metadata } of rendered.all('HTTPRoute')) expect(metadata.annotations).toEqual(annotations);
});

test('renders names with the prefix, and texts that look like something else as texts', async () => {
  const gateway = { name: '1e3', namespace: '8', listener: '9', httpListener: '7' };
  const rendered = await edge({ host: '10', gateway }, { namePrefix: 'x-' });
  expect(rendered.all('HTTPRoute').map(({ metadata }) => metadata.name)).toEqual([
    'x-model-management',
    'x-model-management-redirect',
  ]);
  const { spec } = rendered.get('HTTPRoute', 'x-model-management');
  expect(spec.parentRefs).toEqual([{ ...parent, name: '1e3', namespace: '8', sectionName: '9' }]);
  expect(spec.hostnames).toEqual(['10']);
});
