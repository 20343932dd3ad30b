import { copyFile, mkdir, readdir, rm } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import { contentKey } from '../../tools/key.ts';
import { logged } from '../../tools/logged.ts';
import { buildOnce } from '../../tools/once.ts';
import { requireSystem, unpackPackages } from '../../tools/packages.ts';
import { cacheDir } from '../../tools/paths.ts';

const config = path.join(import.meta.dirname, 'kernel.config');
const init = path.join(import.meta.dirname, 'init');

/**
 * Folder with a kernel of this release of Debian, built as a program (`linux`), and the first file system that it starts from
 * (`initramfs`). Built once: some five minutes on two cores.
 */
export function userModeLinux(): Promise<string> {
  return buildOnce({
    parent: path.join(cacheDir(), 'machines'),
    name: 'kernel',
    key: contentKey([config, init, import.meta.filename], {}),
    make: async (into, log) => {
      await requireSystem(['gcc', '/usr/include/stdio.h', 'make', 'flex', 'bison', 'bc', 'xz', 'cpio']);
      const unpacked = path.join(into, 'unpacked');
      await unpackPackages(['linux-source', 'busybox-static'], unpacked, log);
      await buildKernel(path.join(unpacked, 'usr/src'), path.join(into, 'linux'), log);
      await packFirst(path.join(unpacked, 'bin/busybox'), into, log);
      await rm(unpacked, { recursive: true });
    },
  });
}

async function buildKernel(folder: string, target: string, log: string): Promise<void> {
  const [archive] = (await readdir(folder)).filter((file) => /^linux-source-[\d.]+\.tar\.xz$/.test(file));
  await logged('tar', ['--extract', '--file', archive!], { log, cwd: folder });
  const cwd = path.join(folder, archive!.replace('.tar.xz', ''));
  const make = (...args: string[]) => logged('make', ['ARCH=um', ...args], { log, cwd });
  await make('defconfig');
  await logged('scripts/kconfig/merge_config.sh', ['-m', '.config', config], { log, cwd });
  await make('olddefconfig');
  await make(`--jobs=${availableParallelism()}`, 'linux');
  await copyFile(path.join(cwd, 'linux'), target);
}

async function packFirst(busybox: string, into: string, log: string): Promise<void> {
  const first = path.join(into, 'first');
  for (const folder of ['bin', 'proc', 'sys', 'dev', 'host', 'own', 'root']) {
    await mkdir(path.join(first, folder), { recursive: true });
  }
  await copyFile(busybox, path.join(first, 'bin/busybox'));
  await copyFile(init, path.join(first, 'init'));
  const pack = `chmod 0755 init && find . | cpio --quiet -o -H newc | gzip > '${path.join(into, 'initramfs')}'`;
  await logged('sh', ['-c', pack], { log, cwd: first });
  await rm(first, { recursive: true });
}
