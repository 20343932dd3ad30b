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

test('renders the selector of the pods that it is about, those that stay on demand included', async () => {
  const scheduling = { capacity: 'preferSpot' };
  const rendered = await render(fleet({ a: {}, b: { replicas: { min: 2, max: 3, onDemand: 1 }, scheduling } }));
  expect(rendered.all('PodDisruptionBudget').length).toBe(3);
  for (const { metadata, spec } of rendered.all('PodDisruptionBudget')) {
    const { matchLabels } = rendered.get('Deployment', metadata.name).spec.selector;
    expect(spec.selector.matchLabels).toEqual(matchLabels);
  }
});

test('omits the budget when it is switched off', async () => {
  const off = { podDisruptionBudget: { enabled: false } };
  const rendered = await render(fleet({ a: off, b: {} }, {}, { gateway: off }));
  expect(rendered.only('PodDisruptionBudget').metadata.name).toBe('b');
});
