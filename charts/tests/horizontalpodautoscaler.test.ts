import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { root } from '../../ci/tools/paths.ts';
import { mergeValues } from '../../generator/environment.ts';
import { fleet, render } from './render.ts';

describe('on CPU', () => {
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
      expect(containers.map(({ name }) => name)).toContain(spec.metrics[0]!.containerResource!.container);
    }
    expect(rendered.all('HorizontalPodAutoscaler').length).toBe(5);
  });

  test('omits it for a server that is switched off, has GPUs or may have no pods', async () => {
    const off = { autoscaling: { enabled: false } };
    const servers = { off, gpu: { resources: { gpu: 1 } }, none: { replicas: { min: 0 } } };
    const rendered = await render(fleet(servers, {}, { gateway: off }));
    expect(rendered.all('HorizontalPodAutoscaler')).toEqual([]);
  });

  test('has the usual tolerance, since a use of CPU is never the same for long', async () => {
    const { behavior } = (await render(fleet({ a: {} }))).get('HorizontalPodAutoscaler', 'a').spec;
    expect(behavior.scaleUp).not.toHaveProperty('tolerance');
    expect(behavior.scaleDown.stabilizationWindowSeconds).toBe(300);
  });

  test('takes no notice of a schedule', async () => {
    const schedule = { night: { days: ['mon'], from: '20:00', to: '07:00', min: 0 } };
    const rendered = await render(fleet({ a: { replicas: { min: 2, max: 3 }, autoscaling: { schedule } } }));
    expect(rendered.get('HorizontalPodAutoscaler', 'a').spec.minReplicas).toBe(2);
    expect(rendered.get('ConfigMap', 'model-management-gateway').data['config.json']).not.toContain('schedule');
  });
});

/** Values of servers that are scaled on demand. */
const onDemand = (servers: Record<string, object>, autoscaling: object = {}) =>
  fleet(
    servers,
    {},
    { autoscaling: { signals: 'demand', ...autoscaling }, monitoring: { rules: { delivery: 'configMap' } } },
  );

