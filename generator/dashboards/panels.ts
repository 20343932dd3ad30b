import type { Builder } from '@grafana/grafana-foundation-sdk/cog';
import * as common from '@grafana/grafana-foundation-sdk/common';
import * as dashboard from '@grafana/grafana-foundation-sdk/dashboard';
import * as prometheus from '@grafana/grafana-foundation-sdk/prometheus';
import * as stat from '@grafana/grafana-foundation-sdk/stat';
import * as table from '@grafana/grafana-foundation-sdk/table';
import * as timeseries from '@grafana/grafana-foundation-sdk/timeseries';

export type Panel = Builder<dashboard.Panel>;

/** The Prometheus that whoever looks has chosen. */
export const datasource = { type: 'prometheus', uid: '$datasource' };

/** What every panel says: nobody on call should have to guess what a line means. */
interface Said {
  title: string;
  /** What it shows, and what to make of it. */
  description: string;
  /** Of the values, as Grafana spells units. */
  unit: string;
  /** Of the 24 columns. */
  width: number;
  height?: number;
  decimals?: number;
}

/** A query, and what its series are called. */
export interface Query {
  expr: string;
  legend: string;
}

/** From which value on a colour, where more is worse. */
export interface Limits {
  warning: number;
  critical: number;
}

const ascending = ({ warning, critical }: Limits): dashboard.Threshold[] => [
  { value: null, color: 'green' },
  { value: warning, color: 'orange' },
  { value: critical, color: 'red' },
];

/** The same where less is worse. */
const descending = ({ warning, critical }: Limits): dashboard.Threshold[] => [
  { value: null, color: 'red' },
  { value: critical, color: 'orange' },
  { value: warning, color: 'green' },
];

function thresholds(limits: Limits | undefined): dashboard.ThresholdsConfigBuilder {
  const steps = limits ? (limits.warning <= limits.critical ? ascending : descending)(limits) : [neutral];
  return new dashboard.ThresholdsConfigBuilder().mode(dashboard.ThresholdsMode.Absolute).steps(steps);
}

/** For figures that are neither good nor bad. */
const neutral: dashboard.Threshold = { value: null, color: 'text' };

const target = ({ expr, legend }: Query, refId: string) =>
  new prometheus.DataqueryBuilder().expr(expr).legendFormat(legend).refId(refId).datasource(datasource);

/** `A`, `B`, … as Grafana names the queries of a panel. */
const refId = (index: number) => String.fromCharCode('A'.charCodeAt(0) + index);

/** Lines over time. */
export interface Chart extends Said {
  queries: Query[];
  /** Areas on top of each other, for what adds up. */
  stacked?: boolean;
  /** Lines at which it gets bad. */
  limits?: Limits;
  /** Of the axis, where it is no matter of what is measured: 1 for a share. */
  max?: number;
}

export function chart({ title, description, unit, width, height = 8, decimals, queries, ...look }: Chart): Panel {
  const panel = new timeseries.PanelBuilder()
    .title(title)
    .description(description)
    .datasource(datasource)
    .unit(unit)
    .min(0)
    .span(width)
    .height(height)
    .drawStyle(common.GraphDrawStyle.Line)
    .lineWidth(1)
    .fillOpacity(look.stacked ? 40 : 8)
    .gradientMode(common.GraphGradientMode.None)
    .showPoints(common.VisibilityMode.Never)
    .axisLabel(axisLabels[unit] ?? '')
    .legend(
      new common.VizLegendOptionsBuilder()
        .displayMode(common.LegendDisplayMode.Table)
        .placement(common.LegendPlacement.Bottom)
        .showLegend(true)
        .calcs(['lastNotNull', 'max']),
    )
    .tooltip(
      new common.VizTooltipOptionsBuilder().mode(common.TooltipDisplayMode.Multi).sort(common.SortOrder.Descending),
    );
  if (decimals !== undefined) panel.decimals(decimals);
  if (look.max !== undefined) panel.max(look.max);
  if (look.stacked) panel.stacking(new common.StackingConfigBuilder().mode(common.StackingMode.Normal).group('all'));
  if (look.limits) {
    panel
      .thresholds(thresholds(look.limits))
      .thresholdsStyle(new common.GraphThresholdsStyleConfigBuilder().mode(common.GraphThresholdsStyleMode.Dashed));
  }
  for (const [index, query] of queries.entries()) panel.withTarget(target(query, refId(index)).range());
  return panel;
}

