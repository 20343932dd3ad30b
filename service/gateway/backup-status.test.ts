import { mkdtempDisposableSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Registry } from 'prom-client';
import { expect, it } from 'vitest';
import { showBackups } from './backup-status.ts';

const samples = (text: string) => text.split('\n').filter((line) => line && !line.startsWith('#'));

it('shows what the last backup told, once it told something, and nothing that is not sound', async () => {
  using folder = mkdtempDisposableSync(path.join(tmpdir(), 'backup-status-'));
  const file = path.join(folder.path, 'status.json');
  const registry = new Registry();
  showBackups(registry, () => file);
  expect(samples(await registry.metrics())).toEqual([]);
  writeFileSync(file, JSON.stringify({ succeeded: 1_790_000_000, bytes: 4096, copies: 3 }));
  expect(samples(await registry.metrics())).toEqual([
    'backup_last_success_timestamp_seconds 1790000000',
    'backup_repository_bytes 4096',
    'backup_copies 3',
  ]);
  writeFileSync(file, '{"succeeded": "yesterday"}');
  expect(samples(await registry.metrics())).toEqual([]);
});

it('shows nothing where no backups are made', async () => {
  const registry = new Registry();
  showBackups(registry, () => undefined);
  expect(samples(await registry.metrics())).toEqual([]);
});
