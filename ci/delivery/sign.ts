// npm run sign -- REPOSITORY@sha256:… [--key FILE] [--plain-http]
//
// Signs an image or a chart in a registry with cosign. Without --key it is the identity of the workflow that runs this which signs,
// and the signature goes to the public log; with --key, a private key of `cosign generate-key-pair`, whose password is
// COSIGN_PASSWORD, nobody is told.
import { mkdtempDisposable } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { output, run } from '../tools/run.ts';
import { tool } from '../tools/tools.ts';

const usage = 'usage: npm run sign -- REPOSITORY@sha256:… [--key FILE] [--plain-http]';

async function sign(reference: string, key: string | undefined, plainHttp: boolean): Promise<void> {
  const cosign = await tool('cosign');
  await using folder = await mkdtempDisposable(path.join(tmpdir(), 'model-management-sign-'));
  const args = ['sign', '--yes', ...(plainHttp ? ['--allow-http-registry'] : [])];
  if (key) {
    // One that names no service: neither the public log nor a clock of others.
    const config = path.join(folder.path, 'signing-config.json');
    await run(cosign, ['signing-config', 'create', '--out', config]);
    args.push('--key', key, '--signing-config', config);
  }
  const { status, stdout, stderr } = await output(cosign, [...args, reference]);
  if (status === 0) return;
  const words = (stderr || stdout).trim().split('\n').at(-1);
  throw new Error(`${reference}: is not signed: ${words}: see whether it is there and you may write to its registry`);
}

try {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { key: { type: 'string' }, 'plain-http': { type: 'boolean', default: false } },
  });
  const [reference, ...rest] = positionals;
  if (rest.length > 0) throw new Error(`${rest[0]}: unexpected: sign one at a time`);
  if (!/^[^@]+@sha256:[0-9a-f]{64}$/.test(reference ?? '')) {
    throw new Error(`${reference ?? ''}: has no digest: write REPOSITORY@sha256:…, for a tag may be another tomorrow`);
  }
  await sign(reference!, values.key, values['plain-http']);
  console.log(`${reference}: signed`);
} catch (error) {
  const { message, code } = error as NodeJS.ErrnoException;
  console.error(`sign: ${message}${code?.startsWith('ERR_PARSE_ARGS') ? `\n${usage}` : ''}`);
  process.exitCode = 1;
}
