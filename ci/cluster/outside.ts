import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempDisposable, readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { freePort } from '../../service/testing/ports.ts';
import { selfSigned } from '../testing/certificate.ts';
import { spawnMortal } from '../testing/mortal.ts';
import { until } from './wait.ts';

/** What a server beside the cluster has: a folder for what it keeps, a certificate, and a port of the host. */
export interface Outside {
  host: string;
  port: number;
  folder: string;
  certificate: string;
  key: string;
  /** The certificate in words, which is its own authority. */
  authority: string;
  /** Starts the command, and waits until it listens; it ends with the stack. */
  start(command: string, args: string[], env?: NodeJS.ProcessEnv): Promise<void>;
  /** What ends with it as well. */
  stack: AsyncDisposableStack;
}

/** Prepares one at an address of the host that pods can reach; `names` are further ones of its certificate (`DNS:HOST`). */
export async function prepareOutside(host: string, ...names: string[]): Promise<Outside> {
  await using stack = new AsyncDisposableStack();
  const { path: folder } = stack.use(await mkdtempDisposable(path.join(tmpdir(), 'outside-')));
  const { certificate, key } = await selfSigned(folder, `IP:${host}`, ...names);
  const port = await freePort();
  const start = async (command: string, args: string[], env: NodeJS.ProcessEnv = {}) => {
    const child = spawnMortal(command, args, { env: { ...process.env, ...env }, stdio: 'ignore' });
    owned.defer(() => end(child));
    const up = await until(30_000, 100, async () => {
      if (child.exitCode !== null) throw new Error(`${path.basename(command)}: ended with status ${child.exitCode}`);
      return listens(host, port);
    });
    if (!up) throw new Error(`${path.basename(command)}: does not listen at ${host}:${port} after 30 s`);
  };
  const authority = await readFile(certificate, 'utf8');
  const owned = stack.move();
  return { host, port, folder, certificate, key, authority, start, stack: owned };
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return;
  child.kill('SIGKILL');
  await once(child, 'exit');
}

async function listens(host: string, port: number): Promise<boolean> {
  const socket = connect(port, host);
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