/** What stands beside an axis: its values carry the unit already, and this says of what. */
const axisLabels: Record<string, string> = {
  s: 'time',
  reqps: 'requests per second',
  percentunit: 'share',
  percent: 'share',
  bytes: 'memory',
  short: 'count',
  currencyUSD: 'US dollars',
  cps: 'tokens per second',
};

/** One figure, and how it went. */
export interface Figure extends Said {
  query: Query;
  limits?: Limits;
  /** What stands there when there is no data: a figure that is gone is not a good one. */
  noValue?: string;
}

export function figure({
  title,
  description,
  unit,
  width,
  height = 4,
  decimals,
  query,
  limits,
  noValue,
}: Figure): Panel {
  const panel = new stat.PanelBuilder()
    .title(title)
    .description(description)
    .datasource(datasource)
    .unit(unit)
    .span(width)
    .height(height)
    .thresholds(thresholds(limits))
    .colorMode(limits ? common.BigValueColorMode.Background : common.BigValueColorMode.None)
    .graphMode(common.BigValueGraphMode.Area)
    .reduceOptions(new common.ReduceDataOptionsBuilder().calcs(['lastNotNull']))
    .noValue(noValue ?? 'no data')
    .withTarget(target(query, 'A').range());
  if (decimals !== undefined) panel.decimals(decimals);
  return panel;
}

/** A column of a table: a value for each row, named by what the rows are of. */
export interface Column {
  title: string;
  expr: string;
  unit: string;
  limits?: Limits;
}

/** Rows by a label, one column a query. */
export interface List extends Omit<Said, 'unit'> {
  /** The label that rows are of. */
  by: string;
  columns: Column[];
  /** Title of the column by which rows are sorted, the largest first. */
  worstBy: string;
  /** Where a row leads. */
  link?: { title: string; url: string };
}

export function list({ title, description, width, height = 9, by, columns, worstBy, link }: List): Panel {
  const panel = new table.PanelBuilder()
    .title(title)
    .description(description)
    .datasource(datasource)
    .unit('short')
    .span(width)
    .height(height)
    .sortBy([new common.TableSortByFieldStateBuilder().displayName(worstBy).desc(true)])
    // Each query is a table of labels and a value: joined by the label, with everything else left out.
    .withTransformation({ id: 'joinByField', options: { byField: by, mode: 'outer' } })
    .withTransformation({
      id: 'filterFieldsByName',
      options: { include: { pattern: `^(${by}|Value.*)$` } },
    })
    .withTransformation({
      id: 'organize',
      options: {
        renameByName: Object.fromEntries(columns.map(({ title }, index) => [valueColumn(index, columns), title])),
      },
    });
  for (const [index, { expr }] of columns.entries()) {
    panel.withTarget(
      new prometheus.DataqueryBuilder()
        .expr(expr)
        .refId(refId(index))
        .datasource(datasource)
        .instant()
        .format(prometheus.PromQueryFormat.Table),
    );
  }
  for (const { title, unit, limits } of columns) {
    const cell = limits && {
      id: 'custom.cellOptions',
      value: { type: common.TableCellDisplayMode.ColorText },
    };
    panel.overrideByName(title, [
      { id: 'unit', value: unit },
      ...(cell ? [cell, { id: 'thresholds', value: thresholds(limits).build() }] : []),
    ]);
  }
  if (link) panel.overrideByName(by, [{ id: 'links', value: [link] }]);
  return {
    build() {
      const built = panel.build();
      // Tables have no footer of this kind any more.
      delete built.options.footer;
      return built;
    },
  };
}

/** What Grafana calls the value of a query among several, and of one alone. */
const valueColumn = (index: number, columns: Column[]) => (columns.length === 1 ? 'Value' : `Value #${refId(index)}`);
