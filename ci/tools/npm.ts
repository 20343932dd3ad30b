import { copyFile } from 'node:fs/promises';
import path from 'node:path';
import { contentKey } from './key.ts';
import { logged } from './logged.ts';
import type { Build } from './once.ts';

/** The version of each package that a package-lock.json pins, but for those that one of them has to itself. */
export function lockedVersions(lock: string): Map<string, string> {
  const { packages } = JSON.parse(lock) as { packages: Record<string, { version: string }> };
  const own = Object.entries(packages).filter(([place]) => /^node_modules\/(@[^/]+\/)?[^/]+$/.test(place));
  return new Map(own.map(([place, { version }]) => [place.slice('node_modules/'.length), version]));
}

/** How a family of npm packages is built: installed from its lock as it is, without scripts and whatever is optional. */
export function npmBuild(name: string, folder: string, parent: string): Build {
  return {
    parent,
    name,
    key: contentKey([folder], {}),
    make: async (into, log) => {
      for (const file of ['package.json', 'package-lock.json'])
        await copyFile(path.join(folder, file), path.join(into, file));
      const quietly = ['--no-audit', '--no-fund', '--no-update-notifier'];
      await logged('npm', ['ci', '--ignore-scripts', '--omit=optional', ...quietly], { cwd: into, log });
    },
  };
}
