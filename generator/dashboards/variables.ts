import * as dashboard from '@grafana/grafana-foundation-sdk/dashboard';
import { datasource } from './panels.ts';

/** Samples of the release that whoever looks has chosen; its rules and pods carry both labels. */
const ofRelease = ['namespace="$namespace"', 'release="$release"'];

/** A metric, or what a rule recorded, of the release. */
export const ours = (metric: string, ...matchers: string[]) => `${metric}{${[...ofRelease, ...matchers].join(',')}}`;

/** The same of the chosen model or server. */
export const ofModel = (metric: string, ...matchers: string[]) => ours(metric, 'model=~"$model"', ...matchers);
export const ofServer = (metric: string, ...matchers: string[]) => ours(metric, 'server=~"$server"', ...matchers);

/** Whom a dashboard shows, from the widest to the narrowest: each choice is among what the ones before it leave. */
export const variables = {
  datasource: () => new dashboard.DatasourceVariableBuilder('datasource').label('Prometheus').type('prometheus'),
  namespace: () => among('namespace', 'Namespace', 'model:server:info'),
  release: () => among('release', 'Release', 'model:server:info{namespace="$namespace"}'),
  model: () => among('model', 'Model', ours('model:server:info')),
  servers: () => among('server', 'Server', ours('server:replicas:max')).multi(true).includeAll(true).allValue('.+'),
} as const;

function among(label: string, title: string, metric: string): dashboard.QueryVariableBuilder {
  return new dashboard.QueryVariableBuilder(label)
    .label(title)
    .datasource(datasource)
    .query({ query: `label_values(${metric}, ${label})`, refId: 'values' })
    .refresh(dashboard.VariableRefresh.OnTimeRangeChanged)
    .sort(dashboard.VariableSort.AlphabeticalAsc);
}
