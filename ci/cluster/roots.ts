import { readFileSync } from 'node:fs';
import path from 'node:path';
import { type Architecture, ownArchitecture } from '../../service/image/context.ts';
import { contentKey } from '../tools/key.ts';
import { logged } from '../tools/logged.ts';
import { buildOnce } from '../tools/once.ts';
import { requireSystem } from '../tools/packages.ts';
import { cacheDir } from '../tools/paths.ts';

// What a package's installation scripts would have set up, and is wanted; and what nothing in a container reads.
const finish = `set -e
cd "$1"
mkdir -p etc/ssl/certs tmp
chmod 1777 tmp
if [ -d usr/share/ca-certificates ]; then cat usr/share/ca-certificates/mozilla/*.crt > etc/ssl/certs/ca-certificates.crt; fi
printf 'root:x:0:0:root:/root:/sbin/nologin\\nnonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\\n' > etc/passwd
printf 'root:x:0:\\nnonroot:x:65532:\\n' > etc/group
mkdir -p home/nonroot
chown 65532:65532 home/nonroot
if [ -e usr/bin/mawk ]; then ln -sf mawk usr/bin/awk; fi
rm -rf usr/share/doc usr/share/man usr/share/info usr/share/locale usr/share/ca-certificates usr/share/bash-completion
rm -rf var/lib/apt var/lib/dpkg var/cache`;

/**
 * A root file system of Debian packages, as a tar archive: what stands in for a base image where no image registry can
 * be reached. Packages are unpacked, not configured: no package manager, no shell unless one is named, and nothing of
 * another architecture than this machine's has to run.
 */
export async function debianRoot(packages: readonly string[], arch: Architecture = ownArchitecture): Promise<string> {
  const suite = codename();
  const folder = await buildOnce({
    parent: path.join(cacheDir(), 'roots'),
    name: 'root',
    key: contentKey([], { suite, packages, finish, arch }),
    make: async (into, log) => {
      await requireSystem(['mmdebstrap']);
      const which = [`--architectures=${arch}`, `--include=${packages.join(',')}`];
      const args = ['--variant=extract', ...which, `--customize-hook=${finish}`];
      // In a mount and process namespace of its own, so that ending it ends all that it started and mounted.
      const apart = ['--mount', '--pid', '--fork', '--kill-child', '--mount-proc'];
      await logged('unshare', [...apart, 'mmdebstrap', ...args, suite, path.join(into, 'root.tar')], { log });
    },
  });
  return path.join(folder, 'root.tar');
}

/** The host's own release: what is compiled here runs with the libraries of that. */
function codename(): string {
  const release = readFileSync('/etc/os-release', 'utf8');
  const name = /^VERSION_CODENAME=(.+)$/m.exec(release)?.[1];
  if (!name) throw new Error('/etc/os-release: no VERSION_CODENAME: images can be built on Debian and Ubuntu only');
  return name;
}
