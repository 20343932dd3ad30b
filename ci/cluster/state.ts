import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { rm, rmdir } from 'node:fs/promises';
import path from 'node:path';
import { withLock } from '../tools/lock.ts';
import { cacheDir, stateDir } from '../tools/paths.ts';
import { say } from '../tools/progress.ts';
import { run } from '../tools/run.ts';
import { removeCgroups } from './cgroups.ts';
import { folderOf, type Layout, layout, maxClusters } from './layout.ts';
import { endNode, linkAlias, nodePid } from './node.ts';

/** What a cluster's folder says of it. */
interface Record {
  number: number;
  /** The process that sets it up: its id, and when it started, for ids are used again. */
  owner: { pid: number; started: string };
  /** Whether all of it was up once. */
  complete: boolean;
}

const recordFile = (name: string): string => path.join(folderOf(name), 'cluster.json');

function readRecord(name: string): Record | undefined {
  try {
    return JSON.parse(readFileSync(recordFile(name), 'utf8'));
  } catch {
    // None, or a folder that was being made or removed when its process was killed.
    return undefined;
  }
}

/** When a process started, in ticks since boot; undefined when there is no such process. */
function startOf(pid: number | 'self'): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return undefined;
  }
}

/** The names of all clusters that have a folder here. */
export const clusterNames = (): string[] =>
  existsSync(stateDir())
    ? readdirSync(stateDir(), { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? [entry.name] : []))
    : [];

/** The layout of a cluster that is completely up, else undefined. */
export function runningLayout(name: string): Layout | undefined {
  const record = readRecord(name);
  return record?.complete && nodePid(name) ? layout(name, record.number) : undefined;
}

/** One process at a time starts or stops clusters: they share the machine's addresses and each other's remains. */
export const withClusters = <T>(work: () => Promise<T>): Promise<T> =>
  withLock(path.join(cacheDir(), 'clusters.lock'), work, () => say('another cluster is starting or stopping: waiting'));

/** Gives a cluster its folder and its addresses: the first that neither another cluster nor the host's network has. */
export async function reserve(name: string): Promise<Layout> {
  const taken = new Set(clusterNames().map((other) => readRecord(other)?.number));
  const routes = await hostRoutes();
  for (let number = 0; number < maxClusters; number++) {
    const candidate = layout(name, number);
    const ranges = [`${candidate.nodeAddress}/24`, candidate.podCidr, candidate.serviceCidr];
    if (taken.has(number) || existsSync(`/sys/class/net/${candidate.interface}`)) continue;
    if (routes.some((route) => ranges.some((range) => overlap(range, route)))) continue;
    for (const folder of ['logs', 'volumes', 'registry', 'pods', 'mounts']) {
      mkdirSync(path.join(candidate.folder, folder), { recursive: true });
    }
    write(name, { number, owner: { pid: process.pid, started: startOf('self')! }, complete: false });
    return candidate;
  }
  throw new Error(`10.245.0.0/16 to 10.247.0.0/16: no room for cluster ${name}: stop others (npm run down)`);
}

const write = (name: string, record: Record): void => writeFileSync(recordFile(name), JSON.stringify(record));

/** Notes that all of a cluster is up. */
export function complete(name: string): void {
  write(name, { ...readRecord(name)!, complete: true });
}

async function hostRoutes(): Promise<string[]> {
  const routes: { dst: string }[] = JSON.parse(
    (await run('ip', ['-json', '-4', 'route', 'show', 'table', 'all'])) || '[]',
  );
  return routes.map((route) => route.dst).filter((destination) => destination !== 'default');
}

/** Whether two IPv4 ranges (`10.0.0.0/8`; an address alone is one too) have an address in common. */
export function overlap(one: string, other: string): boolean {
  const parse = (range: string): [number, number] => {
    const [address, length = '32'] = range.split('/');
    return [address!.split('.').reduce((sum, byte) => sum * 256 + Number(byte), 0), Number(length)];
  };
  const [a, b] = [parse(one), parse(other)];
  const size = 2 ** (32 - Math.min(a[1], b[1]));
  return Math.floor(a[0] / size) === Math.floor(b[0] / size);
}

/** The network interfaces of a cluster that are on the host. */
export function linksOf(name: string): string[] {
  return readdirSync('/sys/class/net').filter((link) => {
    try {
      return readFileSync(`/sys/class/net/${link}/ifalias`, 'utf8').trim() === linkAlias(name);
    } catch {
      // It went in this moment.
      return false;
    }
  });
}

/** Ends and removes everything of a cluster. Does nothing where there is nothing. */
export async function remove(name: string): Promise<void> {
  await endNode(name);
  await removeCgroups(name);
  // The kernel removes a link with its other end, but takes its time.
  for (const link of linksOf(name)) await run('ip', ['link', 'delete', link]).catch(() => {});
  await rm(folderOf(name), { recursive: true, force: true });
  // The last one leaves not even this.
  await rmdir(stateDir()).catch(() => {});
}

/** Removes what clusters left whose process was killed while it set them up, and clusters of before a reboot. */
export async function sweep(): Promise<void> {
  for (const name of clusterNames()) {
    const owner = readRecord(name)?.owner;
    const owned = owner && startOf(owner.pid) === owner.started;
    if (!owned && !nodePid(name)) await remove(name);
  }
}
