import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** Clock ticks of a second in /proc: Linux reports them so on every machine, whatever its kernel counts in. */
const ticks = 100;

interface Stat {
  parent: number;
  /** When it began, in ticks since the machine did: with its number, that names a process for good. */
  began: number;
  /** CPU time of the process and of its children that have ended. */
  cpuSeconds: number;
}

/** What a /proc/PID/stat says. */
export function parseStat(text: string): Stat {
  // The command stands in parentheses and may have spaces, and parentheses too.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const at = (number: number) => Number(fields[number - 3]);
  return { parent: at(4), began: at(22), cpuSeconds: (at(14) + at(15) + at(16) + at(17)) / ticks };
}

/** Reads something of a process; undefined when it has ended. */
function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ESRCH') return undefined;
    throw error;
  }
}

function family(pid: number): Map<number, Stat> {
  const stats = new Map<number, Stat>();
  for (const name of readdirSync('/proc')) {
    const text = /^\d+$/.test(name) ? attempt(() => readFileSync(`/proc/${name}/stat`, 'utf8')) : undefined;
    if (text) stats.set(Number(name), parseStat(text));
  }
  const found = new Map<number, Stat>();
  const own = stats.get(pid);
  if (own) found.set(pid, own);
  // A set grows while it is gone through, so this comes to grandchildren too.
  for (const parent of found.keys()) {
    for (const [child, stat] of stats) if (stat.parent === parent) found.set(child, stat);
  }
  return found;
}

/** A process and all that come from it, as they are now. */
export const processIds = (pid: number): number[] => [...family(pid).keys()];

/** To be called while a process lives: what it returns kills what is then left of it, and of those that came from it. */
export function killer(pid: number): () => void {
  const before = family(pid);
  return () => {
    for (const [pid, { began }] of before) {
      if (family(pid).get(pid)?.began === began) attempt(() => process.kill(pid, 'SIGKILL'));
    }
  };
}

/** CPU time in seconds that a process and those that come from it have taken since they began. */
export function cpuSeconds(pid: number): number {
  return [...family(pid).values()].reduce((sum, stat) => sum + stat.cpuSeconds, 0);
}

/** Resident memory in MB of a process and of those that come from it. */
export function memoryMB(pid: number): number {
  return processIds(pid).reduce((sum, pid) => {
    const status = attempt(() => readFileSync(`/proc/${pid}/status`, 'utf8'));
    return sum + (Number(/^VmRSS:\s+(\d+) kB$/m.exec(status ?? '')?.[1] ?? 0) * 1024) / 1e6;
  }, 0);
}

/** Sockets that a process and those that come from it have open, those that they listen on included. */
export function openSockets(pid: number): number {
  return processIds(pid).reduce((sum, pid) => {
    const links = attempt(() => readdirSync(`/proc/${pid}/fd`)) ?? [];
    const isSocket = (fd: string) => attempt(() => readlinkSync(`/proc/${pid}/fd/${fd}`))?.startsWith('socket:');
    return sum + links.filter(isSocket).length;
  }, 0);
}

/** CPU time in seconds that all processes of the machine have taken, and that its host has kept from it. */
export function busySeconds(): number {
  return parseBusy(readFileSync('/proc/stat', 'utf8'));
}

export function parseBusy(text: string): number {
  const [, user, nice, system, , , irq, softirq, steal] = text.split('\n', 1)[0]!.split(/ +/).map(Number);
  return (user! + nice! + system! + irq! + softirq! + steal!) / ticks;
}
