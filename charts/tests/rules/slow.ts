import type { AlertCase } from './alerts.ts';
import { type Series, scraped, series } from './promtool.ts';

/** Minutes in which a burn of days is tried: a sample every two, and what is recorded is looked at every ten. */
const every = { sample: 2, evaluation: 10 };
const days = (count: number) => count * 720;

const request = { ...scraped.gateway, model: 'llama', route: '/api/chat' };

/** A day without failures, then two with so many an hour among 600, then a day without. */
const failing = (anHour: number): Series => {
  const step = anHour / 30;
  const end = step * days(2);
  return {
    [series('up', scraped.gateway)]: `1x${days(4)}`,
    [series('up', scraped.gpu)]: `1x${days(4)}`,
    // A copy every day, of which the last is always an hour old.
    [series('backup_last_success_timestamp_seconds', scraped.gateway)]: `-3600+120x${days(4)}`,
    [series('server_replicas', { ...scraped.gateway, server: 'x-gpu', state: 'known' })]: `1x${days(4)}`,
    [series('server_replicas', { ...scraped.gateway, server: 'x-gpu', state: 'ejected' })]: `0x${days(4)}`,
    [series('model_request_total', { ...request, status: '2xx' })]: `0+20x${days(4)}`,
    [series('model_request_total', {
      ...request,
      status: '5xx',
    })]: `0x${days(1)} ${step}+${step}x${days(2) - 1} ${end}x${days(1)}`,
  };
};

const backedUp = series('backup_last_success_timestamp_seconds', scraped.gateway);
const gatewayWith = (more: Series): Series => ({
  [series('up', scraped.gateway)]: `1x${days(4)}`,
  ...Object.fromEntries(
    ['gpu', 'cpu'].flatMap((server) => [
      [series('server_replicas', { ...scraped.gateway, server: `x-${server}`, state: 'known' }), `1x${days(4)}`],
      [series('up', scraped[server as 'gpu' | 'cpu']), `1x${days(4)}`],
    ]),
  ),
  ...more,
});

/** Alerts that look at days. */
export const slowCases: AlertCase[] = [
  {
    alert: 'ModelErrorBudgetBurnsSlowly',
    severity: 'warning',
    series: failing(2.4),
    since: 60 * 24,
    alone: true,
    every,
    firing: 60 * 24 * 2,
    resolved: 60 * 24 * 3 + 300,
    labels: { model: 'llama', server: 'gpu', slo: 'available' },
    summary: 'llama will not keep its objective',
    description:
      'What may go wrong with llama in four weeks (available, objective 99.9%) is being used up 3.984 times too fast: more than a ' +
      'tenth of it in a day or three.',
    near: failing(0.6),
  },
  {
    alert: 'BackupMissing',
    severity: 'warning',
    // The first copy comes after the second day.
    series: gatewayWith({ [backedUp]: `_x${days(2)} 172800x${days(2)}` }),
    since: 0,
    alone: true,
    every: { ...every, evaluation: 60 },
    pending: 60 * 25,
    firing: 60 * 27,
    resolved: 60 * 24 * 2 + 30,
    labels: {},
    summary: 'There is no copy of rel',
    description: 'For a day and two hours there has been no copy of rel in ns that was found to be whole.',
    // After a day.
    near: gatewayWith({ [backedUp]: `_x${days(1)} 86400+120x${days(3)}` }),
  },
];
