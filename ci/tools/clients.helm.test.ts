import { chmod, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterEach, expect, it, vi } from 'vitest';
import { temporaryFolder } from '../testing/project.ts';
import { clientEnvironment } from './clients.ts';
import { tool } from './tools.ts';

afterEach(() => vi.unstubAllEnvs());

/** A folder with a kubectl and a helm that say that they are of these versions, first on the PATH. */
async function withClients(kubectl: string, helm: string) {
  const folder = await temporaryFolder();
  const said = { kubectl: JSON.stringify({ clientVersion: { gitVersion: kubectl } }), helm };
  for (const [name, words] of Object.entries(said)) {
    const file = path.join(folder.path, name);
    await writeFile(file, `#!/bin/sh\necho '${words}'\n`);
    await chmod(file, 0o755);
  }
  vi.stubEnv('PATH', `${folder.path}${path.delimiter}${process.env.PATH}`);
  return folder;
}

/** The folder of the kubectl that commands would get. */
const first = (env: NodeJS.ProcessEnv) => env.PATH!.split(path.delimiter)[0];

it('takes the clients of the user where they are new enough', async () => {
  await using folder = await withClients('v1.28.0', 'v3.18.0');
  expect(first(await clientEnvironment('kubectl', 'helm'))).toBe(folder.path);
});

it.each([
  ['kubectl', 'v1.27.9', 'v4.1.0'],
  ['helm', 'v1.37.0', 'v3.17.4'],
])('takes the pinned ones where %s is too old', async (_, kubectl, helm) => {
  await using _folder = await withClients(kubectl, helm);
  expect(first(await clientEnvironment('kubectl', 'helm'))).toBe(path.dirname(await tool('kubectl')));
});

it('asks for no more than is needed', async () => {
  await using folder = await withClients('v1.37.0', 'v3.17.4');
  expect(first(await clientEnvironment('kubectl'))).toBe(folder.path);
});
