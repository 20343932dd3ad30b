import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { tool } from '../tools/tools.ts';
import { prepareOutside } from './outside.ts';

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

/** Starts rclone as a server of S3, by HTTPS with signatures of version 4, with one bucket. */
export async function startS3(host: string): Promise<Store> {
  const ground = await prepareOutside(host);
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
