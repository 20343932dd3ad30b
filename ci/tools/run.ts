import { type SpawnOptions, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';

export interface RunOptions extends Pick<SpawnOptions, 'cwd' | 'env'> {
  /** Written to the command's standard input. */
  input?: string | Buffer;
  /** A file that is the command's standard input. */
  inputFile?: string;
  /** Milliseconds after which the command is killed. */
  timeout?: number;
}

export interface Output {
  status: number;
  stdout: string;
  stderr: string;
}

/** Runs a command to its end and gives back what it printed, whatever its exit status. Rejects when it cannot be started. */
export function output(command: string, args: readonly string[], options: RunOptions = {}): Promise<Output> {
  const { input, inputFile, timeout, ...rest } = options;
  return new Promise((resolve, reject) => {
    const file = inputFile === undefined ? undefined : openSync(inputFile, 'r');
    const child = spawn(command, args, { ...rest, stdio: [file ?? 'pipe', 'pipe', 'pipe'] });
    if (file !== undefined) closeSync(file);
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    child.stdout!.on('data', (data: Buffer) => stdout.push(data));
    child.stderr!.on('data', (data: Buffer) => stderr.push(data));
    // A command that does not read its input closes the pipe: that is no error of ours.
    child.stdin?.on('error', () => {});
    child.stdin?.end(input);
    const timer = timeout ? setTimeout(() => child.kill('SIGKILL'), timeout) : undefined;
    child.once('error', (error) => {
      clearTimeout(timer);
      reject(new Error(`${command}: cannot be started: ${error.message}`));
    });
    child.once('close', (code) => {
      clearTimeout(timer);
      resolve({
        status: code ?? 128,
        stdout: Buffer.concat(stdout).toString(),
        stderr: Buffer.concat(stderr).toString(),
      });
    });
  });
}

/** Runs a command and gives back its standard output, trimmed. Rejects with its last words when it fails. */
export async function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<string> {
  const result = await output(command, args, options);
  if (result.status !== 0) {
    const words = (result.stderr.trim() || result.stdout.trim()).split('\n').slice(-8).join('\n');
    throw new Error(`${command} ${args.slice(0, 4).join(' ')}: exit status ${result.status}: ${words}`);
  }
  return result.stdout.trim();
}
