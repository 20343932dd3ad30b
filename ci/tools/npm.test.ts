import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';
import { lockedVersions } from './npm.ts';
import { families } from './table.ts';

it('knows the version of each package, and takes none for it that another has to itself', () => {
  const packages = {
    '': { name: 'all' },
    'node_modules/@a/b': { version: '1.2.3' },
    'node_modules/c': { version: '4.5.6' },
    'node_modules/@a/b/node_modules/c': { version: '4.0.0' },
  };
  expect(Object.fromEntries(lockedVersions(JSON.stringify({ packages })))).toEqual({ '@a/b': '1.2.3', c: '4.5.6' });
});

it('finds the version of each tool of npm in its lock', () => {
  for (const [name, family] of Object.entries(families)) {
    if (family.kind !== 'npm') continue;
    const versions = lockedVersions(readFileSync(path.join(import.meta.dirname, name, 'package-lock.json'), 'utf8'));
    for (const { module } of Object.values(family.tools)) expect(versions.get(module)).toMatch(/^\d+\.\d+\.\d+$/);
  }
});
