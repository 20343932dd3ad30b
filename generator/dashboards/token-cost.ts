import { Dollars } from '@grafana/grafana-foundation-sdk/units';
import { chart, type Panel } from './panels.ts';

/** What a million tokens cost, of the servers that `of` chooses. */
export const tokenCost = (of: (metric: string) => string): Panel =>
  chart({
    title: 'Cost of a million tokens',
    description: 'Of each server, at the tokens of the last hour: a server that idles is dear.',
    unit: Dollars,
    width: 10,
    decimals: 2,
    queries: [{ expr: `max by (server) (${of('server:cost_per_million_tokens:dollars')})`, legend: '{{server}}' }],
  });
