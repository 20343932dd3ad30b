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
  // The first of them reads it for all: a registry asks its metrics in their order.
  const read = () => {
    const status = statusIn(file());
    for (const [gauge, of] of gauges) {
      if (status) gauge.set(status[of]);
      else gauge.remove();
    }
  };
  const gauges = shown.map(([name, help, of], index) => {
    const gauge = new Gauge({ name, help, registers: [registry], ...(index === 0 && { collect: read }) });
    return [gauge, of] as const;
  });
}

function statusIn(file: string | undefined): BackupStatus | undefined {
  if (!file) return undefined;
  try {
    return parseConfig(file, readFileSync(file, 'utf8'), 'BackupStatus', () => []);
  } catch {
    return undefined;
  }
}
