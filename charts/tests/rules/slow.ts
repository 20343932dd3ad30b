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
    [series('server_replicas', { ...scraped.gateway, server: 'x-gpu', state: 'known' })]: `1x${days(4)}`,
    [series('server_replicas', { ...scraped.gateway, server: 'x-gpu', state: 'ejected' })]: `0x${days(4)}`,
    [series('model_request_total', { ...request, status: '2xx' })]: `0+20x${days(4)}`,
    [series('model_request_total', {
      ...request,
      status: '5xx',
    })]: `0x${days(1)} ${step}+${step}x${days(2) - 1} ${end}x${days(1)}`,
  };
};

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
];
