import { expect, test } from 'vitest';
import { fleet, forecasting, render } from './render.ts';

const values = fleet({ own: {}, shared: { cache: { mode: 'shared' } } });

test('renders one account for the gateway and one for all servers, without tokens', async () => {
  const accounts = (await render(values)).all('ServiceAccount');
  expect(accounts.map(({ metadata }) => metadata.name)).toEqual([
    'model-management-gateway',
    'model-management-servers',
  ]);
  for (const account of accounts) expect(account.automountServiceAccountToken).toBe(false);
});

test('renders an account for the forecaster when there is one, without a token', async () => {
  const rendered = await render(fleet({ own: {} }, {}, forecasting));
  expect(rendered.get('ServiceAccount', 'model-management-forecaster').automountServiceAccountToken).toBe(false);
  const { spec } = rendered.podTemplates['model-management-forecaster']!;
  expect([spec.serviceAccountName, spec.automountServiceAccountToken]).toEqual(['model-management-forecaster', false]);
});

test('renders accounts for all pods', async () => {
  const rendered = await render(values);
  const names = rendered.all('ServiceAccount').map(({ metadata }) => metadata.name);
  const templates = Object.values(rendered.podTemplates);
  expect(templates.length).toBe(4);
  for (const { spec } of templates) expect(names).toContain(spec.serviceAccountName);
});

test('renders a token for the gateway, which watches EndpointSlices, and for no other pod', async () => {
  const { podTemplates } = await render(values);
  const withToken = Object.keys(podTemplates).filter((name) => podTemplates[name]!.spec.automountServiceAccountToken);
  expect(withToken).toEqual(['model-management-gateway']);
});
