import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { requireSystem } from '../tools/packages.ts';
import { duration } from '../tools/progress.ts';
import { userModeLinux } from './machine/kernel.ts';
import { spawnMortal } from './mortal.ts';
import { temporaryFolder } from './project.ts';

export interface MachineOptions {
  /** A shell script that it runs as root and ends with. */
  script: string;
  /** Seconds after which it is ended. */
  seconds: number;
  /** Gets each line of its console as it comes. */
  onLine?(line: string): void;
}

/**
 * Starts a machine with a kernel of its own (user-mode Linux), one processor and 8 GiB of memory, whose root is this one's, read-only,
 * under what it writes to its memory, whose control groups are of version 2 alone, and which has no network. It runs the script,
 * and what was on its console is given back. It computes as fast as this one, but whatever asks the kernel is several times slower.
 *
 * Rejects when it does not end by itself in time. It leaves nothing on this machine.
 */
export async function runMachine({ script, seconds, onLine }: MachineOptions): Promise<string> {
  await requireSystem(['nsenter']);
  const boot = await userModeLinux();
  await using folder = await temporaryFolder();
  const file = path.join(folder.path, 'script.sh');
  await writeFile(file, script);
  const kernel = [
    ...['mem=8G', `initrd=${path.join(boot, 'initramfs')}`, `uml_dir=${folder.path}/`],
    ...['con=null', 'con0=null,fd:1', 'quiet', 'panic=-1', 'cgroup_no_v1=all', `machine.script=${file}`],
  ];
  // Each of its processes is one of this machine as well: they end with the first of their namespace.
  const own = ['--pid', '--mount-proc', '--fork', '--kill-child'];
  const child = spawnMortal('unshare', [...own, '--', path.join(boot, 'linux'), ...kernel], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const lines: string[] = [];
  const ended = Promise.all([once(child, 'close'), read(child, lines, onLine)]);
  const timer = setTimeout(() => child.kill('SIGKILL'), seconds * 1000);
  try {
    await ended;
  } finally {
    clearTimeout(timer);
    child.kill('SIGKILL');
  }
  if (child.exitCode === 0) return lines.join('\n');
  const why = child.signalCode === 'SIGKILL' ? `not within ${duration(seconds * 1000)}` : `status ${child.exitCode}`;
  throw new Error(`the machine: did not end by itself: ${why}\n${lines.slice(-60).join('\n')}`);
}

async function read({ stdout, stderr }: ChildProcess, lines: string[], onLine?: (line: string) => void): Promise<void> {
  const collect = async (stream: NodeJS.ReadableStream) => {
    for await (const line of createInterface({ input: stream })) {
      lines.push(line);
      onLine?.(line);
    }
  };
  await Promise.all([collect(stdout!), collect(stderr!)]);
}
