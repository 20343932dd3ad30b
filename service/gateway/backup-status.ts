import { readFileSync } from 'node:fs';
import { Gauge, type Registry } from 'prom-client';
import type { BackupStatus } from '../../schema/config.ts';
import { parseConfig } from '../shared/config.ts';

const shown: [name: string, help: string, of: keyof BackupStatus][] = [
  [
    'backup_last_success_timestamp_seconds',
    'When the last copy was found to be whole, in seconds since 1970.',
    'succeeded',
  ],
  ['backup_repository_bytes', 'What all copies take together, in bytes.', 'bytes'],
  ['backup_copies', 'Copies in the repository.', 'copies'],
];

/**
 * Shows in a registry what the last backup told of itself, as long as there is such a file and it is sound. It is read whenever the
 * metrics are: Kubernetes brings a new one within a minute or so.
 */
export function showBackups(registry: Registry, file: () => string | undefined): void {
  for (const [name, help, of] of shown) {
    new Gauge({
      name,
      help,
      registers: [registry],
      collect() {
        this.reset();
        const status = statusIn(file());
        if (status) this.set(status[of]);
        else this.remove();
      },
    });
  }
}

function statusIn(file: string | undefined): BackupStatus | undefined {
  if (!file) return undefined;
  try {
    return parseConfig(file, readFileSync(file, 'utf8'), 'BackupStatus', () => []);
  } catch {
    return undefined;
  }
}
