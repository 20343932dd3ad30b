import { expect, test } from 'vitest';
import { fleet, render } from './render.ts';

test('renders how many pods may be gone, of servers and gateway', async () => {
  const gateway = { podDisruptionBudget: { maxUnavailable: 2 } };
  const rendered = await render(fleet({ a: { podDisruptionBudget: { maxUnavailable: 3 } } }, {}, { gateway }));
  expect(rendered.get('PodDisruptionBudget', 'a').spec.maxUnavailable).toBe(3);
  expect(rendered.get('PodDisruptionBudget', 'model-management-gateway').spec.maxUnavailable).toBe(2);
  for (const { spec } of rendered.all('PodDisruptionBudget'))
    expect(spec.unhealthyPodEvictionPolicy).toBe('AlwaysAllow');
});

test('renders the selector of the pods that it is about', async () => {
  const rendered = await render(fleet({ a: {}, b: {} }));
  expect(rendered.all('PodDisruptionBudget').length).toBe(3);
  for (const { metadata, spec } of rendered.all('PodDisruptionBudget')) {
    expect(spec.selector).toEqual(rendered.get('Deployment', metadata.name).spec.selector);
  }
});

test('omits the budget when it is switched off', async () => {
  const off = { podDisruptionBudget: { enabled: false } };
  const rendered = await render(fleet({ a: off, b: {} }, {}, { gateway: off }));
  expect(rendered.only('PodDisruptionBudget').metadata.name).toBe('b');
});
