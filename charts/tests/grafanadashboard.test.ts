import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { chartFolder } from '../../ci/testing/chart.ts';
import { fleet, render } from './render.ts';

const folder = path.join(chartFolder, 'files/dashboards');
const files = readdirSync(folder);
const read = (file: string) => JSON.parse(readFileSync(path.join(folder, file), 'utf8'));

const rendered = async (dashboards: object, rest: object = {}) =>
  render(fleet({ a: {} }, {}, { monitoring: { dashboards }, ...rest }));

type Rendered = Awaited<ReturnType<typeof rendered>>;
const configMaps = (of: Rendered) =>
  of.all('ConfigMap').filter(({ data }) => Object.keys(data).some((file) => files.includes(file)));

describe('the dashboards', () => {
  test('are omitted when they are not asked for, as by default', async () => {
    const release = await render();
    expect(configMaps(release)).toEqual([]);
    expect(release.all('GrafanaDashboard')).toEqual([]);
  });

  test('are rendered as they are, each in a ConfigMap that the sidecar of Grafana finds', async () => {
    const release = await rendered({ delivery: 'configMap' });
    const found = configMaps(release);
    expect(found.flatMap(({ data }) => Object.keys(data)).toSorted()).toEqual(files.toSorted());
    for (const { metadata, data } of found) {
      expect(metadata.labels.grafana_dashboard).toBe('1');
      expect(metadata.annotations).toBeUndefined();
      const [[file, json]] = Object.entries(data) as [[string, string]];
      expect(metadata.name).toBe(`model-management-dashboard-${path.basename(file, '.json')}`);
      expect(JSON.parse(json)).toEqual(read(file));
    }
    expect(release.all('GrafanaDashboard')).toEqual([]);
  });

  test('are rendered with labels and the folder that the values name', async () => {
    const labels = { grafana_dashboard: 'yes', team: 'models' };
    const release = await rendered({ delivery: 'configMap', labels, folder: 'Models' }, { namePrefix: 'x-' });
    for (const { metadata } of configMaps(release)) {
      expect(metadata.labels).toMatchObject(labels);
      expect(metadata.annotations).toEqual({ grafana_folder: 'Models' });
      expect(metadata.name).toMatch(/^x-model-management-dashboard-/);
    }
  });

  test('are rendered for the operator of Grafana, and then not for the sidecar too', async () => {
    const instanceSelector = { dashboards: 'other' };
    const release = await rendered({ delivery: 'grafanaDashboard', instanceSelector, folder: 'Models' });
    const found = configMaps(release);
    expect(found.some(({ metadata }) => 'grafana_dashboard' in metadata.labels)).toBe(false);
    const dashboards = release.all('GrafanaDashboard');
    expect(dashboards).toHaveLength(files.length);
    for (const { apiVersion, spec } of dashboards) {
      expect(apiVersion).toBe('grafana.integreatly.org/v1beta1');
      expect(spec).toMatchObject({
        allowCrossNamespaceImport: true,
        instanceSelector: { matchLabels: instanceSelector },
        folder: 'Models',
      });
      const { name, key } = spec.configMapRef;
      expect(found.find(({ metadata }) => metadata.name === name)?.data[key]).toBeDefined();
    }
  });
});
