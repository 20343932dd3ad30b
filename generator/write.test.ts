import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '../ci/testing/project.ts';
import { differences, writeAll } from './write.ts';

const filesOf = async (folder: string) =>
  (await readdir(folder, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(folder, path.join(entry.parentPath, entry.name)))
    .sort();

describe('writeAll', () => {
  it('writes what is missing or different, says so, and leaves no draft behind', async () => {
    await using folder = await temporaryFolder();
    await writeFile(path.join(folder.path, 'same'), 'same\n');
    await writeFile(path.join(folder.path, 'old'), 'old\n');
    const outputs = [
      { file: 'same', text: 'same\n' },
      { file: 'old', text: 'new\n' },
      { file: 'deep/er/file', text: 'made\n' },
    ];
    expect(await writeAll(folder.path, outputs)).toEqual(['old', 'deep/er/file']);
    expect(await filesOf(folder.path)).toEqual(['deep/er/file', 'old', 'same']);
    expect(await readFile(path.join(folder.path, 'old'), 'utf8')).toBe('new\n');
  });

  it('does not touch a file that is as it should be', async () => {
    await using folder = await temporaryFolder();
    const file = path.join(folder.path, 'same');
    await writeFile(file, 'same\n');
    const before = await stat(file, { bigint: true });
    expect(await writeAll(folder.path, [{ file: 'same', text: 'same\n' }])).toEqual([]);
    const after = await stat(file, { bigint: true });
    expect([after.mtimeNs, after.ino]).toEqual([before.mtimeNs, before.ino]);
  });

  it('takes everything back when one file cannot be put in its place', async () => {
    await using folder = await temporaryFolder();
    await writeFile(path.join(folder.path, 'first'), 'old\n');
    const outputs = [
      { file: 'first', text: 'new\n' },
      { file: 'second', text: 'new\n' },
      // Making the folder for the last one leaves no place for a file of that name.
      { file: 'third', text: 'new\n' },
      { file: 'third/file', text: 'new\n' },
    ];
    await expect(writeAll(folder.path, outputs)).rejects.toThrow(/EISDIR|ENOTEMPTY|EEXIST/);
    expect(await filesOf(folder.path)).toEqual(['first']);
    expect(await readFile(path.join(folder.path, 'first'), 'utf8')).toBe('old\n');
  });

  it('writes nothing when a draft cannot be written', async () => {
    await using folder = await temporaryFolder();
    await writeFile(path.join(folder.path, 'first'), 'old\n');
    await mkdir(path.join(folder.path, `second.${process.pid}.draft`, 'in-the-way'), { recursive: true });
    const outputs = [
      { file: 'first', text: 'new\n' },
      { file: 'second', text: 'new\n' },
    ];
    await expect(writeAll(folder.path, outputs)).rejects.toThrow(/EISDIR/);
    expect(await filesOf(folder.path)).toEqual(['first']);
    expect(await readFile(path.join(folder.path, 'first'), 'utf8')).toBe('old\n');
  });
});

describe('differences', () => {
  const lines = (from: number, to: number) =>
    Array.from({ length: to - from + 1 }, (_, index) => `line ${from + index}`);

  it('are none when every file is as it should be', async () => {
    await using folder = await temporaryFolder();
    await writeFile(path.join(folder.path, 'a'), 'a\n');
    expect(await differences(folder.path, [{ file: 'a', text: 'a\n' }])).toEqual([]);
  });

  it('show what the disk has and what it should have, with two lines around', async () => {
    await using folder = await temporaryFolder();
    await writeFile(path.join(folder.path, 'a'), ['first', ...lines(1, 20), 'last'].join('\n'));
    const text = ['first', ...lines(1, 9), 'another', ...lines(11, 20), 'last'].join('\n');
    expect(await differences(folder.path, [{ file: 'a', text }])).toEqual([
      [
        '--- a (on disk)',
        '+++ a (generated)',
        '  line 8',
        '  line 9',
        '- line 10',
        '+ another',
        '  line 11',
        '  line 12',
        '  …',
      ].join('\n'),
    ]);
  });

  it('name a file that is missing', async () => {
    await using folder = await temporaryFolder();
    expect(await differences(folder.path, [{ file: 'a', text: '' }])).toEqual(['a: missing']);
  });
});
