import { by, growth, on, ours, requests, sum } from './promql.ts';
import type { RecordingRule, RuleGroup } from './rules.ts';

/**
 * What clients may count on (`monitoring.objectives`), and how fast it is used up: after "Alerting on SLOs" in Google's
 * Site Reliability Workbook, chapter 5. A burn of 1 uses up in four weeks just what may go wrong in four weeks.
 */

/** Windows in which burn is looked at: each alert by a long one, and by a short one that tells whether it goes on. */
export const burnWindows = ['5m', '30m', '1h', '2h', '6h', '1d', '3d'] as const;
export const burn = (window: (typeof burnWindows)[number]) => ours(`model:slo_burn:ratio_rate${window}`);

const zero = `0 * group ${by('model')} (${ours('model:server:info')})`;
const seconds = 300;

/** What failed by a fault of ours: answers with 5xx, and those that were turned away (429) and that no other model answered. */
const failed = `clamp_min(${sum(
  ['model'],
  `${growth(requests('model_request_total', 'status="5xx"'), '5m')}` +
    ` or ${growth(requests('model_requests_rejected_total', 'reason=~"queue_full|queue_timeout"'), '5m')}` +
    ` or -1 * (${growth(requests('model_request_fallbacks_total'), '5m')})`,
)}, 0) / ${seconds}`;
const served = `${sum(['model'], growth(requests('model_request_total', 'status="2xx"'), '5m'))} / ${seconds}`;

const begun = `${sum(['model'], growth(requests('model_time_to_first_token_seconds_count'), '5m'))} / ${seconds}`;
const inTime = `${sum(
  ['model'],
  `(${growth(requests('model_time_to_first_token_seconds_bucket'), '5m')}) * ${on('model', 'le')} group_left () ` +
    ours('model:first_token_objective:info'),
)} / ${seconds}`;

const labels = (slo: string) => ({ slo });

export const objectives: RuleGroup<RecordingRule> = {
  name: 'model-management-objectives',
  rules: [
    {
      record: 'model:slo_bad:rate5m',
      labels: labels('available'),
      expr: `(${failed}) or ${zero}`,
      what: 'Requests that count against an objective (slo: available, first_token), 1/s',
      by: ['model', 'slo'],
    },
    {
      record: 'model:slo_total:rate5m',
      labels: labels('available'),
      expr: `((${served}) or ${zero}) + ${on('model')} ${ours('model:slo_bad:rate5m', 'slo="available"')}`,
      what: 'Requests that an objective is about, 1/s',
      by: ['model', 'slo'],
    },
    {
      record: 'model:slo_bad:rate5m',
      labels: labels('first_token'),
      expr: `clamp_min((${begun}) - ((${inTime}) or ${zero}), 0) or ${zero}`,
      what: 'Requests that count against an objective (slo: available, first_token), 1/s',
      by: ['model', 'slo'],
    },
    {
      record: 'model:slo_total:rate5m',
      labels: labels('first_token'),
      expr: `(${begun}) or ${zero}`,
      what: 'Requests that an objective is about, 1/s',
      by: ['model', 'slo'],
    },
    ...burnWindows.map((window) => ({
      record: `model:slo_burn:ratio_rate${window}`,
      expr:
        `avg_over_time(${ours('model:slo_bad:rate5m')}[${window}])` +
        ` / (avg_over_time(${ours('model:slo_total:rate5m')}[${window}]) > 0)` +
        ` / ${on('model', 'slo')} (1 - ${ours('model:slo_objective:ratio')})`,
      what: `How many times too fast an objective is being used up, over ${window}`,
      by: ['model', 'slo'],
    })),
  ],
};
