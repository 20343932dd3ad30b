import { madeBy } from '../schema.ts';
import { type AlertRule, type RecordingRule, type RuleGroup, runbookOf } from './rules.ts';

/** What each constant is that the chart makes of values (charts/templates/_rules.tpl). */
export const constants: Record<string, string> = {
  'model:server:info{model,server,priority}': 'Every model, and the server that it is on; 1',
  'server:parallel:requests{server}': 'Requests for one model that a pod answers at a time',
  'server:replicas:min{server}': 'Fewest pods at any time of the week',
  'server:replicas:max{server}': 'Most pods',
  'server:replicas:fixed{server}': 'Pods that no autoscaler decides on (`replicas.onDemand`)',
  'server:target_utilization:ratio{server}': 'How full its pods are to be, 0 to 1',
  'server:download_budget:seconds{server}': 'Longest time to bring its models to its disk, s',
  'server:load_budget:seconds{server}': 'Longest time to load its models, s',
  'server:gpus:count{server}': 'GPUs of a pod; of servers that have any',
  'server:gpu_memory:bytes{server}': 'Memory of these together, bytes; where it is known',
  'server:pod_cost:dollars_per_hour{server}': 'Cost of a pod, US$/h; where it is known',
  'release:planned_cost:dollars_per_hour{paid,size}':
    'Planned cost of all nodes (paid: on-demand, spot; size: minimum, average, maximum), US$/h; where it is known',
  'release:backup_age_alert:seconds': 'Bound of an alert; where backups are made',
  'server:memory_alert:ratio{server}': 'Bound of an alert; the gateway has one without the label `server`',
  'server:restarts_alert:count{server}': 'Bound of an alert; the gateway has one without the label `server`',
  'server:gpu_alert:percent{server}': 'Bound of an alert; of servers with GPUs',
  'model:queue_wait_alert:seconds{model}': 'Bound of an alert',
  'model:rejected_alert:ratio{model}': 'Bound of an alert',
  'model:slo_objective:ratio{model,slo}': 'Objective (slo: available, first_token), 0 to 1',
  'model:first_token_objective:info{model,le}': 'Bucket of the objective, as Prometheus 2 and as 3 write it; 1',
};

/** docs/rules.md. */
export function tables(
  recording: readonly RuleGroup<RecordingRule>[],
  alerts: readonly RuleGroup<AlertRule>[],
): string {
  return `<!-- ${madeBy} -->

# Rules and alerts

Every name below has the labels \`namespace\` and \`release\`, and those in braces. [monitoring.md](monitoring.md) says how they
get to Prometheus, and what has to be scraped for them.

## Alerts

${table(
  ['alert', 'severity', 'for', 'needs'],
  alerts.flatMap(({ rules }) => rules.map(alertRow)),
)}

## Recorded by rules

${recording.map(({ name, rules }) => `### ${name}\n\n${table(['name', 'what'], unique(rules.map(recordingRow)))}`).join('\n\n')}

## Constants from values

Made by the chart of \`models\`, \`servers\` and \`monitoring\`: a change of those is taken up with the next \`helm upgrade\`.

${table(
  ['name', 'what'],
  Object.entries(constants).map(([name, what]) => [`\`${name}\``, what]),
)}
`;
}

const alertRow = ({ alert, severity, for: duration, needs }: AlertRule) => [
  `[${alert}](runbooks/${runbookOf(alert)}.md)`,
  severity,
  duration,
  needs?.join(', ') ?? '',
];

const recordingRow = ({ record, by, what, needs }: RecordingRule) => [
  `\`${record}${by.length > 0 ? `{${by.join(',')}}` : ''}\``,
  `${what}${needs ? ` (needs ${needs.join(', ')})` : ''}`,
];

const unique = (rows: string[][]) => [...new Map(rows.map((row) => [row.join(), row])).values()];

function table(head: string[], rows: string[][]): string {
  const line = (cells: string[]) => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}
