import type { Dashboard } from '@grafana/grafana-foundation-sdk/dashboard';
import { capacity } from './capacity.ts';
import { frame } from './frame.ts';
import { model } from './model.ts';
import { overview } from './overview.ts';

/** Every dashboard, by the name of its file. */
export const dashboards: Record<string, Dashboard> = Object.fromEntries(
  [overview, model, capacity].map((one) => [one.uid.replace('model-management-', ''), frame(one)]),
);
