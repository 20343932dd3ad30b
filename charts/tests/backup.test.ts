import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, mkdtempDisposableSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeAll, expect, it } from 'vitest';
import { root } from '../../ci/tools/paths.ts';
import { type Output, output, run } from '../../ci/tools/run.ts';
import { toolEnvironment } from '../../ci/tools/tools.ts';
import { scriptSettings } from './backup-script.ts';

const script = path.join(root, 'charts/files/backup.sh');

let tools: NodeJS.ProcessEnv;
beforeAll(async () => {
  tools = await toolEnvironment('backup');
});

/** A folder as `collect` leaves it, a repository beside it, and the script with a real restic. */
class Backups {
  readonly #folder = mkdtempDisposableSync(path.join(tmpdir(), 'backup-'));
  readonly repository: string;
  password = 'right';
  script = script;

  constructor(repository = path.join(this.#folder.path, 'repository')) {
    this.repository = repository;
    for (const folder of [this.#backup, this.models]) mkdirSync(folder, { recursive: true });
    writeFileSync(path.join(this.#backup, 'values.json'), '{"namePrefix":"1-"}');
    writeFileSync(path.join(this.#backup, 'files'), '');
    this.ended();
  }

  get #backup(): string {
    return path.join(this.#folder.path, 'backup');
  }

  /** Where models are that are copied as well. */
  get models(): string {
    return path.join(this.#folder.path, 'models');
  }

  get env(): NodeJS.ProcessEnv {
    return {
      ...tools,
      RESTIC_REPOSITORY: this.repository,
      RESTIC_PASSWORD: this.password,
      RESTIC_CACHE_DIR: path.join(this.#folder.path, 'cache'),
      ...scriptSettings(this.#backup),
    };
  }

  values(text: string): void {
    writeFileSync(path.join(this.#backup, 'values.json'), text);
  }

  /** Names a file of a model, of so many random bytes, as part of the copy. */
  model(name: string, bytes: number): void {
    const file = path.join(this.models, name);
    writeFileSync(file, randomBytes(bytes));
    writeFileSync(path.join(this.#backup, 'files'), `${file}\0`);
  }

  /** Names the pods of earlier runs that have ended. */
  ended(...pods: string[]): void {
    writeFileSync(path.join(this.#backup, 'ended'), pods.map((pod) => `${pod}\n`).join(''));
  }

  /** The command of a run on a host that is called as the pod, whose name restic notes in a lock. */
  #inPod(pod: string): string[] {
    return ['--uts', 'sh', '-c', `echo ${pod} >/proc/sys/kernel/hostname && exec sh ${this.script}`];
  }

  run(pod = 'pod'): Promise<Output> {
    return output('unshare', this.#inPod(pod), { env: this.env });
  }

  /** Starts a run in a pod of that name and waits until restic has a lock, of which it gives the process. */
  async locked(pod: string): Promise<{ run: ChildProcess; restic: number }> {
    const run = spawn('unshare', this.#inPod(pod), { env: this.env, stdio: ['ignore', 'pipe', 'ignore'] });
    const data = path.join(this.repository, 'data');
    const before = readdirSync(data, { recursive: true }).length;
    while (readdirSync(data, { recursive: true }).length === before && run.exitCode === null) await sleep(20);
    expect(this.locks()).toBe(1);
    const restic = await output('pgrep', ['--parent', String(run.pid), 'restic']);
    return { run, restic: Number(restic.stdout) };
  }

  /** How many locks there are. */
  locks(): number {
    return readdirSync(path.join(this.repository, 'locks')).length;
  }

  restic(...args: string[]): Promise<string> {
    return run('restic', args, { env: this.env });
  }

  /** The tags of all copies, the oldest first. */
  async tags(): Promise<string[]> {
    const snapshots: { tags: string[] }[] = JSON.parse(await this.restic('snapshots', '--json', '--no-lock'));
    return snapshots.map(({ tags }) => tags.join());
  }

  /** The values in the last copy that is whole. */
  last(): Promise<string> {
    return this.restic('dump', '--no-lock', '--tag', 'verified', 'latest', path.join(this.#backup, 'values.json'));
  }

  get stats(): { total_size: number; snapshots_count: number } {
    return JSON.parse(readFileSync(path.join(this.#backup, 'stats.json'), 'utf8'));
  }

  [Symbol.dispose](): void {
    this.#folder[Symbol.dispose]();
  }
}

it('makes a repository, copies into it, keeps what is to be kept, and says what it takes', async () => {
  using backups = new Backups();
  backups.model('sha256-tuned', 200_000);
  const first = await backups.run();
  expect(first.stderr).toContain('repository does not exist');
  expect([first.status, first.stdout]).toEqual([
    0,
    expect.stringMatching(/making one\n.*copying\n.*reading 100%.*\n.*done\n$/s),
  ]);
  expect(backups.stats.snapshots_count).toBe(1);
  expect(backups.stats.total_size).toBeGreaterThan(200_000);

  backups.values('{"namePrefix":"2-"}');
  const second = await backups.run();
  expect([second.status, second.stderr]).toEqual([0, '']);
  // One a day is to be kept: the first is gone, and what it shared with the second is not.
  expect(await backups.tags()).toEqual(['verified']);
  expect(await backups.last()).toBe('{"namePrefix":"2-"}');
  expect(backups.stats.total_size).toBeGreaterThan(200_000);
});

it('refuses a wrong password, and makes no repository of its own then', async () => {
  using backups = new Backups();
  await backups.run();
  backups.password = 'wrong';
  const { status, stdout } = await backups.run();
  expect([status, stdout]).toEqual([
    1,
    expect.stringContaining(
      'the password is not that of the repository: see the key RESTIC_PASSWORD of the Secret repository-keys',
    ),
  ]);
  backups.password = 'right';
  expect(await backups.tags()).toEqual(['verified']);
});

it('goes on with another password, as docs/backup.md has it changed, and no longer with the old one', async () => {
  using backups = new Backups();
  await backups.run();
  const file = path.join(backups.models, 'new-password');
  writeFileSync(file, 'new');
  await backups.restic('key', 'add', '--new-password-file', file);
  // In between both do: the Secret may change before or after a run.
  expect((await backups.run()).status).toBe(0);
  backups.password = 'new';
  const keys: { id: string; current: boolean }[] = JSON.parse(await backups.restic('key', 'list', '--json'));
  const [old, ...more] = keys.filter(({ current }) => !current);
  expect(more).toEqual([]);
  await backups.restic('key', 'remove', old!.id);
  expect((await backups.run()).status).toBe(0);
  backups.password = 'right';
  expect((await backups.run()).status).toBe(1);
  backups.password = 'new';
  expect(await backups.tags()).toEqual(['verified']);
});

it('notices a flipped byte, takes nothing away, and leaves the copy unverified', async () => {
  using backups = new Backups();
  backups.model('sha256-tuned', 200_000);
  await backups.run();
  const data = path.join(backups.repository, 'data');
  const packs = readdirSync(data, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  for (const { parentPath, name } of packs) {
    const file = path.join(parentPath, name);
    const bytes = readFileSync(file);
    if (bytes.length < 100_000) continue;
    bytes[50_000]! ^= 1;
    await run('chmod', ['u+w', file]);
    writeFileSync(file, bytes);
  }
  backups.values('{"namePrefix":"2-"}');
  const { status, stdout } = await backups.run();
  expect([status, stdout]).toEqual([1, expect.stringContaining('the repository is damaged')]);
  expect(await backups.tags()).toEqual(['verified', 'unverified']);
  expect(await backups.last()).toBe('{"namePrefix":"1-"}');
});

it('goes on at once after a run that was killed half way, whose lock and remains it takes away', async () => {
  using backups = new Backups();
  await backups.run();
  backups.values('{"namePrefix":"2-"}');
  backups.model('sha256-large', 300_000_000);
  const { run: killed, restic } = await backups.locked('pod-1');
  // All of the pod, as its node does.
  killed.kill('SIGKILL');
  process.kill(restic, 'SIGKILL');
  await once(killed, 'close');
  expect(await backups.tags()).toEqual(['verified']);
  expect(await backups.last()).toBe('{"namePrefix":"1-"}');
  expect(backups.locks()).toBe(1);

  backups.model('sha256-small', 1000);
  backups.ended('pod-0', 'pod-1');
  const next = await backups.run('pod-2');
  expect([next.status, next.stderr]).toEqual([0, '']);
  expect(backups.locks()).toBe(0);
  expect(await backups.last()).toBe('{"namePrefix":"2-"}');
  expect(backups.stats.total_size).toBeLessThan(1_000_000);
});

it('leaves the locks of whoever else may be at the repository, and calls nothing damaged for them', async () => {
  using backups = new Backups();
  await backups.run();
  backups.values('{"namePrefix":"2-"}');
  backups.model('sha256-large', 300_000_000);
  const { run: other, restic } = await backups.locked('other');
  process.kill(restic, 'SIGSTOP');
  try {
    backups.ended('pod-0', 'oth');
    backups.model('sha256-small', 1000);
    backups.script = path.join(backups.models, 'backup.sh');
    writeFileSync(backups.script, readFileSync(script, 'utf8').replace('--retry-lock 5m', '--retry-lock 1s'));
    const { status, stdout } = await backups.run('pod-1');
    expect([status, stdout]).toEqual([1, expect.stringContaining('somebody else is at the repository')]);
    expect(stdout).not.toContain('damaged');
    expect(backups.locks()).toBe(1);
  } finally {
    process.kill(restic, 'SIGKILL');
    await once(other, 'close');
  }
});

it('calls nothing damaged where restic itself is killed, as for its memory', async () => {
  using backups = new Backups();
  await backups.run();
  backups.model('sha256-large', 300_000_000);
  const { run, restic } = await backups.locked('pod-1');
  let said = '';
  run.stdout!.on('data', (data) => {
    said += data;
  });
  process.kill(restic, 'SIGKILL');
  const [status] = await once(run, 'close');
  expect([status, said]).toEqual([1, expect.stringContaining('restic was killed (status 137)')]);
});

it('gives up its lock when it is told to end', async () => {
  using backups = new Backups();
  await backups.run();
  backups.model('sha256-large', 300_000_000);
  const { run } = await backups.locked('pod-1');
  run.kill('SIGTERM');
  const [status] = await once(run, 'close');
  expect([status, backups.locks()]).toEqual([1, 0]);
  expect(await backups.tags()).toEqual(['verified']);
});

it('says when the disk is full, and keeps what it had', async () => {
  using mount = mkdtempDisposableSync(path.join(tmpdir(), 'backup-disk-'));
  await run('mount', ['-t', 'tmpfs', '-o', 'size=3m', 'tmpfs', mount.path]);
  try {
    using backups = new Backups(path.join(mount.path, 'repository'));
    await backups.run();
    backups.values('{"namePrefix":"2-"}');
    backups.model('sha256-large', 10_000_000);
    const { status, stdout, stderr } = await backups.run();
    expect([status, stderr]).toEqual([1, expect.stringContaining('no space left on device')]);
    expect(stdout).toContain('the copies from before stay');
    expect(await backups.last()).toBe('{"namePrefix":"1-"}');
  } finally {
    await run('umount', [mount.path]);
  }
});
