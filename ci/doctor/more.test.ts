import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';
import { root } from '../tools/paths.ts';
import { checksFor } from './checks.ts';

const operations = readFileSync(path.join(root, 'docs/operations.md'), 'utf8');
const anchors = [...operations.matchAll(/^#+ (.*)$/gm)].map(([, title]) => title!.toLowerCase().replaceAll(' ', '-'));

it('points to sections that are there', () => {
  const sources = globSync('ci/doctor/**/*.ts', { cwd: root }).filter((file) => !file.endsWith('.test.ts'));
  const links = sources.flatMap((file) => [
    ...readFileSync(path.join(root, file), 'utf8').matchAll(/'docs\/operations\.md#([\w-]+)'/g),
  ]);
  expect(links.length).toBeGreaterThan(10);
  for (const [, anchor] of links) expect(anchors).toContain(anchor);
});

it('is pointed to by its own sections', () => {
  for (const [, anchor] of operations.matchAll(/\]\(#([\w-]+)\)/g)) expect(anchors).toContain(anchor);
  const names = checksFor('fleet').map(({ name }) => name);
  const [, table] = /^\| symptom .*\n\| ---.*\n((?:\|.*\n)+)/m.exec(operations)!;
  for (const row of table!.trim().split('\n')) {
    for (const [, name] of row.split('|')[2]!.matchAll(/`([^`]+)`/g)) expect(names).toContain(name);
  }
});

it('has checks of names of their own', () => {
  const names = checksFor('fleet').map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
});
