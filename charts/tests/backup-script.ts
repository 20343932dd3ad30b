import path from 'node:path';

/** What the Job tells charts/files/backup.sh, beside where the repository is: that its own are in this folder, and to keep one copy. */
export const scriptSettings = (backup: string): Record<string, string> => ({
  BACKUP: backup,
  BACKUP_STATS: path.join(backup, 'stats.json'),
  BACKUP_RELEASE: 'models/rel',
  BACKUP_SECRET: 'repository-keys',
  BACKUP_CHECK_PERCENT: '100',
  BACKUP_KEEP_DAILY: '1',
  BACKUP_KEEP_WEEKLY: '0',
  BACKUP_KEEP_MONTHLY: '0',
});
