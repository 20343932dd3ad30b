import path from 'node:path';
import { requireSystem } from '../tools/packages.ts';
import { run } from '../tools/run.ts';

/**
 * Makes a certificate for these names (`DNS:HOST`, `IP:ADDRESS`) that is its own authority, for a day; gives back its file and that of
 * its key, both in the folder.
 */
export async function selfSigned(folder: string, ...names: string[]): Promise<{ certificate: string; key: string }> {
  const [certificate, key] = [path.join(folder, 'tls.crt'), path.join(folder, 'tls.key')];
  await requireSystem(['openssl']);
  await run('openssl', [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-noenc', '-days', '1'],
    ...['-subj', '/CN=test', '-addext', `subjectAltName=${names.join()}`, '-keyout', key, '-out', certificate],
  ]);
  return { certificate, key };
}
