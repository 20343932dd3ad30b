import type { Builder } from '@grafana/grafana-foundation-sdk/cog';
import * as dashboard from '@grafana/grafana-foundation-sdk/dashboard';
import { madeBy } from '../schema.ts';
import { datasource, type Panel } from './panels.ts';
import { ours } from './variables.ts';

/** Rows of panels under a heading. */
export interface Row {
  title: string;
  panels: Panel[];
}

export interface Frame {
  /** Its file, and where others point to it. */
  uid: string;
  title: string;
  description: string;
  variables: Builder<dashboard.VariableModel>[];
  rows: Row[];
}

const tag = 'model-management';

/** A dashboard of rows, with links to the others of the release and marks where it changed and where alerts fired. */
export function frame({ uid, title, description, variables, rows }: Frame): dashboard.Dashboard {
  const builder = new dashboard.DashboardBuilder(title)
    .uid(uid)
    // Grafana shows it to whoever would edit.
    .description(`${description} ${madeBy}`)
    .tags([tag])
    .readonly()
    .tooltip(dashboard.DashboardCursorSync.Crosshair)
    .time({ from: 'now-3h', to: 'now' })
    .refresh('30s')
    .timezone('browser')
    .link(
      new dashboard.DashboardLinkBuilder('Dashboards')
        .type(dashboard.DashboardLinkType.Dashboards)
        .tags([tag])
        .includeVars(true)
        .keepTime(true),
    )
    .annotation(
      mark(
        'Alerts',
        'red',
        `ALERTS{namespace="$namespace",release="$release",alertstate="firing"}`,
        '{{alertname}} {{model}}{{server}}',
      ),
    )
    .annotation(
      // The first minutes of a pod: a rollout starts new ones.
      mark('New pods', 'blue', `${ours('process_start_time_seconds')} > time() - 60`, '{{pod}} started'),
    );
  for (const variable of variables) builder.withVariable(variable);
  for (const { title, panels } of rows) {
    builder.withRow(new dashboard.RowBuilder(title));
    for (const panel of panels) builder.withPanel(panel);
  }
  const built = builder.build();
  // Links and alerts point to panels by their ids.
  for (const [index, panel] of built.panels!.entries()) panel.id = index + 1;
  // What the builders set for variables that are intervals, and Grafana does not know of others.
  for (const variable of built.templating!.list!) {
    for (const key of ['auto', 'auto_min', 'auto_count'] as const) delete variable[key];
  }
  return built;
}

function mark(name: string, colour: string, expr: string, title: string): Builder<dashboard.AnnotationQuery> {
  return new dashboard.AnnotationQueryBuilder()
    .name(name)
    .datasource(datasource)
    .enable(true)
    .hide(false)
    .iconColor(colour)
    .expr(expr)
    .titleFormat(title)
    .step('60s');
}
