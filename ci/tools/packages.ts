import { existsSync } from 'node:fs';
import { mkdir, readdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { withLock } from './lock.ts';
import { logged } from './logged.ts';
import { cacheDir } from './paths.ts';
import { say, withProgress } from './progress.ts';
import { output, run } from './run.ts';

/** What of the system we use, and the Debian package that brings it. A name with a slash is a file, others are commands. */
const packages = {
  gcc: 'gcc',
  'g++': 'g++',
  '/usr/include/stdio.h': 'libc6-dev',
  python3: 'python3',
  pip3: 'python3-pip',
  git: 'git',
  curl: 'curl',
  pgrep: 'procps',
  openssl: 'openssl',
  ip: 'iproute2',
  nsenter: 'util-linux',
  mount: 'mount',
  '/usr/include/seccomp.h': 'libseccomp-dev',
  'pkg-config': 'pkg-config',
  '/usr/lib/cni/ptp': 'containernetworking-plugins',
  nft: 'nftables',
  iptables: 'iptables',
  ipset: 'ipset',
  buildah: 'buildah',
  mmdebstrap: 'mmdebstrap',
  '/usr/sbin/nginx': 'nginx',
  chromium: 'chromium',
  '/usr/share/fonts/truetype/liberation/LiberationSans-Regular.ttf': 'fonts-liberation',
  'qemu-aarch64-static': 'qemu-user-static',
  'qemu-x86_64-static': 'qemu-user-static',
  make: 'make',
  flex: 'flex',
  bison: 'bison',
  bc: 'bc',
  xz: 'xz-utils',
  cpio: 'cpio',
} as const;

export type SystemTool = keyof typeof packages;

/** Administrators' commands are not on everybody's PATH. */
const searched = [...(process.env.PATH ?? '').split(path.delimiter), '/usr/local/sbin', '/usr/sbin', '/sbin'];

function present(tool: string): boolean {
  if (tool.startsWith('/')) return existsSync(tool);
  return searched.some((folder) => folder && existsSync(path.join(folder, tool)));
}

/** Sees to it that the named parts of the system are there: installs them with apt where it may, else names them. */
export async function requireSystem(tools: readonly SystemTool[]): Promise<void> {
  const missing = () => [...new Set(tools.filter((tool) => !present(tool)).map((tool) => packages[tool]))];
  if (missing().length === 0) return;
  await withLock(path.join(cacheDir(), 'apt.lock'), async () => {
    const wanted = missing();
    if (wanted.length === 0) return;
    const command = `apt-get install ${wanted.join(' ')}`;
    if (!present('apt-get')) throw new Error(`${wanted.join(', ')}: missing: install them (on Debian: ${command})`);
    if (process.getuid?.() !== 0) throw new Error(`${wanted.join(', ')}: missing: run as root: ${command}`);
    say(`packages: installing ${wanted.join(' ')}`);
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
    const apt = (...args: string[]) =>
      withProgress(
        output('apt-get', ['-q', '-y', '-o', 'DPkg::Lock::Timeout=600', ...args], { env }),
        (elapsed) => `packages: installing, ${elapsed}`,
      );
    // A fresh machine has no package lists, and old ones name files that mirrors have dropped.
    await apt('update');
    const installed = await apt('install', '--no-install-recommends', ...wanted);
    if (installed.status !== 0 || missing().length > 0) {
      const words = installed.stderr.trim().split('\n').slice(-3).join(' ');
      throw new Error(`${wanted.join(', ')}: not installed by apt: ${words}: install them by hand: ${command}`);
    }
  });
}

/**
 * Unpacks Debian packages into a folder without installing them, as for another machine than this one; of a package that only
 * depends on the newest of its kind (`linux-source`) that one.
 */
export async function unpackPackages(names: readonly string[], into: string, log: string): Promise<void> {
  const folder = path.join(into, '.packages');
  await mkdir(folder, { recursive: true });
  await logged('apt-get', ['-q', 'update'], { log });
  for (const name of names) {
    const depends = await run('apt-cache', ['depends', '--important', name]);
    const newest = new RegExp(`Depends: (${name.split('-', 2).join('-')}-[0-9]\\S+)`).exec(depends)?.[1];
    await logged('apt-get', ['-q', '-o', 'APT::Sandbox::User=root', 'download', newest ?? name], { log, cwd: folder });
  }
  for (const file of await readdir(folder))
    await logged('dpkg-deb', ['--extract', path.join(folder, file), into], { log });
  await rm(folder, { recursive: true });
}
