import { cp, mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { temporaryFolder } from '../../ci/testing/project.ts';
import { chart, environments, fleet, type Rendered, render } from './render.ts';

const cache = { mode: 'shared' };
const everything = fleet({ own: {}, shared: { cache } }, {}, { ingress: { enabled: true } });
const value = /^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$/;
const key = /^([a-z0-9]([-a-z0-9.]*[a-z0-9])?\/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;

const allLabels = (rendered: Rendered) => [
  ...rendered.objects.map(({ metadata }) => metadata.labels),
  ...Object.values(rendered.podTemplates).map(({ metadata }) => metadata.labels),
];

describe('labels', () => {
  test.each(environments)(
    'renders every object with namespace and labels when the environment is %s',
    async (environment) => {
      const rendered = await render({}, { environment, release: 'r', namespace: 'n' });
      for (const { kind, metadata } of rendered.objects) {
        expect(metadata, `${kind} ${metadata.name}`).toMatchObject({
          namespace: 'n',
          labels: {
            'app.kubernetes.io/name': 'model-management',
            'app.kubernetes.io/instance': 'r',
            'app.kubernetes.io/component': expect.any(String),
            'app.kubernetes.io/part-of': 'model-management',
            'app.kubernetes.io/version': '0.1.0',
            'app.kubernetes.io/managed-by': 'Helm',
            'helm.sh/chart': 'model-management-0.1.0',
          },
        });
      }
      expect(rendered.objects.length).toBeGreaterThan(8);
    },
  );

  test('renders keys and values that Kubernetes takes, at the longest names too', async () => {
    const server = `s${'-1'.repeat(31)}`;
    const commonLabels = { 'example.com/team': '', on: 'off' };
    const values = fleet({ [server]: { cache }, b: {} }, {}, { commonLabels });
    const labels = allLabels(await render(values, { release: 'r'.repeat(53) }));
    expect(labels.length).toBeGreaterThan(12);
    for (const [name, text] of labels.flatMap((map) => Object.entries(map))) {
      expect(name).toMatch(key);
      expect(text).toMatch(value);
      expect(text.length).toBeLessThanOrEqual(63);
    }
    const own = labels.flatMap((map) => map['model-management.fineprint.ai/server'] ?? []);
    expect([...new Set(own)].toSorted()).toEqual(['b', server]);
  });

  test("renders the user's labels on all objects and pods, and none of them over its own", async () => {
    const commonLabels = { team: 'a', 'app.kubernetes.io/name': 'b', 'app.kubernetes.io/component': 'c', app: 'd' };
    const rendered = await render({ ...everything, commonLabels });
    for (const labels of allLabels(rendered)) {
      expect(labels).toMatchObject({ team: 'a', 'app.kubernetes.io/name': 'model-management' });
      expect(labels['app.kubernetes.io/component']).not.toBe('c');
    }
    expect(rendered.get('Deployment', 'own').spec.template.metadata.labels.app).toBe('ollama');
  });

  test('renders app=ollama on the pods of servers alone', async () => {
    const { podTemplates } = await render(everything);
    const ollama = Object.entries(podTemplates).filter(([_, { metadata }]) => metadata.labels.app === 'ollama');
    expect(ollama.map(([name]) => name).toSorted()).toEqual(['own', 'shared']);
  });
});

test('renders the words by which gateways find EndpointSlices, also under a name that a parent chart gives', async () => {
  await using folder = await temporaryFolder();
  await mkdir(path.join(folder.path, 'charts'));
  await cp(chart, path.join(folder.path, 'charts', 'model-management'), { recursive: true });
  const dependencies = [{ name: 'model-management', alias: 'llms', version: '0.1.0', repository: '' }];
  const parent = { apiVersion: 'v2', name: 'parent', version: '1.0.0', dependencies };
  await writeFile(path.join(folder.path, 'Chart.yaml'), JSON.stringify(parent));
  const rendered = await render({ llms: everything }, { chart: folder.path });
  for (const name of ['own', 'shared']) {
    expect(rendered.get('Service', name).metadata.labels).toMatchObject({
      'app.kubernetes.io/name': 'llms',
      'app.kubernetes.io/part-of': 'model-management',
      'app.kubernetes.io/component': 'server',
    });
  }
});

describe('selectors', () => {
  const selectors = (rendered: Rendered) => [
    ...rendered
      .all('Deployment')
      .map(({ metadata, spec }) => ({ of: metadata.name, labels: spec.selector.matchLabels })),
    ...rendered.all('Service').map(({ metadata, spec }) => ({ of: metadata.name, labels: spec.selector })),
  ];

  test('renders selectors that match the pods of one Deployment and of nothing else', async () => {
    const rendered = await render(everything);
    for (const { of, labels } of selectors(rendered)) {
      const matching = Object.entries(rendered.podTemplates).filter(([_, { metadata }]) =>
        Object.entries(labels).every(([name, text]) => metadata.labels[name] === text),
      );
      expect(matching.map(([name]) => name)).toEqual([of === 'model-management' ? 'model-management-gateway' : of]);
    }
    expect(selectors(rendered).length).toBe(6);
  });

  test('renders the same selectors whatever else changes, since they cannot be changed', async () => {
    const changed = fleet(
      { own: { replicas: { max: 9 }, resources: { cpu: '8' }, models: ['other'] }, shared: { cache, models: ['b'] } },
      {},
      { commonLabels: { team: 'a' }, ingress: { enabled: true }, image: { tag: 'x' }, gateway: { logLevel: 'debug' } },
    );
    expect(selectors(await render(changed, { kubeVersion: '1.29.0' }))).toEqual(selectors(await render(everything)));
  });
});
