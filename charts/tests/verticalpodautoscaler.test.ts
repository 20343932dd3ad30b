import { expect, test } from 'vitest';
import { fleet, render } from './render.ts';

const recommendations = { autoscaling: { recommendations: true } };

test('renders one for each server without GPUs that changes nothing, about Ollama alone', async () => {
  const servers = { a: {}, b: { autoscaling: { enabled: false } }, gpu: { resources: { gpu: 1 } } };
  const rendered = await render(fleet(servers, {}, recommendations));
  expect(rendered.all('VerticalPodAutoscaler').map(({ metadata }) => metadata.name)).toEqual(['a', 'b']);
  const { spec } = rendered.get('VerticalPodAutoscaler', 'a');
  expect(spec.targetRef).toEqual({ apiVersion: 'apps/v1', kind: 'Deployment', name: 'a' });
  expect(spec.updatePolicy).toEqual({ updateMode: 'Off' });
  expect(spec.resourcePolicy.containerPolicies).toEqual([
    { containerName: 'ollama', controlledResources: ['cpu', 'memory'] },
    { containerName: '*', mode: 'Off' },
  ]);
});

test('omits it unless recommendations are wanted', async () => {
  expect((await render(fleet({ a: {} }))).all('VerticalPodAutoscaler')).toEqual([]);
});
