// npm run previous-release -- COMMIT_OR_TAG
//
// Writes the release that the tests of upgrades start from to charts/tests/previous, in the place of the one that is there: the
// chart, the sources of the service and the values of the environments as they are in that commit of this repository. To be run after
// each release, with its tag.
import { mkdir, mkdtempDisposable, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { previousFolder } from '../testing/previous.ts';
import { root } from '../tools/paths.ts';
import { run } from '../tools/run.ts';
import { tool } from '../tools/tools.ts';

/** The version under which it is kept: that of a tag, or the chart's own with the commit. */
export function versionOf(name: string, chartVersion: string, commit: string): string {
  return /^v\d+\.\d+\.\d+/.test(name) ? name.slice(1) : `${chartVersion}-${commit}`;
}

async function write(name: string): Promise<string> {
  const git = (...args: string[]) => run('git', args, { cwd: root });
  const commit = await git('rev-parse', '--short=7', '--verify', `${name}^{commit}`).catch(() => {
    throw new Error(`${name}: is no commit here: name one of git log, in a clone that has it`);
  });
  const chartVersion = /^version: (\S+)$/m.exec(await git('show', `${commit}:charts/Chart.yaml`))![1]!;
  const version = versionOf(name, chartVersion, commit);
  await using folder = await mkdtempDisposable(path.join(tmpdir(), 'model-management-previous-'));
  const tar = path.join(folder.path, 'chart.tar');
  await git('archive', '--output', tar, commit, 'charts');
  await run('tar', ['-xf', tar, '-C', folder.path]);
  await rm(previousFolder, { recursive: true, force: true });
  await mkdir(previousFolder, { recursive: true });
  const args = ['package', path.join(folder.path, 'charts'), '--version', version, '--destination', previousFolder];
  await run(await tool('helm'), args);
  // What its image is made of, and what its environments said; no tests.
  const files = ['service', 'package.json', 'package-lock.json', ':(glob)environments/*/values.yaml'];
  const tests = [':!service/testing', ':(exclude,glob)service/**/*.test.ts'];
  const sources = path.join(previousFolder, `sources-${version}.tgz`);
  await git('-c', 'tar.tgz.command=gzip -9n', 'archive', '--output', sources, commit, '--', ...files, ...tests);
  return version;
}

if (import.meta.main) {
  try {
    const [name, ...rest] = process.argv.slice(2);
    if (!name || rest.length > 0) throw new Error('COMMIT_OR_TAG: name one: npm run previous-release -- v1.2.3');
    console.log(`charts/tests/previous: ${await write(name)}: commit it`);
  } catch (error) {
    console.error(`previous-release: ${(error as Error).message}`);
    process.exitCode = 1;
  }
}
