import { existsSync, statSync } from 'node:fs';
import { appendFile, mkdir, readdir, readFile, rename, rm, utimes, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { withLock } from './lock.ts';
import { duration, say, withProgress } from './progress.ts';

/** What a cached build says of itself. */
export interface BuildRecord {
  seconds: number;
  built: string;
}

export interface Build {
  /** Folder of the cache that holds all builds of this kind, such as `…/tools`. */
  parent: string;
  /** What is built, for folder names and people. */
  name: string;
  /** Content key of all that made it. */
  key: string;
  /** Said before it starts, such as `about 12 minutes`. */
  expect?: string;
  /** Builds that use all cores by themselves wait for each other: those of one queue. */
  queue?: string;
  /** Fills the folder `into`; everything it has to say goes to the file `log`. Both are absolute. */
  make(into: string, log: string): Promise<void>;
  /** How far it is, from the log: said beside the elapsed time. */
  stage?(log: string): string;
}

const recordName = '.build.json';
/** Days after which a build that nothing has used makes room. */
const keepDays = 14;

/** Where a build is once it is there. */
export const folderOf = (build: Pick<Build, 'parent' | 'name' | 'key'>): string =>
  path.join(build.parent, `${build.name}-${build.key}`);

/** The record of a build, or undefined when it is not there. */
export async function recordOf(build: Pick<Build, 'parent' | 'name' | 'key'>): Promise<BuildRecord | undefined> {
  const file = path.join(folderOf(build), recordName);
  return existsSync(file) ? JSON.parse(await readFile(file, 'utf8')) : undefined;
}

/**
 * The folder of a build, made now unless it is in the cache. It is made beside its place and renamed into it when it is
 * whole, so a folder of that name is never half a build. Processes that want the same one wait for each other.
 */
export async function buildOnce(build: Build): Promise<string> {
  const folder = folderOf(build);
  if (existsSync(folder)) {
    const now = new Date();
    await utimes(folder, now, now);
    return folder;
  }
  const lock = path.join(build.parent, `.${build.name}.lock`);
  await withLock(
    lock,
    async () => {
      if (existsSync(folder)) return;
      await clearAway(build);
      if (!build.queue) return make(build, folder);
      const queue = path.join(build.parent, `.queue-${build.queue}.lock`);
      await withLock(
        queue,
        () => make(build, folder),
        () => say(`${build.name}: waiting for another build to end`),
      );
    },
    () => say(`${build.name}: another process is building it: waiting`),
  );
  return folder;
}

async function make(build: Build, folder: string): Promise<void> {
  // The process is in the name, for a compiler that outlives its killed parent goes on writing where it was told to.
  const partial = path.join(build.parent, `.partial-${build.name}-${build.key}-${process.pid}`);
  const log = path.join(build.parent, `${build.name}-${build.key}.log`);
  await mkdir(partial, { recursive: true });
  await writeFile(log, '');
  say(`${build.name}: building${build.expect ? ` (${build.expect})` : ''}, log ${log}`);
  const start = performance.now();
  try {
    await withProgress(build.make(partial, log), (elapsed) => {
      const stage = build.stage?.(log);
      return `${build.name}: building, ${elapsed}${stage ? `, ${stage}` : ''}`;
    });
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    await appendFile(log, `${message}\n`);
    throw new Error(`${build.name}: not built: ${message.trim()} (log: ${log})`);
  }
  const elapsed = performance.now() - start;
  const record: BuildRecord = { seconds: Math.round(elapsed / 100) / 10, built: new Date().toISOString() };
  await writeFile(path.join(partial, recordName), JSON.stringify(record));
  await rename(partial, folder);
  say(`${build.name}: built in ${duration(elapsed)}`);
}

/** Removes what a killed build of this name left, and older builds that nothing has used for a while. */
async function clearAway({ parent, name }: Build): Promise<void> {
  const entries = await readdir(parent);
  const oldest = Date.now() - keepDays * 24 * 3600 * 1000;
  for (const entry of entries) {
    const whole = entry.startsWith(`${name}-`) && /^[0-9a-f]{16}(\.log)?$/.test(entry.slice(name.length + 1));
    const abandoned = entry.startsWith(`.partial-${name}-`);
    const target = path.join(parent, entry);
    if (abandoned || (whole && statSync(target).mtimeMs < oldest)) await rm(target, { recursive: true, force: true });
  }
}
