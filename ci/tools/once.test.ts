import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { contentKey } from './key.ts';
import { withLock } from './lock.ts';
import { type Build, buildOnce, recordOf } from './once.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'model-management-once-'));
  vi.spyOn(process.stderr, 'write').mockImplementation(() => true);
});
afterEach(async () => {
  vi.restoreAllMocks();
  await rm(folder, { recursive: true, force: true });
});

const build = (make: Build['make']): Build => ({
  parent: path.join(folder, 'tools'),
  name: 'thing',
  key: '0'.repeat(16),
  make,
});
const makeFile: Build['make'] = (into) => writeFile(path.join(into, 'file'), 'whole');

describe('contentKey', () => {
  it('is the same for the same content, wherever it lies', async () => {
    for (const name of ['a', 'b']) {
      await mkdir(path.join(folder, name, 'sub'), { recursive: true });
      await writeFile(path.join(folder, name, 'sub/go.mod'), 'module x');
    }
    expect(contentKey([path.join(folder, 'a')], { flags: ['-s'] })).toBe(
      contentKey([path.join(folder, 'b')], { flags: ['-s'] }),
    );
  });

  it('changes with a byte, a file name, a folder boundary and a fact', async () => {
    const key = () => contentKey([folder], { go: '1.26.6' });
    await writeFile(path.join(folder, 'one'), 'xy');
    const keys = [key()];
    await writeFile(path.join(folder, 'one'), 'xz');
    keys.push(key());
    await writeFile(path.join(folder, 'one'), 'x');
    await writeFile(path.join(folder, 'two'), 'z');
    keys.push(key(), contentKey([folder], { go: '1.26.7' }));
    expect(new Set(keys).size).toBe(4);
  });
});

describe('buildOnce', () => {
  it('builds what is not there, records how long it took, and builds it no second time', async () => {
    const make = vi.fn(makeFile);
    const first = await buildOnce(build(make));
    expect(await buildOnce(build(make))).toBe(first);
    expect(make).toHaveBeenCalledTimes(1);
    expect(await readFile(path.join(first, 'file'), 'utf8')).toBe('whole');
    expect(await recordOf(build(make))).toMatchObject({ seconds: expect.any(Number) });
  });

  it('builds once when two want it at the same time', async () => {
    const make = vi.fn<Build['make']>(async (into, log) => {
      await new Promise((resolve) => setTimeout(resolve, 200));
      await makeFile(into, log);
    });
    await Promise.all([buildOnce(build(make)), buildOnce(build(make))]);
    expect(make).toHaveBeenCalledTimes(1);
  });

  it('lets builds of one queue wait for each other, whatever they build', async () => {
    let running = 0;
    const make: Build['make'] = async () => {
      expect(++running).toBe(1);
      await new Promise((resolve) => setTimeout(resolve, 100));
      running--;
    };
    const queued = (name: string) => buildOnce({ ...build(make), name, queue: 'go' });
    await Promise.all([queued('one'), queued('two')]);
  });

  it('ignores and removes what a killed build left half made', async () => {
    const partial = path.join(folder, 'tools', `.partial-thing-${'0'.repeat(16)}`);
    await mkdir(partial, { recursive: true });
    await writeFile(path.join(partial, 'half'), '');
    const whole = await buildOnce(build(makeFile));
    expect((await readdir(whole)).sort()).toEqual(['.build.json', 'file']);
    expect(existsSync(partial)).toBe(false);
  });

  it('names the log and the problem when a build fails, leaves no folder, and builds on the next call', async () => {
    const failing = build(async (_, log) => {
      await writeFile(log, 'compiling\n');
      throw new Error('undefined: x');
    });
    const log = path.join(folder, 'tools', `thing-${'0'.repeat(16)}.log`);
    await expect(buildOnce(failing)).rejects.toThrow(`thing: not built: undefined: x (log: ${log})`);
    expect(await readFile(log, 'utf8')).toContain('undefined: x');
    expect(await recordOf(failing)).toBeUndefined();
    await buildOnce(build(makeFile));
    expect(await recordOf(failing)).toBeDefined();
  });

  it('makes room of builds that nothing has used for weeks, and keeps those of other names', async () => {
    const tools = path.join(folder, 'tools');
    const long = new Date(Date.now() - 30 * 24 * 3600 * 1000);
    for (const name of [`thing-${'1'.repeat(16)}`, `thing-other-${'1'.repeat(16)}`, `thing-${'2'.repeat(16)}`]) {
      await mkdir(path.join(tools, name), { recursive: true });
      if (!name.includes('2')) await utimes(path.join(tools, name), long, long);
    }
    await buildOnce(build(makeFile));
    const left = (await readdir(tools)).filter((entry) => !entry.startsWith('.') && !entry.endsWith('.log'));
    expect(left.sort()).toEqual([
      `thing-${'0'.repeat(16)}`,
      `thing-${'2'.repeat(16)}`,
      `thing-other-${'1'.repeat(16)}`,
    ]);
  });
});

describe('withLock', () => {
  const lock = () => path.join(folder, 'lock');

  /** Another process that takes the lock and keeps it. */
  async function holder() {
    const script = `import { withLock } from ${JSON.stringify(path.join(import.meta.dirname, 'lock.ts'))};
      await withLock(${JSON.stringify(lock())}, () => { console.log('held'); return new Promise((r) => setTimeout(r, 60000)); });`;
    const child = spawn(process.execPath, ['--input-type=module', '--eval', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await new Promise((resolve) => child.stdout.once('data', resolve));
    return child;
  }

  it('keeps others out until it is released, and tells them that they wait', async () => {
    const order: string[] = [];
    const held = Promise.withResolvers<void>();
    const told = Promise.withResolvers<void>();
    const first = withLock(lock(), async () => {
      held.resolve();
      await told.promise;
      order.push('first');
    });
    await held.promise;
    await withLock(
      lock(),
      async () => void order.push('second'),
      () => {
        order.push('waiting');
        told.resolve();
      },
    );
    await first;
    expect(order).toEqual(['waiting', 'first', 'second']);
  });

  it('takes over what a killed process held', async () => {
    const child = await holder();
    child.kill('SIGKILL');
    await expect(withLock(lock(), async () => 'mine')).resolves.toBe('mine');
  });

  it('is released when the work fails', async () => {
    await expect(withLock(lock(), () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    await expect(withLock(lock(), async () => 'mine')).resolves.toBe('mine');
  });
});
