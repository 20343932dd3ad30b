import { expect, test } from 'vitest';
import { fleet, render } from './render.ts';

test('renders the range and the aim of a server without GPUs, on the CPU of Ollama alone', async () => {
  const settings = { replicas: { min: 2, max: 1000 }, autoscaling: { cpuUtilizationPercent: 55 } };
  const { spec } = (await render(fleet({ a: settings }))).get('HorizontalPodAutoscaler', 'a');
  expect(spec).toMatchObject({
    scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'a' },
    minReplicas: 2,
    maxReplicas: 1000,
  });
  const target = { type: 'Utilization', averageUtilization: 55 };
  expect(spec.metrics).toEqual([
    { type: 'ContainerResource', containerResource: { name: 'cpu', container: 'ollama', target } },
  ]);
});

test('renders the range and the aim of the gateway', async () => {
  const gateway = { replicas: { min: 4, max: 9 }, autoscaling: { cpuUtilizationPercent: 40 } };
  const { spec } = (await render({ gateway })).get('HorizontalPodAutoscaler', 'model-management-gateway');
  expect(spec).toMatchObject({ minReplicas: 4, maxReplicas: 9 });
  expect(spec.metrics[0]!.containerResource).toMatchObject({
    container: 'gateway',
    target: { averageUtilization: 40 },
  });
});

test('renders containers to measure that the pods have', async () => {
  const rendered = await render();
  for (const { metadata, spec } of rendered.all('HorizontalPodAutoscaler')) {
    const { containers } = rendered.get('Deployment', metadata.name).spec.template.spec;
    expect(containers.map(({ name }) => name)).toContain(spec.metrics[0]!.containerResource.container);
  }
  expect(rendered.all('HorizontalPodAutoscaler').length).toBe(5);
});

test('omits it for a server that is switched off, has GPUs or may have no pods', async () => {
  const off = { autoscaling: { enabled: false } };
  const servers = { off, gpu: { resources: { gpu: 1 } }, none: { replicas: { min: 0 } } };
  const rendered = await render(fleet(servers, {}, { gateway: off }));
  expect(rendered.all('HorizontalPodAutoscaler')).toEqual([]);
});
