import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { goBuild, moduleVersions } from './go.ts';
import { lockedVersions, npmBuild } from './npm.ts';
import { type Build, type BuildRecord, buildOnce, folderOf, recordOf } from './once.ts';
import { cacheDir } from './paths.ts';
import { packageVersions, pythonBuild } from './python.ts';
import { type Family, type FamilyName, families, familyNames, familyOf } from './table.ts';

export { type FamilyName, familyNames } from './table.ts';

const sources = (name: FamilyName) => path.join(import.meta.dirname, name);

const builds = new Map<FamilyName, Promise<Build>>();

/** How a family is built. Worked out once in a process: it reads every source of the family. */
function buildOf(name: FamilyName): Promise<Build> {
  let build = builds.get(name);
  if (!build) {
    build = describeBuild(name);
    builds.set(name, build);
  }
  return build;
}

async function describeBuild(name: FamilyName): Promise<Build> {
  const family: Family = families[name];
  const [folder, parent] = [sources(name), path.join(cacheDir(), 'tools')];
  switch (family.kind) {
    case 'go':
      return goBuild(name, folder, family, parent);
    case 'python':
      return pythonBuild(name, folder, family, parent);
    case 'npm':
      return npmBuild(name, folder, parent);
  }
}

/** What a family pins, by module or package. */
function versionsOf(name: FamilyName): Map<string, string> {
  const text = (file: string) => readFileSync(path.join(sources(name), file), 'utf8');
  switch (families[name].kind) {
    case 'go':
      return moduleVersions(text('go.mod'));
    case 'python':
      return packageVersions(text('requirements.txt'));
    case 'npm':
      return lockedVersions(text('package-lock.json'));
  }
}

const ready = new Map<FamilyName, Promise<string>>();

/** The folder of a family's tools, built if it is not there. */
export function toolFamily(name: FamilyName): Promise<string> {
  let folder = ready.get(name);
  if (!folder) {
    folder = buildOf(name).then(buildOnce);
    ready.set(name, folder);
    // A failed build may be tried again in the same process, as a test does.
    folder.catch(() => ready.delete(name));
  }
  return folder;
}

/** Tools that KUBEBUILDER_ASSETS, where it is set, has of its own: whoever sets it wants those used. */
const assets = ['etcd', 'kube-apiserver', 'kubectl'];

/** The absolute path of a tool, built if it is not there. */
export async function tool(name: string): Promise<string> {
  const family = familyOf(name);
  const given = process.env.KUBEBUILDER_ASSETS && path.join(process.env.KUBEBUILDER_ASSETS, name);
  if (given && assets.includes(name) && existsSync(given)) return given;
  const { file } = (families[family] as Family).tools[name]!;
  return path.join(await toolFamily(family), file);
}

/**
 * The environment for commands that call tools by their names: those of the given families come first on the PATH, and
 * HELM_PLUGINS names their Helm plugins. Builds what is not there.
 */
export async function toolEnvironment(...wanted: FamilyName[]): Promise<NodeJS.ProcessEnv> {
  const folders = await Promise.all(wanted.map(toolFamily));
  const environment = { ...process.env };
  environment.PATH = [...folders.map((folder) => path.join(folder, 'bin')), process.env.PATH].join(path.delimiter);
  const plugins = folders.map((folder) => path.join(folder, 'plugins')).filter((folder) => existsSync(folder));
  if (plugins.length > 0) environment.HELM_PLUGINS = plugins.join(path.delimiter);
  return environment;
}

export interface ToolStatus {
  tool: string;
  version: string;
  family: FamilyName;
  /** Absent when the family is not built. */
  record?: BuildRecord;
  folder: string;
}

/** Every tool with its version, and whether it is built. Builds nothing. */
export async function listTools(): Promise<ToolStatus[]> {
  const list: ToolStatus[] = [];
  for (const name of familyNames) {
    const family: Family = families[name];
    const build = await buildOf(name);
    const record = await recordOf(build);
    const versions = versionsOf(name);
    for (const [tool, { module }] of Object.entries(family.tools)) {
      // Our own sources have no version but their content.
      const version = versions.get(module) ?? build.key;
      list.push({ tool, version, family: name, folder: folderOf(build), ...(record && { record }) });
    }
  }
  return list;
}
