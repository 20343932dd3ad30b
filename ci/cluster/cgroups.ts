import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { folderOf } from './layout.ts';

/** The group that holds all our clusters, in every hierarchy. */
const parent = 'model-management';

/** The kubelet's cgroupRoot for a cluster: its own even where another user of the machine has one of the same name. */
export function cgroupRoot(name: string): string {
  const place = createHash('sha256').update(folderOf(name)).digest('hex').slice(0, 8);
  return `/${parent}/${name}-${place}`;
}

/** Where cgroups are mounted: one folder with version 2, one for each controller with version 1 (or a mix of the two). */
export function hierarchies(mountinfo = readFileSync('/proc/self/mountinfo', 'utf8')): string[] {
  return mountinfo
    .split('\n')
    .filter((line) => / - cgroup2? /.test(line))
    .map((line) => line.split(' ')[4]!)
    .filter((folder) => folder.startsWith('/sys/fs/cgroup'));
}

/** The controllers that the kubelet wants to find in its cgroup, as far as the kernel has them. */
const wanted = ['cpu', 'cpuset', 'memory', 'hugetlb', 'pids'];

/**
 * With version 2 a group has the controllers that its parent hands down: from the root on, which is what any kubelet does
 * to the root it is given. With a mix of the two versions, memory and the others are with version 1.
 */
function handDown(hierarchy: string, folder: string): void {
  const list = path.join(hierarchy, 'cgroup.controllers');
  const controllers = existsSync(list) ? readFileSync(list, 'utf8').trim().split(' ') : [];
  if (!controllers.includes('memory')) return;
  const words = wanted.filter((controller) => controllers.includes(controller)).map((controller) => `+${controller}`);
  writeFileSync(path.join(folder, 'cgroup.subtree_control'), words.join(' '));
}

/** A cgroup v1 cpuset admits no process until it has processors and memory nodes of its own. */
function inheritCpuset(folder: string): void {
  for (const file of ['cpuset.cpus', 'cpuset.mems']) {
    const own = path.join(folder, file);
    // Version 2 inherits by itself, and takes no offence at an empty file.
    if (existsSync(path.join(folder, 'cgroup.controllers')) || !existsSync(own)) continue;
    if (readFileSync(own, 'utf8').trim() === '') {
      writeFileSync(own, readFileSync(path.join(path.dirname(folder), file), 'utf8'));
    }
  }
}

/** The groups of the node's own processes, beside those that the kubelet makes for pods. */
export const nodeCgroups = (name: string): string[] =>
  hierarchies().map((hierarchy) => path.join(hierarchy, cgroupRoot(name), 'node'));

/** Makes the groups of a cluster: its root, and the one for the node's own processes. */
export function createCgroups(name: string): string[] {
  try {
    for (const hierarchy of hierarchies()) {
      const ours = path.join(hierarchy, parent);
      const root = path.join(hierarchy, cgroupRoot(name));
      handDown(hierarchy, hierarchy);
      for (const folder of [ours, root, path.join(root, 'node')]) {
        mkdirSync(folder, { recursive: true });
        inheritCpuset(folder);
        if (folder === ours || folder === root) handDown(hierarchy, folder);
      }
    }
  } catch (error) {
    throw new Error(`${(error as Error).message}: no control groups can be made: ${remedy(error as Error)}`);
  }
  return nodeCgroups(name);
}

/** What whoever runs this can do about it. */
export function remedy({ code }: NodeJS.ErrnoException): string {
  if (code !== 'EBUSY') return 'run this on a machine or in a container that may do so';
  // Version 2 hands nothing down from a group that has processes itself, unless it is the machine's root. A container's
  // processes are its owner's: they are not ours to move.
  const own = '/sys/fs/cgroup/own';
  const move = `for id in $(cat /sys/fs/cgroup/cgroup.procs); do echo $id > ${own}/cgroup.procs; done`;
  return `the processes of this container need a group of their own first: mkdir ${own}; ${move}`;
}

/** Removes the groups of a cluster whose processes have ended, and the common parent with the last. */
export async function removeCgroups(name: string): Promise<void> {
  for (const hierarchy of hierarchies()) {
    await removeTree(path.join(hierarchy, cgroupRoot(name)));
    try {
      rmdirSync(path.join(hierarchy, parent));
    } catch {
      // Not there, or in use by another cluster.
    }
  }
}

async function removeTree(folder: string): Promise<void> {
  if (!existsSync(folder)) return;
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (entry.isDirectory()) await removeTree(path.join(folder, entry.name));
  }
  // The kernel lets go of a group a moment after its last process.
  for (let attempt = 0; ; attempt++) {
    try {
      rmdirSync(folder);
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
      if (attempt === 50) throw new Error(`${folder}: not removed: ${(error as Error).message}`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}