describe('on demand', () => {
  const external = (name: string, server: string) => ({
    type: 'External',
    external: {
      metric: { name, selector: { matchLabels: { release: 'release', server } } },
      target: { type: 'AverageValue', averageValue: '1' },
    },
  });
  const signals = (server: string) =>
    ['load', 'schedule', 'forecast'].map((signal) => external(`model_server_${signal}_replicas`, server));

  test('renders each signal as a metric of its own, for servers with GPUs as well, and no CPU', async () => {
    const servers = {
      cpu: { replicas: { min: 2, max: 5 } },
      gpu: { resources: { gpu: 1 }, replicas: { min: 1, max: 3 } },
    };
    const rendered = await render(onDemand(servers));
    for (const [name, { replicas }] of Object.entries(servers)) {
      const { spec } = rendered.get('HorizontalPodAutoscaler', name);
      expect(spec).toMatchObject({ minReplicas: replicas.min, maxReplicas: replicas.max });
      expect(spec.metrics).toEqual(signals(name));
      expect(rendered.get('Deployment', name).spec).not.toHaveProperty('replicas');
    }
  });

  test('selects a server by its key, also where its Deployment has a prefix', async () => {
    const rendered = await render({ ...onDemand({ a: {} }), namePrefix: 'x-' });
    expect(rendered.get('HorizontalPodAutoscaler', 'x-a').spec.metrics).toEqual(signals('a'));
  });

  test('renders CPU beside them where it is asked for, but never for a server with GPUs', async () => {
    const also = { autoscaling: { alsoCpu: true, cpuUtilizationPercent: 55 } };
    const rendered = await render(onDemand({ cpu: also, gpu: { ...also, resources: { gpu: 1 } } }));
    const { metrics } = rendered.get('HorizontalPodAutoscaler', 'cpu').spec;
    expect(metrics.slice(0, 3)).toEqual(signals('cpu'));
    expect(metrics[3]!.containerResource!.target.averageUtilization).toBe(55);
    expect(rendered.get('HorizontalPodAutoscaler', 'gpu').spec.metrics).toEqual(signals('gpu'));
  });

  test('renders the fewest pods of any window, and tells the gateway of all of them', async () => {
    const schedule = {
      night: { days: ['mon'], from: '20:00', to: '07:00', min: 0 },
      peak: { days: ['tue'], from: '09:00', to: '12:00', min: 3 },
    };
    const server = { replicas: { min: 2, max: 4 }, autoscaling: { schedule } };
    const rendered = await render(onDemand({ a: server }, { timeZone: 'Europe/Berlin' }));
    expect(rendered.get('HorizontalPodAutoscaler', 'a').spec.minReplicas).toBe(0);
    const config = JSON.parse(rendered.get('ConfigMap', 'model-management-gateway').data['config.json']!);
    expect(config.servers.a.pods).toEqual({ min: 0, max: 4 });
    expect(config.servers.a.schedule).toEqual({ timeZone: 'Europe/Berlin', otherwise: 2, windows: schedule });
  });

  test('renders how fast pods come and go, and has no tolerance where it can be said', async () => {
    const behavior = {
      scaleUp: { percent: 200, pods: 2, periodSeconds: 30 },
      scaleDown: { windowSeconds: 900, percent: 10, periodSeconds: 120 },
    };
    const of = async (kubeVersion: string) =>
      (await render(onDemand({ a: { autoscaling: { behavior } } }), { kubeVersion })).get(
        'HorizontalPodAutoscaler',
        'a',
      ).spec.behavior;
    const spec = {
      scaleUp: {
        stabilizationWindowSeconds: 0,
        tolerance: '0',
        selectPolicy: 'Max',
        policies: [
          { type: 'Percent', value: 200, periodSeconds: 30 },
          { type: 'Pods', value: 2, periodSeconds: 30 },
        ],
      },
      scaleDown: {
        stabilizationWindowSeconds: 900,
        selectPolicy: 'Max',
        policies: [{ type: 'Percent', value: 10, periodSeconds: 120 }],
      },
    };
    expect(await of('1.35.0')).toEqual(spec);
    const { tolerance: _none, ...older } = spec.scaleUp;
    expect(await of('1.34.9')).toEqual({ ...spec, scaleUp: older });
  });

  test('renders the examples of docs/autoscaling.md, and without a window that null takes away', async () => {
    const text = readFileSync(path.join(root, 'docs/autoscaling.md'), 'utf8');
    const examples = [...text.matchAll(/```yaml\n(.*?)```/gs)].map(([, yaml]) => parse(yaml!));
    const week = examples.find(({ servers }) => servers);
    const keda = examples.find(({ autoscaling }) => autoscaling?.engine === 'keda');
    const demand = { autoscaling: { signals: 'demand' }, monitoring: { rules: { delivery: 'configMap' } } };
    const rendered = await render(mergeValues(demand, week) as object);
    expect(rendered.get('HorizontalPodAutoscaler', 'ollama-qwen').spec).toMatchObject({
      minReplicas: 1,
      maxReplicas: 5,
    });
    const scaled = await render(mergeValues(demand, keda) as object);
    expect(scaled.all('ScaledObject')).toHaveLength(7);
    const schedule = { evenings: null, mornings: null, weekends: null };
    const without = await render(
      mergeValues(demand, { servers: { 'ollama-summary': { autoscaling: { schedule } } } }) as object,
    );
    expect(without.get('HorizontalPodAutoscaler', 'ollama-summary').spec.minReplicas).toBe(2);
  });

  test('leaves a server that is switched off as it is, without any schedule', async () => {
    const schedule = { night: { days: ['mon'], from: '20:00', to: '07:00', min: 1 } };
    const server = { replicas: { min: 2, max: 4 }, autoscaling: { enabled: false, schedule } };
    const rendered = await render(onDemand({ a: server }));
    expect(rendered.find('HorizontalPodAutoscaler', 'a')).toBeUndefined();
    expect(rendered.get('Deployment', 'a').spec.replicas).toBe(2);
    const config = JSON.parse(rendered.get('ConfigMap', 'model-management-gateway').data['config.json']!);
    expect(config.servers.a).not.toHaveProperty('schedule');
  });
});
