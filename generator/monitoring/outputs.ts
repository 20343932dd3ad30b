import type { Output } from '../outputs.ts';
import { madeBy } from '../schema.ts';
import { toYaml } from '../yaml.ts';
import { alerts } from './alerts.ts';
import { marks } from './promql.ts';
import { recording } from './recording.ts';
import { type AlertRule, type RecordingRule, runbookOf } from './rules.ts';
import { tables } from './tables.ts';

/** Generated for monitoring: the rules that the chart brings, and what docs/ says of them. */
export function monitoringOutputs(): Output[] {
  return [
    { file: 'charts/files/rules/recording.yaml', text: rulesYaml(recording, recordingYaml) },
    { file: 'charts/files/rules/alerts.yaml', text: rulesYaml(alerts, alertYaml) },
    { file: 'docs/rules.md', text: tables(recording, alerts) },
  ];
}

/** As Prometheus reads it, but for the marks, which the chart replaces. */
function rulesYaml<Rule>(
  groups: readonly { name: string; rules: readonly Rule[] }[],
  rule: (rule: Rule) => object,
): string {
  const value = { groups: groups.map(({ name, rules }) => ({ name, rules: rules.map(rule) })) };
  return toYaml(value, [madeBy], () => undefined);
}

const recordingYaml = ({ record, expr, labels }: RecordingRule) => ({ record, expr, ...(labels && { labels }) });

const alertYaml = ({ alert, expr, for: duration, severity, summary, description }: AlertRule) => ({
  alert,
  expr,
  for: duration,
  labels: { severity },
  annotations: { summary, description, runbook_url: `${marks.runbooks}/${runbookOf(alert)}.md` },
});
