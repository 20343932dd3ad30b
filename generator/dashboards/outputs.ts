import type { Output } from '../outputs.ts';
import { dashboards } from './index.ts';

/** Generated for Grafana: the dashboards that the chart brings, each a file of its name. */
export function dashboardOutputs(): Output[] {
  return Object.entries(dashboards).map(([name, dashboard]) => ({
    file: `charts/files/dashboards/${name}.json`,
    text: `${JSON.stringify(dashboard, null, 1)}\n`,
  }));
}
