import { spawn } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';

/**
 * Does `work` while no other process of this machine holds the lock of the same file.
 *
 * The lock is the kernel's (flock), held by a child that lives exactly as long as the pipe from this process: when this
 * process is killed, whatever the signal, the pipe closes and the lock is free. So there is no abandoned lock to find.
 */
export async function withLock<T>(file: string, work: () => Promise<T>, onWait: () => void = () => {}): Promise<T> {
  await mkdir(path.dirname(file), { recursive: true });
  const release = await acquire(file, onWait);
  try {
    return await work();
  } finally {
    await release();
  }
}

/** Milliseconds after which a lock that is not had yet is worth a line. */
const patience = 300;

async function acquire(file: string, onWait: () => void): Promise<() => Promise<void>> {
  // Detached, or a Ctrl-C would end the holder before this process has cleaned up under the lock.
  const holder = spawn('flock', ['--exclusive', file, 'sh', '-c', 'echo held; exec cat'], {
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const ended = new Promise<void>((resolve) => holder.once('close', () => resolve()));
  const waiting = setTimeout(onWait, patience);
  let complaint = '';
  holder.stderr.on('data', (data) => {
    complaint += data;
  });
  try {
    await new Promise<void>((resolve, reject) => {
      holder.stdout.once('data', () => resolve());
      holder.once('error', (error) =>
        reject(new Error(`${file}: cannot be locked (${error.message}): install util-linux, which brings flock`)),
      );
      holder.once('close', () => reject(new Error(`${file}: cannot be locked: ${complaint.trim()}`)));
    });
  } finally {
    clearTimeout(waiting);
  }
  holder.stdin.on('error', () => {});
  return async () => {
    holder.stdin.end();
    await ended;
  };
}
