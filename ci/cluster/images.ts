import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import path from 'node:path';
import { contentKey } from '../tools/key.ts';
import { logged } from '../tools/logged.ts';
import { buildOnce } from '../tools/once.ts';
import { requireSystem } from '../tools/packages.ts';
import { cacheDir } from '../tools/paths.ts';
import { tool } from '../tools/tools.ts';
import { pauseImage, snapshotter } from './config.ts';
import { type Node, runInNode } from './node.ts';
import { debianRoot } from './roots.ts';

/** An image that is built: its archive, and the reference that pods name it by. */
export interface Image {
  reference: string;
  repository: string;
  tag: string;
  /** A docker-archive, to be given to a cluster's `loadImage`. */
  archive: string;
}

export interface ImageRecipe {
  /** Such as `model-management.local/ollama`. */
  repository: string;
  /** Fixed where the reference must be known beforehand; else the tag is the key of the content. */
  tag?: string;
  /** The Dockerfile's text. */
  dockerfile: string;
  /** The build context: path inside it → file or folder on this machine. */
  files: Record<string, string>;
  /** Build arguments. */
  args?: Record<string, string>;
  /** Further images that the Dockerfile starts FROM, by the name that it uses: a tar archive of a root file system each. */
  bases?: Record<string, string>;
}

/** Builds an image with buildah, once for the same content. Needs no daemon; RUN steps run in a chroot. */
export async function buildImage(recipe: ImageRecipe): Promise<Image> {
  const { repository, dockerfile, files, args = {}, bases = {} } = recipe;
  // A base's folder in the cache is named by its content.
  const facts = { repository, tag: recipe.tag, dockerfile, args, bases, files: Object.keys(files), arch: process.arch };
  const key = contentKey(Object.values(files), facts);
  const tag = recipe.tag ?? key;
  const reference = `${repository}:${tag}`;
  const folder = await buildOnce({
    parent: path.join(cacheDir(), 'images'),
    name: `image-${path.basename(repository)}`,
    key,
    make: async (into, log) => {
      await requireSystem(['buildah']);
      const work = path.join(into, 'work');
      const context = path.join(work, 'context');
      mkdirSync(context, { recursive: true });
      for (const [inside, source] of Object.entries(files)) {
        cpSync(source, path.join(context, inside), { recursive: true, dereference: true, preserveTimestamps: true });
      }
      writeFileSync(path.join(work, 'Dockerfile'), dockerfile);
      for (const [name, root] of Object.entries(bases)) {
        const folder = path.join(work, 'bases', name);
        mkdirSync(folder, { recursive: true });
        cpSync(root, path.join(folder, 'root.tar'));
        writeFileSync(path.join(folder, 'Dockerfile'), 'FROM scratch\nADD root.tar /\n');
        await buildah(work, log, ['bud', '--tag', name, folder]);
      }
      const given = Object.entries(args).flatMap(([name, value]) => ['--build-arg', `${name}=${value}`]);
      await buildah(work, log, ['bud', ...given, '--tag', reference, '--file', path.join(work, 'Dockerfile'), context]);
      await buildah(work, log, ['push', reference, `docker-archive:${path.join(into, 'image.tar')}:${reference}`]);
      await rm(work, { recursive: true, force: true });
    },
  });
  return { reference, repository, tag, archive: path.join(folder, 'image.tar') };
}

/** buildah with a store of its own: nothing of it stays in the system's. */
async function buildah(work: string, log: string, [command, ...args]: string[]): Promise<void> {
  const store = ['--root', path.join(work, 'store'), '--runroot', path.join(work, 'run'), '--storage-driver', 'vfs'];
  const policy = path.join(work, 'policy.json');
  writeFileSync(policy, '{"default": [{"type": "insecureAcceptAnything"}]}');
  const isolation = command === 'bud' ? ['--isolation', 'chroot', '--pull-never'] : [];
  const full = [...store, command!, '--signature-policy', policy, ...isolation, ...args];
  // In a mount and process namespace of its own, so that ending it ends all that it started and mounted.
  const apart = ['--mount', '--pid', '--fork', '--kill-child', '--mount-proc'];
  await logged('unshare', [...apart, 'buildah', ...full], { log, env: { ...process.env, TMPDIR: work } });
}

/** Brings an image onto the node, where pods find it by its reference without pulling it. */
export async function loadImage(node: Node, archive: string): Promise<void> {
  const options = ['--snapshotter', snapshotter(node.layout.folder), '--local'];
  await runInNode(node, ['ctr', '--namespace', 'k8s.io', 'images', 'import', ...options, '-'], { inputFile: archive });
}

/** The image of pods' sandboxes. */
export async function pauseImageArchive(): Promise<string> {
  const [repository, tag] = pauseImage.split(':') as [string, string];
  const files = { pause: await tool('pause') };
  const dockerfile = 'FROM scratch\nCOPY pause /pause\nUSER 65535:65535\nENTRYPOINT ["/pause"]\n';
  return (await buildImage({ repository, tag, dockerfile, files })).archive;
}

/**
 * Ollama as its own image has it: the command at /bin/ollama, a shell and the core utilities, listening on every address
 * unless it is told otherwise.
 */
export async function ollamaImage(): Promise<Image> {
  const commands = ['bash', 'coreutils', 'dash', 'findutils', 'grep', 'mawk', 'sed', 'util-linux'];
  const root = await debianRoot(['base-files', 'ca-certificates', 'libc6', 'libstdc++6', ...commands]);
  return buildImage({
    repository: 'model-management.local/ollama',
    dockerfile: `FROM root
COPY --chmod=0755 ollama /bin/ollama
ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin OLLAMA_HOST=0.0.0.0:11434 NVIDIA_VISIBLE_DEVICES=all
EXPOSE 11434
ENTRYPOINT ["/bin/ollama"]
CMD ["serve"]
`,
    files: { ollama: await tool('ollama') },
    bases: { root },
  });
}
