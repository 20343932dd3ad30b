import { readFileSync } from 'node:fs';
import path from 'node:path';
import { goToolchain, moduleVersions } from '../tools/go.ts';
import { root } from '../tools/paths.ts';
import { run } from '../tools/run.ts';

const folder = path.join(root, 'ci/tools/crds');

/** The folder of a Go module that ci/tools/crds/go.mod pins, fetched if it is not there and checked against its go.sum. */
export async function moduleFolder(name: string): Promise<string> {
  const version = moduleVersions(readFileSync(path.join(folder, 'go.mod'), 'utf8')).get(name);
  if (!version) throw new Error(`${name}: not in ci/tools/crds/go.mod: add it there, with its lines in go.sum`);
  const { command } = await goToolchain();
  const env = { ...process.env, GOFLAGS: '-mod=readonly', GOTOOLCHAIN: 'local', GOWORK: 'off' };
  const said = await run(command, ['mod', 'download', '-json', `${name}@${version}`], { cwd: folder, env });
  return JSON.parse(said).Dir;
}
