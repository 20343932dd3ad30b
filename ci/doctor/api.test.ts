import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, it } from 'vitest';
import { temporaryFolder } from '../testing/project.ts';
import { openSocket } from './api.ts';

/** A folder for what is temporary, and in it a kubectl of these lines. */
async function withKubectl(lines: string) {
  const folder = await temporaryFolder();
  const file = path.join(folder.path, 'kubectl');
  await writeFile(file, `#!/bin/sh\n${lines}\n`);
  await chmod(file, 0o755);
  const env = { ...process.env, TMPDIR: folder.path, PATH: `${folder.path}${path.delimiter}${process.env.PATH}` };
  return { ...folder, env };
}

it('says in its own words why kubectl does not serve', async () => {
  await using folder = await withKubectl('echo "error: context \\"x\\" does not exist" >&2; exit 1');
  await expect(openSocket(['--context', 'x'], folder.env)).rejects.toThrow('kubectl: context "x" does not exist');
});

it.each(['SIGTERM', 'SIGINT'] as const)(
  'leaves no kubectl and no folder behind when it is ended by %s',
  async (signal) => {
    await using folder = await withKubectl(`echo $$ > "$TMPDIR/pid"; echo Starting; exec sleep 60`);
    const api = path.join(import.meta.dirname, 'api.ts');
    const script = `import { openSocket } from '${api}';
const way = await openSocket([], process.env);
console.log(way.socket);
setInterval(() => {}, 1000);`;
    const child = spawn(process.execPath, ['--input-type=module', '--eval', script], { env: folder.env });
    const [said] = await once(child.stdout, 'data');
    expect(existsSync(path.dirname(String(said).trim()))).toBe(true);
    child.kill(signal);
    expect(await once(child, 'exit')).toEqual([130, null]);
    const pid = (await readFile(path.join(folder.path, 'pid'), 'utf8')).trim();
    await expect.poll(() => existsSync(`/proc/${pid}/exe`) && existsSync(`/proc/${pid}/cmdline`)).toBe(false);
    expect((await readdir(folder.path)).sort()).toEqual(['kubectl', 'pid']);
  },
);
