import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';

/**
 * Starts a process that gets a signal when this one ends, however that happens: a test run that is killed cleans up nothing
 * itself. SIGTERM, unless it is one that might not end by that. Its process id is the command's own.
 */
export function spawnMortal(
  command: string,
  args: readonly string[],
  options: SpawnOptions,
  signal: 'TERM' | 'KILL' = 'TERM',
): ChildProcess {
  return spawn('setpriv', ['--pdeathsig', signal, '--', command, ...args], options);
}
