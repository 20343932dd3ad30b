import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { alerts } from './alerts.ts';
import { recording } from './recording.ts';
import { runbookOf } from './rules.ts';
import { constants } from './tables.ts';

const docs = path.join(import.meta.dirname, '../../docs');
const folder = path.join(docs, 'runbooks');
const files = readdirSync(folder).sort();
const all = alerts.flatMap(({ rules }) => rules);
const names = [...new Set(all.map(({ alert }) => alert))];

const read = (file: string) => readFileSync(path.join(folder, file), 'utf8');

/** Names that a runbook may ask Prometheus for: what rules record, and what is scraped. */
const recorded = [
  ...recording.flatMap(({ rules }) => rules.map(({ record }) => record)),
  ...Object.keys(constants).map((name) => name.replace(/\{.*/, '')),
];
const scraped = ['up', 'model_loaded', 'model_request_retries_total', 'prober_probe_total'];

describe('the runbooks', () => {
  it('are there for every alert, and for nothing else', () => {
    expect(files).toEqual(names.map((name) => `${runbookOf(name)}.md`).toSorted());
  });

  it.each(names)('have the symptom, the check with commands, and the fix of %s', (name) => {
    const text = read(`${runbookOf(name)}.md`);
    expect([...text.matchAll(/^#+ .*$/gm)].map(([line]) => line)).toEqual([
      `# ${name}`,
      '## Symptom',
      '## Check',
      '## Fix',
    ]);
    const check = text.slice(text.indexOf('## Check'), text.indexOf('## Fix'));
    expect(check).toMatch(/```sh\nkubectl -n model-management /);
    const fix = text.slice(text.indexOf('## Fix'));
    expect(fix.match(/^- /gm)?.length ?? 0).toBeGreaterThan(1);
  });

  it.each(files)('ask for nothing that does not exist, and lead nowhere that is not there: %s', (file) => {
    const text = read(file);
    for (const [, link] of text.matchAll(/\]\(([^)]+)\)/g))
      expect([...files, '../autoscaling.md', '../backup.md', '../monitoring.md']).toContain(link);
    const queries = [...text.matchAll(/```promql\n(.*?)```/gs)].flatMap(([, block]) => block!.trim().split('\n'));
    for (const query of queries) {
      const [metric] = /(?:^|\()([a-z_][\w:]*)(?=[{[]|$)/.exec(query)?.slice(1) ?? [];
      expect([...recorded, ...scraped], query).toContain(metric);
    }
  });
});

describe('docs/monitoring.md', () => {
  it('says which alerts there are none of without an exporter', () => {
    const text = readFileSync(path.join(docs, 'monitoring.md'), 'utf8');
    const rows = [...text.matchAll(/^\| (kubelet|kube-state-metrics|DCGM exporter|cert-manager)[^|]*\| (.*) \|$/gm)];
    const said = rows.flatMap(([, , list]) => list!.split(', '));
    const needing = all.filter(({ needs }) => needs).map(({ alert }) => alert);
    expect(said.toSorted()).toEqual([...new Set(needing)].toSorted());
  });
});
