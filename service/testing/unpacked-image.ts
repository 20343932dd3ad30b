import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { run } from '../../ci/tools/run.ts';
import type { Place } from './entry.ts';

/** What an image says of itself, as the OCI's image specification calls it. */
export interface ImageConfig {
  architecture: string;
  os: string;
  config: {
    User: string;
    Env: string[];
    WorkingDir: string;
    Entrypoint: string[];
    ExposedPorts: Record<string, object>;
  };
}

// Linux tells a process no longer of its parent's end once it has changed its user: it is asked to after that. For this
// the one right that it takes to change the root folder outlives root's others.
const enter = `set -e
root=$1 folder=$2 user=$3 group=$4
shift 4
mount -t proc proc "$root/proc"
exec setpriv --reuid "$user" --regid "$group" --clear-groups --inh-caps +sys_chroot --ambient-caps +sys_chroot \\
  --pdeathsig TERM unshare --root "$root" --wd "$folder" -- /emulator "$@"
`;

/**
 * The file system of an image, to run its entry points in as a container runtime does: as its user, with its environment,
 * and with nothing else in sight. Only the network is that of the test.
 */
export class UnpackedImage implements Place, AsyncDisposable {
  readonly about: ImageConfig;
  /** Where its files are. */
  readonly root: string;
  readonly #folder: string;

  private constructor(folder: string, about: ImageConfig) {
    this.#folder = folder;
    this.about = about;
    this.root = path.join(folder, 'root');
  }

  /** Unpacks a docker-archive; `emulator` is the static binary that runs what is in it, where this machine does not. */
  static async open(archive: string, emulator: string): Promise<UnpackedImage> {
    const folder = mkdtempSync(path.join(tmpdir(), 'image-'));
    try {
      // Its user has to get there.
      chmodSync(folder, 0o755);
      const [parts, root] = [path.join(folder, 'parts'), path.join(folder, 'root')];
      for (const made of [parts, root]) mkdirSync(made, { mode: 0o755 });
      await run('tar', ['-xf', archive, '-C', parts]);
      const content = (file: string) => JSON.parse(readFileSync(path.join(parts, file), 'utf8'));
      const [{ Config, Layers }] = content('manifest.json') as [{ Config: string; Layers: string[] }];
      const image = new UnpackedImage(folder, content(Config));
      for (const layer of Layers) await run('tar', ['-xf', path.join(parts, layer), '-C', root]);
      rmSync(parts, { recursive: true });
      copyFileSync(emulator, path.join(image.root, 'emulator'));
      return image;
    } catch (error) {
      rmSync(folder, { recursive: true, force: true });
      throw error;
    }
  }

  get temporary(): string {
    return path.join(this.root, 'tmp');
  }

  inside(file: string): string {
    return path.join('/', path.relative(this.root, file));
  }

  command(component: string): string[] {
    const { User, Env, WorkingDir, Entrypoint } = this.about.config;
    const inside = [...Entrypoint, `/app/service/${component}/main.ts`];
    const place = [this.root, WorkingDir, ...User.split(':')];
    return ['env', '-i', ...Env, 'unshare', '--mount', 'sh', '-c', enter, 'sh', ...place, ...inside];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
