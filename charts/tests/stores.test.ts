import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';
import { azureAccount, startFakeAzure, startFakeGoogle } from '../../ci/cluster/fake-clouds.ts';
import { type Store, startS3 } from '../../ci/cluster/stores.ts';
import { temporaryFolder } from '../../ci/testing/project.ts';
import { root } from '../../ci/tools/paths.ts';
import { output } from '../../ci/tools/run.ts';
import { toolEnvironment } from '../../ci/tools/tools.ts';
import { scriptSettings } from './backup-script.ts';

const host = '127.0.0.1';
const suffix = 'storage.example.com';

/** Runs a command with what a Secret has, its files in a folder for the pod's /etc/restic, where the name of Azure's account leads here. */
async function withSecret(folder: string, secret: Record<string, string>, command: string[], env: NodeJS.ProcessEnv) {
  const files = path.join(folder, 'secret');
  mkdirSync(files, { recursive: true });
  for (const [name, value] of Object.entries(secret)) writeFileSync(path.join(files, name), value);
  const hosts = path.join(folder, 'hosts');
  writeFileSync(hosts, `${host} localhost ${azureAccount}.blob.${suffix}\n`);
  const moved = Object.entries(secret).map(([name, value]) => [name, value.replace(/^\/etc\/restic/, files)]);
  const script = `mount --bind ${hosts} /etc/hosts && exec "$@"`;
  const args = ['--mount', 'sh', '-c', script, 'sh', ...command];
  return output('unshare', args, { env: { ...env, ...Object.fromEntries(moved) } });
}

it.each<[string, () => Promise<Store>]>([
  ['S3', () => startS3(host)],
  ['a fake of Google', () => startFakeGoogle(host)],
  ['a fake of Azure', () => startFakeAzure(host, suffix)],
])(
  'copies to %s by HTTPS, reads it again, and says of which Secret the credentials are that it refuses',
  async (_, start) => {
    await using place = await temporaryFolder();
    await using store = await start();
    const folder = place.path;
    const backup = path.join(folder, 'backup');
    const model = path.join(folder, 'model');
    mkdirSync(backup);
    writeFileSync(model, randomBytes(3_000_000));
    for (const [file, text] of Object.entries({ 'values.json': '{}', files: `${model}\0`, ended: '' })) {
      writeFileSync(path.join(backup, file), text);
    }
    // Two minutes of waiting show no more than seconds do.
    const script = path.join(folder, 'backup.sh');
    const text = readFileSync(path.join(root, 'charts/files/backup.sh'), 'utf8');
    writeFileSync(script, text.replace('timeout 120', 'timeout 8'));
    const env = {
      ...(await toolEnvironment('backup')),
      RESTIC_REPOSITORY: store.repository,
      RESTIC_CACHE_DIR: path.join(folder, 'cache'),
      ...scriptSettings(backup),
    };
    const right = { RESTIC_PASSWORD: 'right', ...store.credentials };
    const wrong = { ...right, ...store.wrong };
    for (const said of [/making one\n.*done\n$/s, /copying\n.*done\n$/s]) {
      const { status, stdout, stderr } = await withSecret(folder, right, ['sh', script], env);
      expect([status, stdout], stderr).toEqual([0, expect.stringMatching(said)]);
    }
    const into = path.join(folder, 'restored');
    const restore = ['restic', 'restore', '--no-lock', '--tag', 'verified', '--target', into, 'latest'];
    const restored = await withSecret(folder, right, restore, env);
    expect(restored.status, restored.stderr).toBe(0);
    expect(readFileSync(path.join(into, model)).equals(readFileSync(model))).toBe(true);

    const refused = await withSecret(folder, wrong, ['sh', script], env);
    expect(refused.stderr).toMatch(store.refusal);
    expect([refused.status, refused.stdout]).toEqual([
      1,
      expect.stringContaining('what restic asks it with is in the Secret repository-keys'),
    ]);
    // One that refuses everything would do the same.
    expect((await withSecret(folder, right, ['sh', script], env)).status).toBe(0);
  },
);
