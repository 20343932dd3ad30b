import { cp, mkdir, mkdtempDisposable, readFile, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { root } from '../tools/paths.ts';
import { type Output, output } from '../tools/run.ts';

/** A folder that is gone when the scope that holds it by `await using` ends, however it ends. */
export const temporaryFolder = () => mkdtempDisposable(path.join(tmpdir(), 'model-management-test-'));

/** A copy of some of the project's files and folders, to be changed at will; the npm packages are those of the project. */
export interface ProjectCopy extends AsyncDisposable {
  root: string;
  /** Runs one of the package's scripts as a user does. */
  npm(script: string, ...args: string[]): Promise<Output>;
  read(file: string): Promise<string>;
  write(file: string, text: string): Promise<void>;
}

export async function copyProject(...entries: string[]): Promise<ProjectCopy> {
  const folder = await temporaryFolder();
  const at = (file: string) => path.join(folder.path, file);
  try {
    for (const entry of ['package.json', 'package-lock.json', 'tsconfig.json', 'ci/run.mjs', ...entries]) {
      await cp(path.join(root, entry), at(entry), { recursive: true, filter: (file) => !/\.test\.ts$/.test(file) });
    }
    await symlink(path.join(root, 'node_modules'), at('node_modules'));
  } catch (error) {
    await folder.remove();
    throw error;
  }
  return {
    root: folder.path,
    npm: (script, ...args) => output('npm', ['run', '--silent', script, '--', ...args], { cwd: folder.path }),
    read: (file) => readFile(at(file), 'utf8'),
    write: async (file, text) => {
      await mkdir(path.dirname(at(file)), { recursive: true });
      await writeFile(at(file), text);
    },
    [Symbol.asyncDispose]: () => folder.remove(),
  };
}
