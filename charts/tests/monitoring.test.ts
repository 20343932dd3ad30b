import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { fleet, forecasting, model, render, template } from './render.ts';

const of = (monitoring: object, rest: object = {}) => fleet({ a: {} }, {}, { ...rest, monitoring });
const annotations = (pod: { metadata: { annotations?: Record<string, string> } }) =>
  Object.entries(pod.metadata.annotations ?? {}).filter(([key]) => key.startsWith('prometheus.io/'));

describe('how Prometheus finds pods', () => {
  test('renders annotations with the port and path of the metrics on every pod of gateway and servers, by default', async () => {
    const { podTemplates } = await render(fleet({ a: {}, b: {} }));
    expect(Object.keys(podTemplates)).toHaveLength(3);
    for (const pod of Object.values(podTemplates)) {
      expect(Object.fromEntries(annotations(pod))).toEqual({
        'prometheus.io/scrape': 'true',
        'prometheus.io/port': '9090',
        'prometheus.io/path': '/metrics',
      });
      const ports = [...(pod.spec.initContainers ?? []), ...pod.spec.containers].flatMap(({ ports = [] }) => ports);
      expect(ports.filter(({ name }) => name === 'metrics')).toEqual([{ name: 'metrics', containerPort: 9090 }]);
    }
  });

  test('renders a PodMonitor that chooses the pods of gateway, servers and forecaster, of this release alone', async () => {
    const scrape = { method: 'podMonitor', labels: { release: 'prometheus' }, intervalSeconds: 15 };
    const { autoscaling, forecaster } = forecasting;
    const names = { namePrefix: 'x-', commonLabels: { release: 'other' } };
    const rendered = await render(of({ ...forecasting.monitoring, scrape }, { ...names, autoscaling, forecaster }), {
      release: 'rel',
    });
    const { apiVersion, metadata, spec } = rendered.only('PodMonitor');
    expect([apiVersion, metadata.name, metadata.labels.release]).toEqual([
      'monitoring.coreos.com/v1',
      'x-model-management',
      'prometheus',
    ]);
    const { matchLabels, matchExpressions } = spec.selector;
    const chosen = Object.entries(rendered.podTemplates).filter(
      ([, { metadata }]) =>
        Object.entries(matchLabels).every(([key, value]) => metadata.labels[key] === value) &&
        matchExpressions.every(({ key, values }) => values.includes(metadata.labels[key]!)),
    );
    expect(chosen.map(([name]) => name)).toEqual([
      'x-a',
      'x-model-management-gateway',
      'x-model-management-forecaster',
    ]);
    expect(matchLabels['app.kubernetes.io/instance']).toBe('rel');
    const [endpoint] = spec.podMetricsEndpoints;
    expect([endpoint!.port, endpoint!.interval]).toEqual(['metrics', '15s']);
    expect(endpoint!.relabelings.map(({ targetLabel }) => targetLabel)).toEqual(['release', 'component', 'server']);
    // Both would count everything twice.
    for (const pod of Object.values(rendered.podTemplates)) expect(annotations(pod)).toEqual([]);
  });

  test('renders neither when pods are found otherwise', async () => {
    const rendered = await render(of({ scrape: { method: 'none' } }));
    expect(rendered.all('PodMonitor')).toEqual([]);
    for (const pod of Object.values(rendered.podTemplates)) expect(annotations(pod)).toEqual([]);
  });
});

describe('the rules', () => {
  const rulesOf = (data: Record<string, string>) =>
    Object.values(data).flatMap((text) => (parse(text) as { groups: object[] }).groups);

  test('omits them by default', async () => {
    const rendered = await render(of({}));
    expect(rendered.all('PrometheusRule')).toEqual([]);
    expect(rendered.find('ConfigMap', 'model-management-rules')).toBeUndefined();
  });

  test('renders the same in a PrometheusRule and in a ConfigMap, each with the labels by which it is chosen', async () => {
    const rules = { labels: { release: 'prometheus' } };
    const operator = await render(of({ rules: { ...rules, delivery: 'prometheusRule' } }));
    const files = await render(of({ rules: { ...rules, delivery: 'configMap' } }));
    const object = operator.only('PrometheusRule');
    const map = files.get('ConfigMap', 'model-management-rules');
    for (const { metadata } of [object, map]) {
      expect(metadata.labels).toMatchObject({ release: 'prometheus', 'app.kubernetes.io/name': 'model-management' });
    }
    expect(Object.keys(map.data).toSorted()).toEqual(['alerts.yaml', 'constants.yaml', 'recording.yaml']);
    const groups = (list: object[]) =>
      Object.fromEntries(list.map((group) => [(group as { name: string }).name, group]));
    expect(groups(rulesOf(map.data))).toEqual(groups(object.spec.groups));
    expect(object.spec.groups.length).toBeGreaterThan(10);
  });

  test('renders them for this release: no mark is left, and what Prometheus fills in is', async () => {
    const rules = { delivery: 'configMap', runbooksUrl: 'https://example.com/books' };
    const options = { release: 'rel', namespace: '007' };
    const { data } = (await render(of({ rules }, { namePrefix: 'x-' }), options)).get(
      'ConfigMap',
      'x-model-management-rules',
    );
    const text = Object.values(data).join('\n');
    expect(text.replaceAll('__name__', '')).not.toMatch(/__\w+__/);
    expect(data['alerts.yaml']).toContain('{{ $labels.model }}');
    expect(data['alerts.yaml']).toContain('runbook_url: https://example.com/books/model-server-down.md');
    expect(data['recording.yaml']).toContain('up{namespace="007",release="rel"}');
    expect(data['recording.yaml']).toContain('"x-(.+)"');
    const bare = (await render(of({ rules: { delivery: 'configMap' } }))).get('ConfigMap', 'model-management-rules');
    expect(bare.data['alerts.yaml']).toContain('runbook_url: docs/runbooks/model-server-down.md');
  });

  test('renders a constant for each model, and of all others one for each value that there is', async () => {
    const names = Array.from({ length: 200 }, (_, index) => `ollama-business-model-${index}`);
    const servers = Object.fromEntries(names.map((name) => [name, { costPerHour: 0.5 }]));
    const models = Object.fromEntries(names.map((name) => [name, model(name)]));
    const rules = { delivery: 'configMap' };
    const { stdout } = await template(fleet(servers, models, { monitoring: { rules } }));
    const document = stdout.split('\n---\n').find((text) => text.includes('constants.yaml: |'))!;
    const constants = (parse(document) as { data: Record<string, string> }).data['constants.yaml']!;
    const [group] = (parse(constants) as { groups: { rules: object[] }[] }).groups;
    expect(group!.rules.length - names.length).toBeLessThan(30);
    // A ConfigMap holds 1 MiB: a thousand models take less than two thirds of it.
    expect(constants.length / names.length).toBeLessThan(650);
  });
});
