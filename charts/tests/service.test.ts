import { expect, test } from 'vitest';
import { fleet, forecasting, render } from './render.ts';

const gateway = async (service: object) =>
  (await render({ gateway: { service } })).get('Service', 'model-management').spec;

test('renders the address that clients use with affinity for an hour', async () => {
  expect(await gateway({})).toMatchObject({
    type: 'ClusterIP',
    sessionAffinity: 'ClientIP',
    sessionAffinityConfig: { clientIP: { timeoutSeconds: 3600 } },
    ports: [{ name: 'http', port: 80, targetPort: 'http' }],
  });
});

test('renders type, port and affinity as the values have them', async () => {
  expect(await gateway({ type: 'LoadBalancer', port: 11_434, sessionAffinitySeconds: 86_400 })).toMatchObject({
    type: 'LoadBalancer',
    sessionAffinityConfig: { clientIP: { timeoutSeconds: 86_400 } },
    ports: [{ port: 11_434 }],
  });
});

test('omits affinity when its time is 0', async () => {
  const spec = await gateway({ sessionAffinitySeconds: 0 });
  expect(spec).not.toHaveProperty('sessionAffinity');
  expect(spec).not.toHaveProperty('sessionAffinityConfig');
});

test('renders a Service for each server, with the ports of its agents', async () => {
  const rendered = await render(fleet({ a: {}, b: {} }));
  const names = rendered.all('Service').map(({ metadata }) => metadata.name);
  expect(names.toSorted()).toEqual(['a', 'b', 'model-management']);
  expect(rendered.get('Service', 'a').spec).toMatchObject({
    type: 'ClusterIP',
    ports: [
      { name: 'http', port: 8080, targetPort: 'http' },
      { name: 'metrics', port: 9090, targetPort: 'metrics' },
    ],
  });
});

test('renders target ports that the pods have', async () => {
  const rendered = await render(fleet({ a: {} }));
  const targets = { a: 'a', 'model-management': 'model-management-gateway' };
  for (const [service, deployment] of Object.entries(targets)) {
    const { initContainers = [], containers } = rendered.get('Deployment', deployment).spec.template.spec;
    const names = [...initContainers, ...containers].flatMap(({ ports = [] }) => ports.map(({ name }) => name));
    for (const { targetPort } of rendered.get('Service', service).spec.ports) expect(names).toContain(targetPort);
  }
});

test('renders where the status page asks the forecaster, ready or not, when there is one', async () => {
  const rendered = await render(fleet({ a: {} }, {}, forecasting));
  const { spec } = rendered.get('Service', 'model-management-forecaster');
  expect(spec).toMatchObject({
    publishNotReadyAddresses: true,
    ports: [{ name: 'metrics', port: 9090, targetPort: 'metrics' }],
  });
  const { labels } = rendered.podTemplates['model-management-forecaster']!.metadata;
  expect(labels).toMatchObject(spec.selector);
});
