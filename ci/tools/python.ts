import { chmod, mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { contentKey } from './key.ts';
import { logged } from './logged.ts';
import type { Build } from './once.ts';
import { requireSystem } from './packages.ts';
import { run } from './run.ts';
import type { PythonFamily } from './table.ts';

/** The version of each package that a requirements.txt pins. */
export function packageVersions(requirements: string): Map<string, string> {
  return new Map([...requirements.matchAll(/^([\w.-]+)==(\S+)/gm)].map(([, name, version]) => [name!, version!]));
}

/**
 * How a Python family is built: its packages in one folder, and a starter for each command. No virtual environment, for
 * that cannot be moved into its place when it is whole.
 */
export async function pythonBuild(name: string, folder: string, family: PythonFamily, parent: string): Promise<Build> {
  await requireSystem(['python3', 'pip3']);
  const requirements = path.join(folder, 'requirements.txt');
  const python = await run('python3', ['--version']);
  return {
    parent,
    name,
    key: contentKey([folder], { python, arch: process.arch, starter: starter('') }),
    make: async (into, log) => {
      const packages = ['--requirement', requirements, '--target', path.join(into, 'lib')];
      const args = ['-m', 'pip', 'install', '--no-deps', '--only-binary', ':all:', ...packages];
      await logged('python3', args, { log });
      await mkdir(path.join(into, 'bin'));
      for (const [command, tool] of Object.entries(family.tools)) {
        const file = path.join(into, tool.file);
        await writeFile(file, starter(command));
        await chmod(file, 0o755);
      }
    },
  };
}

/** Guarded, since what starts worker processes has each of them import the file that it was started by. */
function starter(command: string): string {
  return `#!/usr/bin/env python3
import importlib.metadata, os, sys
sys.path.insert(1, os.path.join(os.path.dirname(os.path.dirname(os.path.realpath(__file__))), 'lib'))
if __name__ == '__main__':
    scripts = importlib.metadata.entry_points(group='console_scripts', name='${command}')
    sys.exit(next(iter(scripts)).load()())
`;
}
