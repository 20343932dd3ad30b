import { type SpawnOptions, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';

/** Runs a command whose output goes to the end of a file. Rejects with the command's last lines when it fails. */
export async function logged(
  command: string,
  args: readonly string[],
  options: Pick<SpawnOptions, 'cwd' | 'env'> & { log: string },
): Promise<void> {
  const { log, ...rest } = options;
  const file = openSync(log, 'a');
  try {
    await new Promise<void>((resolve, reject) => {
      const child = spawn(command, args, { ...rest, stdio: ['ignore', file, file] });
      child.once('error', (error) => reject(new Error(`${command}: cannot be started: ${error.message}`)));
      child.once('exit', (code, signal) => {
        if (code === 0) resolve();
        else reject(new Error(`${command} ended with ${signal ?? `exit status ${code}`}: ${lastLines(log)}`));
      });
    });
  } finally {
    closeSync(file);
  }
}

/** The end of a log, short enough for an error message. */
export function lastLines(log: string, count = 5): string {
  return readFileSync(log, 'utf8').trimEnd().split('\n').slice(-count).join('\n');
}
