import path from 'node:path';
import { Ajv } from 'ajv';
import { createGenerator } from 'ts-json-schema-generator';
import { describe, expect, test } from 'vitest';
import { root } from '../../ci/tools/paths.ts';
import { recording } from '../monitoring/recording.ts';
import { constants } from '../monitoring/tables.ts';
import { dashboards } from './index.ts';

// biome-ignore lint/suspicious/noExplicitAny: a dashboard as Grafana reads it, which is JSON
const read: Record<string, any> = JSON.parse(JSON.stringify(dashboards));
const names = Object.keys(read);
// biome-ignore lint/suspicious/noExplicitAny: the same
const panelsOf = (name: string): any[] => read[name].panels.filter(({ type }: { type: string }) => type !== 'row');

/** Grafana's own types, which its npm package `@grafana/schema` has apart from those of the builders. */
function grafana(file: string, type: string) {
  const schema = createGenerator({
    path: path.join(root, 'node_modules/@grafana/schema/dist/types/raw', file),
    tsconfig: path.join(root, 'generator/schema.tsconfig.json'),
    type,
    topRef: false,
    additionalProperties: false,
    skipTypeCheck: true,
  }).createSchema(type) as { definitions?: Record<string, { additionalProperties?: boolean }> };
  // What an annotation asks is the matter of its datasource, which the types leave out.
  delete schema.definitions?.AnnotationQuery?.additionalProperties;
  const validate = new Ajv({ allErrors: true, strict: false }).compile(schema);
  return (value: unknown) =>
    validate(value)
      ? []
      : validate.errors!.map(
          ({ instancePath, message, params }) => `${instancePath} ${message} ${JSON.stringify(params)}`,
        );
}

describe('a dashboard', () => {
  const isDashboard = grafana('dashboard/x/types.gen.d.ts', 'Dashboard');

  test.each(names)('%s is one by the types of Grafana', (name) => {
    expect(isDashboard(read[name])).toEqual([]);
  });

  test('with a panel of another shape is none', () => {
    const [first] = names;
    const [panel] = panelsOf(first!);
    expect(isDashboard({ ...read[first!], panels: [{ ...panel, gridPos: { w: 'wide' } }] })).not.toEqual([]);
  });

  describe.each(['timeseries', 'stat', 'table'])('has panels of the kind %s', (kind) => {
    const panels = names
      .flatMap((name) => panelsOf(name).map((panel) => ({ name, panel })))
      .filter(({ panel }) => panel.type === kind);
    const file = `composable/${kind}/panelcfg/x/types.gen.d.ts`;

    test('that are set up as it wants', () => {
      const isSetUp = grafana(file, 'Options');
      expect(panels.length).toBeGreaterThan(0);
      expect(
        panels.flatMap(({ panel }) => isSetUp(panel.options).map((mistake) => `${panel.title}: ${mistake}`)),
      ).toEqual([]);
    });
  });

  test.each(names)('%s has panels that say what they show, of what unit, by what they ask', (name) => {
    const ids = new Set<number>();
    for (const { id, title, description, type, targets, fieldConfig, datasource } of panelsOf(name)) {
      expect(description?.length, title).toBeGreaterThan(20);
      expect(description, title).toMatch(/\.$/);
      expect(fieldConfig.defaults.unit, title).toBeTruthy();
      expect(datasource, title).toEqual({ type: 'prometheus', uid: '$datasource' });
      expect(targets.length, title).toBeGreaterThan(0);
      expect(new Set(targets.map(({ refId }: { refId: string }) => refId)).size, title).toBe(targets.length);
      if (type === 'timeseries') expect(fieldConfig.defaults.custom.axisLabel, title).toBeTruthy();
      ids.add(id);
    }
    expect(ids.size).toBe(panelsOf(name).length);
  });

  test.each(names)('%s has no two panels in one place', (name) => {
    const taken = new Map<string, string>();
    for (const { title, gridPos } of read[name].panels) {
      expect(gridPos.x + gridPos.w, title).toBeLessThanOrEqual(24);
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
          expect(taken.get(`${x},${y}`), `${title}: is where another is`).toBeUndefined();
          taken.set(`${x},${y}`, title);
        }
      }
    }
  });

  test.each(names)('%s asks for nothing but the release that was chosen', (name) => {
    for (const { title, targets } of panelsOf(name)) {
      for (const { expr } of targets) {
        const selectors = [...expr.matchAll(/[a-zA-Z_:][a-zA-Z0-9_:]*\{([^}]*)\}/g)];
        expect(selectors.length, title).toBeGreaterThan(0);
        for (const [selector, matchers] of selectors) {
          expect(matchers, `${title}: ${selector}`).toContain('namespace="$namespace",release="$release"');
        }
      }
    }
  });

  /** What Prometheus has of itself or of our processes, without a rule. */
  const forecast = ['replicas', 'expected_replicas', 'loss_replicas', 'horizon_seconds', 'start_seconds'];
  const measured = [
    ...['ALERTS', 'process_start_time_seconds', 'queue_depth', 'model_unloads_total'],
    ...forecast.map((name) => `server_forecast_${name}`),
  ];
  const recorded = recording.flatMap(({ rules }) => rules.map(({ record }) => record));
  const known = new Set([...measured, ...recorded, ...Object.keys(constants).map((name) => name.replace(/\{.*/, ''))]);

  test.each(names)('%s asks for what there is', (name) => {
    for (const { title, targets } of panelsOf(name)) {
      for (const { expr } of targets) {
        for (const [, metric] of expr.matchAll(/([a-zA-Z_:][a-zA-Z0-9_:]*)\{/g)) {
          expect(known, `${title}: ${expr}`).toContain(metric);
        }
      }
    }
  });
});
