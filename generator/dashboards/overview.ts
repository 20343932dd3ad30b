import { Dollars, PercentUnit, RequestsPerSecond, Seconds, Short } from '@grafana/grafana-foundation-sdk/units';
import type { Frame } from './frame.ts';
import { uid as modelUid } from './model.ts';
import { chart, figure, list } from './panels.ts';
import { tokenCost } from './token-cost.ts';
import { ours, variables } from './variables.ts';

const p95 = 'quantile="0.95"';
const bySlo = { warning: 1, critical: 6 };

/** Is it well? Where is the pain? What does it cost? */
export const overview: Frame = {
  uid: 'model-management-overview',
  title: 'Models: overview',
  description: 'All models of a release: whether they are well, where it hurts, and what they cost.',
  variables: [variables.datasource(), variables.namespace(), variables.release()],
  rows: [
    {
      title: 'Is it well?',
      panels: [
        figure({
          title: 'Alerts that fire',
          description: 'Alerts of this release that fire at this moment; the list below names them and their runbooks.',
          unit: Short,
          width: 4,
          query: {
            expr: 'sum(ALERTS{namespace="$namespace",release="$release",alertstate="firing"}) or vector(0)',
            legend: 'firing',
          },
          limits: { warning: 1, critical: 3 },
        }),
        figure({
          title: 'Requests',
          description: 'Requests that ended in a second, of all models, in the last 5 minutes.',
          unit: RequestsPerSecond,
          width: 4,
          query: { expr: `sum(${ours('model:requests:rate5m')})`, legend: 'requests' },
        }),
        figure({
          title: 'Failed',
          description: 'Part of all requests that ended with a fault of ours (5xx) in the last 5 minutes.',
          unit: PercentUnit,
          width: 4,
          decimals: 2,
          query: {
            expr:
              `(sum(${ours('model_status:requests:rate5m', 'status="5xx"')}) or vector(0))` +
              ` / (sum(${ours('model:requests:rate5m')}) > 0)`,
            legend: 'failed',
          },
          limits: { warning: 0.005, critical: 0.02 },
          noValue: 'no requests',
        }),
        figure({
          title: 'Waiting now',
          description:
            'Requests in the lines of all gateways. Some are well while they are few against what is answered at a time.',
          unit: Short,
          width: 4,
          query: { expr: `sum(${ours('model:queue_depth:sum')})`, legend: 'waiting' },
        }),
        figure({
          title: 'Longest first token, p95',
          description: 'Of the slowest model: one request in twenty waits longer for the first word of its answer.',
          unit: Seconds,
          width: 4,
          query: {
            expr: `max(${ours('model_quantile:first_token_seconds:rate5m', p95)})`,
            legend: 'first token',
          },
          noValue: 'no answers',
        }),
        figure({
          title: 'Servers without a replica',
          description: 'Servers that should have pods and of which no gateway knows one that is ready.',
          unit: Short,
          width: 4,
          query: {
            expr:
              `count((${ours('server:replicas:min')} > 0) unless on (server)` +
              ` (${ours('server:replicas_available:max')} > 0)) or vector(0)`,
            legend: 'servers',
          },
          limits: { warning: 1, critical: 2 },
        }),
        list({
          title: 'Models',
          description:
            'Every model, the busiest first. Burn is how many times too fast its objectives are being used up over an hour: ' +
            'above 1 it is on the way to missing them. Saturation is what is there by what can be answered at a time.',
          width: 24,
          by: 'model',
          worstBy: 'Burn, 1 h',
          columns: [
            {
              title: 'Burn, 1 h',
              expr: `max by (model) (${ours('model:slo_burn:ratio_rate1h')})`,
              unit: Short,
              limits: bySlo,
            },
            { title: 'Requests', expr: `max by (model) (${ours('model:requests:rate5m')})`, unit: RequestsPerSecond },
            {
              title: 'Failed',
              expr: `max by (model) (${ours('model:errors:ratio_rate5m')})`,
              unit: PercentUnit,
              limits: { warning: 0.005, critical: 0.02 },
            },
            {
              title: 'First token, p95',
              expr: `max by (model) (${ours('model_quantile:first_token_seconds:rate5m', p95)})`,
              unit: Seconds,
            },
            {
              title: 'Wait, p95',
              expr: `max by (model) (${ours('model_quantile:queue_wait_seconds:rate5m', p95)})`,
              unit: Seconds,
              limits: { warning: 10, critical: 30 },
            },
            { title: 'Waiting', expr: `max by (model) (${ours('model:queue_depth:sum')})`, unit: Short },
            {
              title: 'Saturation',
              expr: `max by (model) (${ours('model:saturation:ratio')})`,
              unit: PercentUnit,
              limits: { warning: 1, critical: 2 },
            },
          ],
          link: {
            title: 'Look at this model',
            url: `/d/${modelUid}?var-model=\${__value.text}&\${datasource:queryparam}&\${namespace:queryparam}&\${release:queryparam}`,
          },
        }),
      ],
    },
    {
      title: 'Where is the pain?',
      panels: [
        list({
          title: 'Alerts',
          description: 'What fires or is about to, by name; each has a runbook of its name in docs/runbooks.',
          width: 8,
          by: 'alertname',
          worstBy: 'Firing',
          columns: [
            {
              title: 'Firing',
              expr: 'sum by (alertname) (ALERTS{namespace="$namespace",release="$release",alertstate="firing"})',
              unit: Short,
              limits: { warning: 1, critical: 2 },
            },
            {
              title: 'Pending',
              expr: 'sum by (alertname) (ALERTS{namespace="$namespace",release="$release",alertstate="pending"})',
              unit: Short,
            },
          ],
        }),
        chart({
          title: 'Waiting requests',
          description:
            'Requests in line, by model. A line that grows while replicas are at their maximum needs a higher maximum.',
          unit: Short,
          width: 8,
          height: 9,
          stacked: true,
          queries: [{ expr: `max by (model) (${ours('model:queue_depth:sum')})`, legend: '{{model}}' }],
        }),
        chart({
          title: 'Wait for a place, p95',
          description: 'One request in twenty waits longer than this before a replica takes it.',
          unit: Seconds,
          width: 8,
          height: 9,
          queries: [
            { expr: `max by (model) (${ours('model_quantile:queue_wait_seconds:rate5m', p95)})`, legend: '{{model}}' },
          ],
        }),
        chart({
          title: 'Failed requests',
          description: 'Part of the requests that ended with a fault of ours (5xx), by model.',
          unit: PercentUnit,
          width: 8,
          max: 1,
          queries: [{ expr: `max by (model) (${ours('model:errors:ratio_rate5m')})`, legend: '{{model}}' }],
        }),
        chart({
          title: 'Rejected requests',
          description:
            'Requests that no replica got, by reason: full queues and waits that took too long want more replicas, key limits a word with a client.',
          unit: RequestsPerSecond,
          width: 8,
          stacked: true,
          queries: [{ expr: `sum by (reason) (${ours('model_reason:rejections:rate5m')})`, legend: '{{reason}}' }],
        }),
        chart({
          title: 'Replicas that get no requests',
          description:
            'Replicas that are ready and that gateways have ejected because they failed; they are probed and come back.',
          unit: Short,
          width: 8,
          queries: [{ expr: `max by (server) (${ours('server:replicas_ejected:max')})`, legend: '{{server}}' }],
        }),
      ],
    },
    {
      title: 'What does it cost?',
      panels: [
        figure({
          title: 'Cost an hour',
          description:
            'Of the pods that there are: by OpenCost where it runs, else by list prices (servers.NAME.costPerHour).',
          unit: Dollars,
          width: 4,
          height: 8,
          decimals: 2,
          query: { expr: `max(${ours('release:cost:dollars_per_hour')})`, legend: 'cost' },
          noValue: 'no prices',
        }),
        chart({
          title: 'Cost an hour, by server',
          description: 'What the pods of each server cost in an hour.',
          unit: Dollars,
          width: 10,
          decimals: 2,
          stacked: true,
          queries: [{ expr: `max by (server) (${ours('server:cost:dollars_per_hour')})`, legend: '{{server}}' }],
        }),
        tokenCost(ours),
      ],
    },
  ],
};
