import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '../../ci/testing/project.ts';
import { root } from '../../ci/tools/paths.ts';
import { output } from '../../ci/tools/run.ts';
import packageJson from '../../package.json' with { type: 'json' };
import { createLogger } from '../shared/logging.ts';
import { KeyRing } from './keys.ts';

const script = packageJson.scripts['api-key'].split(' ').at(-1)!;
const run = (...args: string[]) => output(process.execPath, [path.join(root, script), ...args]);

/** The key and the entry among what the command prints. */
function printed(text: string): { key: string; entry: object } {
  const key = /^mm-[A-Za-z0-9_-]{43}$/m.exec(text)![0];
  return { key, entry: JSON.parse(/^\{$.*^\}$/ms.exec(text)![0]) };
}

describe.concurrent('npm run api-key', () => {
  it('prints a key, the entry by which the gateway knows it, and the commands that put it there', async () => {
    const limits = ['--requests-per-minute', '60', '--tokens-per-day', '1000000'];
    const { status, stdout } = await run('alice', '--models', 'summary,qwen', '--priority', 'batch', ...limits);
    expect(status).toBe(0);
    const { key, entry } = printed(stdout);
    expect(entry).toEqual({
      name: 'alice',
      sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
      models: ['summary', 'qwen'],
      priority: 'batch',
      requestsPerMinute: 60,
      tokensPerDay: 1_000_000,
    });
    await using folder = await temporaryFolder();
    const file = path.join(folder.path, 'keys.json');
    await writeFile(file, JSON.stringify({ keys: [entry] }));
    const log = createLogger('test', 'error');
    const ring = new KeyRing(file, log);
    try {
      const caller = ring.identify({ authorization: `Bearer ${key}` });
      expect([caller.name, caller.priority('interactive'), caller.mayAsk('llama')]).toEqual(['alice', 'batch', false]);
    } finally {
      ring.close();
    }
    expect(stdout.split('\n').filter((line) => line.startsWith('kubectl '))).toHaveLength(2);
  });

  it('never makes the same key again, and says nothing of limits that are not asked for', async () => {
    const [one, other] = (await Promise.all([run('bob'), run('bob')])).map(({ stdout }) => printed(stdout));
    expect(one!.key).not.toBe(other!.key);
    expect(Object.keys(one!.entry)).toEqual(['name', 'sha256']);
  });

  it.each<[string[], string]>([
    [[], 'NAME: missing: name whom the key is for'],
    [['alice', 'bob'], 'bob: one key has one name: call it for each by itself'],
    [['Alice'], 'NAME: must match pattern'],
    [['alice', '--models', 'summary,No!'], '--models: must match pattern'],
    [['alice', '--models', 'summary,summary'], '--models: must NOT have duplicate items'],
    [
      ['alice', '--priority', 'urgent'],
      '--priority: must be equal to one of the allowed values: use one of interactive, standard, batch',
    ],
    [['alice', '--requests-per-minute', '0'], '--requests-per-minute: must be >= 1'],
    [['alice', '--tokens-per-day', 'many'], '--tokens-per-day: must be integer'],
    [['alice', '--limit', '1'], "Unknown option '--limit'"],
  ])('refuses %j in one line', async (args, problem) => {
    const { status, stdout, stderr } = await run(...args);
    expect([status, stdout]).toEqual([1, '']);
    expect(stderr).toContain(`api-key: ${problem}`);
    expect(stderr).toMatch(/^[^\n]+; usage: npm run api-key -- NAME [^\n]+\n$/);
  });
});
