import { mkdir, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, it } from 'vitest';
import { copyProject, temporaryFolder } from './testing/project.ts';

it('refuses to install through a link, and leaves alone where it leads', async () => {
  await using elsewhere = await temporaryFolder();
  await using project = await copyProject();
  const modules = path.join(project.root, 'node_modules');
  await rm(modules);
  await mkdir(path.join(elsewhere.path, 'package'));
  await writeFile(path.join(elsewhere.path, '.installed-lock-sha256'), 'another');
  await symlink(elsewhere.path, modules);
  const { status, stderr } = await project.npm('lint');
  expect(stderr).toContain(
    'node_modules: is a link to packages that are not those of package-lock.json: install them there, or remove the link\n',
  );
  expect(status).toBe(1);
  expect((await readdir(elsewhere.path)).toSorted()).toEqual(['.installed-lock-sha256', 'package']);
});
