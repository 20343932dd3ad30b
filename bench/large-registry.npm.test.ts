import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { expect, it } from 'vitest';
import { parse } from 'yaml';
import { copyProject } from '../ci/testing/project.ts';
import { fillRegistry } from './large-registry.ts';

it('fills a registry with models that the generator takes, each with a prompt of its own', async () => {
  await using project = await copyProject(
    'schema',
    'generator',
    'environments',
    'charts',
    'service/config.schema.json',
  );
  const folder = path.join(project.root, 'generator/registry');
  await fillRegistry(folder, 30);
  expect(await readdir(folder)).toHaveLength(30);
  expect(await project.npm('gen-values')).toMatchObject({ status: 0, stderr: '' });
  const { models, servers } = parse(await project.read('charts/values.yaml'));
  expect([Object.keys(models).length, Object.keys(servers).length]).toEqual([30, 30]);
  const prompts = Object.values<{ system?: string }>(models).flatMap(({ system }) => (system ? [system] : []));
  expect(prompts.length).toBeGreaterThan(12);
  expect(new Set(prompts).size).toBe(prompts.length);
});
