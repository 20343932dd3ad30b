import { mkdir, readdir, symlink } from 'node:fs/promises';
import path from 'node:path';
import { buildImage, type Image } from '../cluster/images.ts';
import { debianRoot } from '../cluster/roots.ts';
import { root } from '../tools/paths.ts';
import { run } from '../tools/run.ts';

/** Where `npm run previous-release` puts them. */
export const previousFolder = path.join(root, 'charts/tests/previous');

/** The release that upgrades start from: what it is called, its chart, and where its service and its environments come from. */
export interface Previous {
  /** Such as `0.1.0-4a6ea29`: the commit or tag is its last part. */
  version: string;
  chart: string;
  /** An archive of the service's sources and of the environments' values. */
  sources: string;
}

/** The previous release, which is committed: a clone may have no history. */
export async function previousRelease(): Promise<Previous> {
  const files = await readdir(previousFolder);
  const chart = files.filter((file) => /^model-management-.*\.tgz$/.test(file));
  if (chart.length !== 1) {
    throw new Error(`${previousFolder}: has ${chart.length} charts: write one by npm run previous-release -- COMMIT`);
  }
  const version = /^model-management-(.*)\.tgz$/.exec(chart[0]!)![1]!;
  const file = (name: string) => path.join(previousFolder, name);
  return { version, chart: file(chart[0]!), sources: file(`sources-${version}.tgz`) };
}

/** The image of its service, made as that release makes it, on the base that the present one has in tests. */
export async function previousServiceImage({ sources }: Previous): Promise<Image> {
  return buildImage({
    repository: 'model-management.local/model-management',
    root: await debianRoot(['base-files', 'ca-certificates', 'libc6', 'libstdc++6']),
    sources: [sources],
    args: { BASE: 'root' },
    context: async (folder) => {
      const unpacked = path.join(path.dirname(folder), 'previous');
      await mkdir(unpacked);
      await run('tar', ['-xzf', sources, '-C', unpacked]);
      // It takes the version of Node from the package of that name.
      await symlink(path.join(root, 'node_modules'), path.join(unpacked, 'node_modules'));
      const arch = process.arch === 'arm64' ? 'arm64' : 'amd64';
      await run(process.execPath, [path.join(unpacked, 'service/image/context.ts'), folder, '--arch', arch]);
    },
  });
}

/** The values of one of its environments, as text. */
export const previousValues = ({ sources }: Previous, environment: string): Promise<string> =>
  run('tar', ['-xzOf', sources, `environments/${environment}/values.yaml`]);
