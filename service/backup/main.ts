// main.ts collect --config FILE --values FILE [--models FOLDER] --into FOLDER   what a copy consists of
// main.ts report  --config FILE --stats FILE                                    that a copy was made, for the gateways to tell
import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import type { BackupConfig, BackupStatus } from '../../schema/config.ts';
import { parseConfig } from '../shared/config.ts';
import { collect } from './collect.ts';
import { Kube } from './kube.ts';

const usage =
  'usage: main.ts collect --config FILE --values FILE [--models FOLDER] --into FOLDER | main.ts report --config FILE --stats FILE';

async function main(args: string[]): Promise<string> {
  const text = { type: 'string' } as const;
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { config: text, values: text, models: text, into: text, stats: text },
  });
  const given = (name: 'config' | 'values' | 'into' | 'stats') => {
    const value = values[name];
    if (value === undefined) throw new Error(`--${name}: missing; ${usage}`);
    return value;
  };
  const config = parseConfig(given('config'), await readFile(given('config'), 'utf8'), 'BackupConfig', () => []);
  await using kube = new Kube();
  if (positionals[0] === 'collect') {
    const places = { values: given('values'), into: given('into'), ...(values.models && { models: values.models }) };
    return `collected ${await collect(config, kube, places)}`;
  }
  if (positionals[0] === 'report') return await report(config, kube, await readFile(given('stats'), 'utf8'));
  throw new Error(`${positionals[0] ?? 'nothing'}: no such command; ${usage}`);
}

/** Takes what `restic stats --mode raw-data --json` says. */
async function report({ namespace, statusConfigMap }: BackupConfig, kube: Kube, stats: string): Promise<string> {
  const { total_size: bytes, snapshots_count: copies } = JSON.parse(stats);
  const status: BackupStatus = { succeeded: Math.floor(Date.now() / 1000), bytes, copies };
  const change = { data: { 'status.json': JSON.stringify(status) } };
  await kube.patch(`/api/v1/namespaces/${namespace}/configmaps/${statusConfigMap}`, change);
  return `${copies} copies take ${bytes} bytes`;
}

try {
  console.log(`backup: ${await main(process.argv.slice(2))}`);
} catch (error) {
  console.error(`backup: ${(error as Error).message}`);
  process.exitCode = 1;
}
