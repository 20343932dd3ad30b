import { expect, test } from 'vitest';
import { fleet, render } from './render.ts';

const keda = (servers: Record<string, object>) =>
  fleet(
    servers,
    {},
    {
      autoscaling: { engine: 'keda', signals: 'demand', prometheusUrl: 'http://prometheus.monitoring:9090' },
      monitoring: { rules: { delivery: 'configMap' } },
    },
  );

test('renders a ScaledObject for each server that asks Prometheus for each signal, and no autoscaler', async () => {
  const rendered = await render(keda({ a: { replicas: { min: 0, max: 5 } } }), { kubeVersion: '1.29.0' });
  const { spec } = rendered.get('ScaledObject', 'a');
  expect(spec).toMatchObject({
    scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'a' },
    minReplicaCount: 0,
    maxReplicaCount: 5,
    cooldownPeriod: 300,
  });
  expect(spec.triggers).toEqual(
    ['load', 'schedule', 'forecast'].map((name) => ({
      type: 'prometheus',
      name,
      metricType: 'AverageValue',
      metadata: {
        serverAddress: 'http://prometheus.monitoring:9090',
        query: `max(server:${name}:replicas{namespace="models",release="release",server="a"})`,
        threshold: '1',
        activationThreshold: '0',
        ignoreNullValues: 'false',
      },
    })),
  );
  const autoscalers = rendered.all('HorizontalPodAutoscaler').map(({ metadata }) => metadata.name);
  expect(autoscalers).toEqual(['model-management-gateway']);
  expect(rendered.get('Deployment', 'a').spec).not.toHaveProperty('replicas');
});

test('renders the autoscaler of KEDA with the paces that it has without, and another name', async () => {
  const servers = {
    a: { replicas: { min: 0, max: 3 }, autoscaling: { behavior: { scaleDown: { windowSeconds: 900 } } } },
  };
  const { spec } = (await render(keda(servers))).get('ScaledObject', 'a');
  const { name, behavior } = spec.advanced.horizontalPodAutoscalerConfig;
  expect([name, spec.cooldownPeriod]).toEqual(['keda-hpa-a', 900]);
  const plain = { ...keda(servers), autoscaling: { signals: 'demand' } };
  const ours = (await render(plain)).get('HorizontalPodAutoscaler', 'a');
  expect(behavior).toEqual(ours.spec.behavior);
  // KEDA's webhook lets its own in beside it.
  expect(ours.metadata.annotations).toEqual({ 'validations.keda.sh/hpa-ownership': 'false' });
});

test('omits how the last pod goes where it never does, of which KEDA would warn', async () => {
  const { spec } = (await render(keda({ a: { replicas: { min: 1, max: 3 } } }))).get('ScaledObject', 'a');
  expect(spec).not.toHaveProperty('pollingInterval');
  expect(spec).not.toHaveProperty('cooldownPeriod');
});

test('renders CPU beside them where it is asked for, but never for a server with GPUs', async () => {
  const autoscaling = { alsoCpu: true, cpuUtilizationPercent: 55 };
  const rendered = await render(keda({ cpu: { autoscaling }, gpu: { autoscaling, resources: { gpu: 1 } } }));
  const own = (name: string) => rendered.get('ScaledObject', name).spec.triggers.slice(3);
  const metadata = { value: '55', containerName: 'ollama' };
  expect(own('cpu')).toEqual([{ type: 'cpu', name: 'cpu', metricType: 'Utilization', metadata }]);
  expect(own('gpu')).toEqual([]);
});

test('omits it for a server that is switched off', async () => {
  const rendered = await render(keda({ a: { autoscaling: { enabled: false } } }));
  expect(rendered.all('ScaledObject')).toEqual([]);
  expect(rendered.get('Deployment', 'a').spec.replicas).toBe(1);
});

test('renders a ScaledObject that asks for less by the pods that stay on demand, and keeps one beside them', async () => {
  const spot = { scheduling: { capacity: 'preferSpot' }, replicas: { min: 3, max: 8, onDemand: 2 } };
  const nights = { schedule: { nights: { days: ['mon'], from: '20:00', to: '07:00', min: 1 } } };
  const rendered = await render(keda({ a: { ...spot, autoscaling: nights } }));
  const { spec } = rendered.get('ScaledObject', 'a');
  expect([spec.minReplicaCount, spec.maxReplicaCount]).toEqual([1, 6]);
  expect(spec.triggers[0]!.metadata.query).toBe(
    'clamp_min(max(server:load:replicas{namespace="models",release="release",server="a"}) - 2, 0)',
  );
});
