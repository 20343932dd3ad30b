/** Where samples come from that are not those of our own pods: what has to run for a rule to have data. */
export type Source = 'kubelet' | 'kube-state-metrics' | 'dcgm-exporter' | 'cert-manager' | 'opencost';

/** A recording rule, named level:metric:operation. */
export interface RecordingRule {
  record: string;
  expr: string;
  labels?: Record<string, string>;
  /** What it is and its unit, in a few words: docs/rules.md shows them, and whoever builds a panel reads them. */
  what: string;
  /** Labels of its samples beside namespace and release. */
  by: readonly string[];
  needs?: readonly Source[];
}

export type Severity = 'critical' | 'warning';

/** An alert. Its runbook is docs/runbooks/NAME.md, with the name in lower case and dashes. */
export interface AlertRule {
  alert: string;
  severity: Severity;
  expr: string;
  /** How long it has to hold. */
  for: string;
  /** One line for a phone. */
  summary: string;
  /** With the numbers. */
  description: string;
  needs?: readonly Source[];
}

export interface RuleGroup<Rule> {
  name: string;
  rules: readonly Rule[];
}

/** File name of an alert's runbook without its ending: `ModelLoadSlow` → `model-load-slow`. */
export const runbookOf = (alert: string) => alert.replaceAll(/(?<!^)([A-Z])/g, '-$1').toLowerCase();
