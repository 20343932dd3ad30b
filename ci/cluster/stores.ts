import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { mkdtempDisposable, readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { freePort } from '../../service/testing/ports.ts';
import { selfSigned } from '../testing/certificate.ts';
import { spawnMortal } from '../testing/mortal.ts';
import { tool } from '../tools/tools.ts';
import { until } from './wait.ts';

/** A store of objects that speaks HTTPS, for backups, outside of every namespace. */
export interface Store extends AsyncDisposable {
  /** Where restic finds it. */
  repository: string;
  /** What restic asks it with, and whose certificate to trust: for the Secret, whose keys are files in /etc/restic as well. */
  credentials: Record<string, string>;
  /** Of those, what it refuses. */
  wrong: Record<string, string>;
  /** What restic says of a refusal. */
  refusal: RegExp;
  /** Where it listens. */
  ports: number[];
}

/** A store of a process: a folder for what it keeps, a certificate, and a port of the host. */
export interface Ground {
  host: string;
  port: number;
  folder: string;
  certificate: string;
  key: string;
  /** The certificate in words, which is its own authority. */
  authority: string;
  /** Starts the command, and waits until it listens; it ends with the ground. */
  start(command: string, args: string[], env?: NodeJS.ProcessEnv): Promise<void>;
  /** What ends with it as well. */
  stack: AsyncDisposableStack;
}

/** Prepares one at an address of the host that pods can reach; `names` are further ones of its certificate (`DNS:HOST`). */
export async function prepareStore(host: string, ...names: string[]): Promise<Ground> {
  await using stack = new AsyncDisposableStack();
  const { path: folder } = stack.use(await mkdtempDisposable(path.join(tmpdir(), 'store-')));
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

/** Starts rclone as a server of S3, by HTTPS with signatures of version 4, with one bucket. */
export async function startS3(host: string): Promise<Store> {
  const ground = await prepareStore(host);
  const { port, folder, certificate, key, authority, stack } = ground;
  const buckets = path.join(folder, 'buckets');
  mkdirSync(path.join(buckets, 'copies'), { recursive: true });
  const [id, secret] = ['backup-id', 'backup-secret'];
  const tls = ['--cert', certificate, '--key', key];
  const args = ['--config', '/dev/null', '--addr', `${host}:${port}`, '--auth-key', `${id},${secret}`, ...tls];
  await ground.start(await tool('rclone'), ['serve', 's3', ...args, buckets]);
  return {
    repository: `s3:https://${host}:${port}/copies/fleet`,
    credentials: {
      AWS_ACCESS_KEY_ID: id,
      AWS_SECRET_ACCESS_KEY: secret,
      RESTIC_CACERT: '/etc/restic/CA_CERT',
      CA_CERT: authority,
    },
    wrong: { AWS_SECRET_ACCESS_KEY: 'another' },
    refusal: /signature we calculated does not match/,
    ports: [port],
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}
