import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';

/**
 * Starts a process that is told to end (SIGTERM) when this one does, however that happens: a test run that is killed cleans
 * up nothing itself. Its process id is the command's own.
 */
export function spawnMortal(command: string, args: readonly string[], options: SpawnOptions): ChildProcess {
  return spawn('setpriv', ['--pdeathsig', 'TERM', '--', command, ...args], options);
}
