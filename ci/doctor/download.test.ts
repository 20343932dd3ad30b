import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';
import { root } from '../tools/paths.ts';
import { Commands } from './commands.ts';
import { lastWords } from './download.ts';

const place = {
  commands: new Commands(undefined, 'models', 'fleet'),
  server: 'ollama-one',
  cache: 'ephemeral',
  size: 2 ** 30,
};

const log = (...lines: string[]) => lines.map((line) => `2026-03-01T12:00:00Z model-downloader: ${line}\n`).join('');

/** What was said, and the commands that are offered. */
const read = (...lines: string[]) => {
  const found = lastWords(log(...lines), place);
  return found && { failed: found.failed, said: found.said, run: found.fixes.map(({ run }) => run) };
};

const set = (value: string) => `helm -n models upgrade fleet ./charts --reuse-values --set ${value}`;

it('says nothing where there is nothing', () => {
  expect(lastWords('', place)).toBeUndefined();
  expect(lastWords('Error: something else\n', place)).toBeUndefined();
});

it('tells progress from failure', () => {
  expect(read('one: pulling tiny (attempt 1 of 5)', 'one: pulling tiny: 42%')).toEqual({
    failed: false,
    said: 'one: pulling tiny: 42%',
    run: [],
  });
});

it('takes a failure that it got over for what it is', () => {
  const got = read(
    'one: pulling tiny failed: no route: the registry does not answer',
    'one: trying again in 2 s',
    'one: one is on disk',
    'two: pulling tiny (attempt 1 of 5)',
  );
  expect(got).toMatchObject({ failed: false, said: 'two: pulling tiny (attempt 1 of 5)' });
});

it.each([
  [
    'no space: the volume of /models is full (0 of 1.0G left): raise cache.size',
    [set('servers.ollama-one.cache.size=2Gi')],
  ],
  ['no such model: the registry has none of this name', [set('models.llama3\\\\.1.pull=NAME:TAG')]],
  ['the registry refuses access: check that the model is public', [set('modelRegistry.host=HOST')]],
  ['the registry speaks plain HTTP: set modelRegistry.insecure', [set('modelRegistry.insecure=true')]],
  ["the registry's certificate is not trusted", [set('modelRegistry.caBundle.existingConfigMap=NAME')]],
  ['unexpected. Ollama says: nothing', []],
])('offers what helps when a pull failed: %s', (reason, run) => {
  const got = read(
    `llama3.1: pulling x failed: ${reason}`,
    'llama3.1: another try now would not help; the next start tries again',
  );
  expect(got).toMatchObject({ failed: true, said: `llama3.1: pulling x failed: ${reason}` });
  expect(got!.run).toEqual(
    run.map((command) => command.replace('models.llama3\\\\.1.pull=NAME:TAG', "'models.llama3\\.1.pull=NAME:TAG'")),
  );
});

it('knows every reason that the model-downloader gives', () => {
  const script = readFileSync(path.join(root, 'charts/files/model-downloader.sh'), 'utf8');
  const reasons = [...script.matchAll(/reason=(?:'([^']*)'|"((?:[^"\\]|\\.)*)")/g)].map(
    ([, one, other]) => (one ?? other)!,
  );
  expect(reasons.length).toBeGreaterThan(9);
  // Of these the words say all that there is to do.
  const plain = [/^unexpected/, /^wrong digest: what arrived/, /parameter/];
  for (const reason of reasons.filter((each) => !plain.some((pattern) => pattern.test(each)))) {
    expect(read(`one: pulling x failed: ${reason}`), reason).toMatchObject({
      failed: true,
      run: expect.arrayContaining([expect.any(String)]),
    });
  }
});

it('offers the digest that is there now', () => {
  const digest = `sha256:${'a'.repeat(64)}`;
  const got = read(`one: wrong digest: x has the manifest ${digest}, and models.one.digest wants sha256:0`);
  expect(got).toMatchObject({ failed: true, run: [set(`models.one.digest=${digest}`)] });
});

it('has the shared claim made larger where that is what is full', () => {
  const found = lastWords(log('one: pulling x failed: no space: full'), { ...place, cache: 'shared', size: 0 });
  expect(found!.fixes[0]!.run).toBe(set('sharedCache.size=1Gi'));
});
