import { by, gateway, max, on, ours } from './promql.ts';
import type { AlertRule, RecordingRule, RuleGroup } from './rules.ts';

/** What gateways tell of the copies, who have it from the last run that found its own to be whole. */
export const backupRecords: RuleGroup<RecordingRule> = {
  name: 'model-management-backups',
  rules: [
    {
      record: 'release:backup_age:seconds',
      expr: `time() - ${max([], gateway('backup_last_success_timestamp_seconds'))}`,
      what: 'Time since the last copy that was found to be whole, s',
      by: [],
    },
    {
      record: 'release:backup_repository:bytes',
      expr: max([], gateway('backup_repository_bytes')),
      what: 'What all copies take together, bytes',
      by: [],
    },
  ],
};

const age = ours('release:backup_age:seconds');
const bound = ours('release:backup_age_alert:seconds');

export const backupAlerts: RuleGroup<AlertRule> = {
  name: 'model-management-alerts-backups',
  rules: [
    {
      alert: 'BackupTooOld',
      severity: 'warning',
      expr: `${age} > ${on()} ${bound}`,
      for: '10m',
      summary: 'The last good copy of {{ $labels.release }} is too old',
      description:
        'The last copy of {{ $labels.release }} in {{ $labels.namespace }} that was found to be whole is {{ $value | humanizeDuration }} ' +
        'old: the runs after it failed, or there were none.',
    },
    {
      alert: 'BackupMissing',
      severity: 'warning',
      // Without a gateway nobody knows, and that has an alert of its own.
      expr: `${bound} unless ${on()} ${age} and ${on()} (group ${by()} (${gateway('up')} == 1))`,
      for: '26h',
      summary: 'There is no copy of {{ $labels.release }}',
      description:
        'For a day and two hours there has been no copy of {{ $labels.release }} in {{ $labels.namespace }} that was found to be whole.',
    },
  ],
};
