import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import path from 'node:path';
import { type Architecture, ownArchitecture, writeContext } from '../../service/image/context.ts';
import { contentKey } from '../tools/key.ts';
import { logged } from '../tools/logged.ts';
import { buildOnce } from '../tools/once.ts';
import { requireSystem } from '../tools/packages.ts';
import { cacheDir, root } from '../tools/paths.ts';
import { tool } from '../tools/tools.ts';
import { pauseImage, snapshotter } from './config.ts';
import { registry } from './layout.ts';
import { inNode, type Node, runInNode } from './node.ts';
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
  /** Files and folders that the image is made of: with the rest of this they decide whether it is built again. */
  sources: readonly string[];
  /** Which files of those folders get into the image; all unless given. */
  counts?(file: string): boolean;
  /** The Dockerfile's text; none where `context` brings one. */
  dockerfile?: string;
  /**
   * Fills the build context from the sources. The image is built again for other sources, not for another function: one
   * that does more than copy names the file that it is in among the sources.
   */
  context(folder: string): Promise<void> | void;
  /** Whose machines it is for; this one's unless given. Its RUN steps would have to be run here. */
  arch?: Architecture;
  /** Build arguments. */
  args?: Record<string, string>;
  /** A tar archive of a root file system that the Dockerfile may start FROM by the name `root`. */
  root?: string;
}

/** Builds an image with buildah, once for the same content. Needs no daemon; RUN steps run in a chroot. */
export async function buildImage(recipe: ImageRecipe): Promise<Image> {
  const { repository, sources, args = {}, arch = ownArchitecture } = recipe;
  // The archive of a root is in a folder that is named by its content.
  const { dockerfile, root: base, tag: fixed } = recipe;
  const facts = { repository, fixed, args, base, dockerfile, arch };
  const key = contentKey(sources, facts, recipe.counts);
  const tag = fixed ?? key;
  const reference = `${repository}:${tag}`;
  const folder = await buildOnce({
    parent: path.join(cacheDir(), 'images'),
    name: `image-${path.basename(repository)}`,
    key,
    make: async (into, log) => {
      await requireSystem(['buildah']);
      const work = path.join(into, 'work');
      const build = ['bud', '--platform', `linux/${arch}`];
      const context = path.join(work, 'context');
      mkdirSync(context, { recursive: true });
      await recipe.context(context);
      if (dockerfile) writeFileSync(path.join(context, 'Dockerfile'), dockerfile);
      if (base) {
        const folder = path.join(work, 'root');
        mkdirSync(folder);
        cpSync(base, path.join(folder, 'root.tar'));
        writeFileSync(path.join(folder, 'Dockerfile'), 'FROM scratch\nADD root.tar /\n');
        await buildah(work, log, [...build, '--tag', 'root', folder]);
      }
      const given = Object.entries(args).flatMap(([name, value]) => ['--build-arg', `${name}=${value}`]);
      await buildah(work, log, [...build, ...given, '--tag', reference, context]);
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

/**
 * Puts an image into the cluster's registry and gives back the reference that pods pull it by. The kubelet does not see
 * what passes through here: a pod really pulls.
 */
export async function publishImage(node: Node, image: Image): Promise<string> {
  const reference = `${registry}/${image.repository.split('/').slice(1).join('/')}:${image.tag}`;
  const images = (...args: string[]) => ['ctr', '--namespace', 'publishing', 'images', ...args];
  await runInNode(node, images('import', '--no-unpack', '--local', '-'), { inputFile: image.archive });
  await runInNode(node, images('push', '--local', '--hosts-dir', inNode('etc/registries'), reference, image.reference));
  await runInNode(node, images('rm', image.reference));
  return reference;
}

/** The references of the images that are on the node. */
export async function loadedImages(node: Node): Promise<Set<string>> {
  return new Set((await runInNode(node, ['ctr', '--namespace', 'k8s.io', 'images', 'ls', '--quiet'])).split('\n'));
}

/** The image of pods' sandboxes. */
export async function pauseImageArchive(): Promise<string> {
  const [repository, tag] = pauseImage.split(':') as [string, string];
  const pause = await tool('pause');
  const image = await buildImage({
    repository,
    tag,
    sources: [pause],
    dockerfile: 'FROM scratch\nCOPY pause /pause\nUSER 65535:65535\nENTRYPOINT ["/pause"]\n',
    context: (folder) => cpSync(pause, path.join(folder, 'pause')),
  });
  return image.archive;
}

/**
 * Ollama as its own image has it: the command at /bin/ollama, a shell and the usual commands beside it, listening on
 * every address unless it is told otherwise.
 */
export async function ollamaImage(): Promise<Image> {
  const commands = ['bash', 'coreutils', 'dash', 'findutils', 'grep', 'libc-bin', 'mawk', 'sed', 'util-linux'];
  const ollama = await tool('ollama');
  return buildImage({
    repository: 'model-management.local/ollama',
    root: await debianRoot(['base-files', 'ca-certificates', 'libc6', 'libstdc++6', ...commands]),
    sources: [ollama],
    dockerfile: `FROM root
COPY --chmod=0755 ollama /bin/ollama
ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin OLLAMA_HOST=0.0.0.0:11434 NVIDIA_VISIBLE_DEVICES=all
EXPOSE 11434
ENTRYPOINT ["/bin/ollama"]
CMD ["serve"]
`,
    context: (folder) => cpSync(ollama, path.join(folder, 'ollama')),
  });
}

/** restic as its own image has it, as far as the chart needs it: the command, and a shell. */
export async function resticImage(): Promise<Image> {
  const restic = await tool('restic');
  return buildImage({
    repository: 'model-management.local/restic',
    root: await debianRoot(['base-files', 'ca-certificates', 'coreutils', 'dash', 'grep']),
    sources: [restic],
    dockerfile: `FROM root
COPY --chmod=0755 restic /usr/bin/restic
ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
ENTRYPOINT ["/usr/bin/restic"]
`,
    context: (folder) => cpSync(restic, path.join(folder, 'restic')),
  });
}

/** The service's own image from its own Dockerfile, on a base of Debian packages instead of one from a registry. */
export async function serviceImage(arch: Architecture = ownArchitecture): Promise<Image> {
  const files = ['service', 'package.json', 'package-lock.json'];
  return buildImage({
    repository: 'model-management.local/model-management',
    root: await debianRoot(['base-files', 'ca-certificates', 'libc6', 'libstdc++6'], arch),
    sources: files.map((file) => path.join(root, file)),
    counts: (file) => !/(^|\/)(testing|node_modules)\/|\.test\.ts$/.test(file),
    arch,
    args: { BASE: 'root' },
    context: (folder) => writeContext(folder, [arch]),
  });
}
