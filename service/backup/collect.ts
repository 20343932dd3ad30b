import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { BackupConfig } from '../../schema/config.ts';
import type { Kube, KubeObject } from './kube.ts';
import { selected, storedModels } from './store.ts';

/** A model that a server has, as the copy tells of it. */
export interface ListedModel {
  server: string;
  name: string;
  /** SHA-256 of its manifest, without the word before it; undefined where the server did not answer. */
  digest: string | undefined;
  /** Bytes on its disk. */
  size: number | undefined;
}

export interface Places {
  /** The release's values, as the chart writes them into a file. */
  values: string;
  /** Folder of models on the shared claim; undefined where there is none. */
  models?: string;
  /** Folder that is filled. */
  into: string;
}

/**
 * Fills a folder with what a copy consists of: values.json, release.json, objects.json, models.json, and `files`, which names the
 * files of models that belong to it, each ended by a NUL; and `ended`, which names the pods of earlier runs that have. Throws where the API server refuses or the folder of models cannot be read.
 */
export async function collect(config: BackupConfig, kube: Kube, { values, models, into }: Places): Promise<string> {
  await mkdir(into, { recursive: true });
  const write = (file: string, content: unknown) =>
    writeFile(path.join(into, file), `${JSON.stringify(content, null, 2)}\n`);
  const { release, chart, namespace, secrets, resources, servers, pulled, baseModels } = config;
  await write('values.json', JSON.parse(await readFile(values, 'utf8')));
  await write('release.json', { release, chart, namespace, secrets });
  const selector = `app.kubernetes.io/instance=${release},app.kubernetes.io/part-of=model-management`;
  const paths = resources.map((each) => {
    const [, api, name] = /^(.+)\/(.+)$/.exec(each)!;
    return `${api!.includes('/') ? '/apis' : '/api'}/${api}/namespaces/${namespace}/${name}`;
  });
  const lists = await Promise.all(paths.map((each) => kube.list(each, selector)));
  const objects = lists.flat().map(kept);
  await write('objects.json', objects);
  const listed = (await Promise.all(Object.entries(servers).map(([server, url]) => modelsOf(server, url)))).flat();
  await write('models.json', listed);
  const { models: chosen, files } = models
    ? selected(await storedModels(models), pulled, baseModels)
    : { models: [], files: [] };
  await writeFile(path.join(into, 'files'), files.map((file) => `${path.join(models ?? '/', file)}\0`).join(''));
  const ofBackups = `app.kubernetes.io/instance=${release},app.kubernetes.io/component=backup`;
  const own = await kube.list(`/api/v1/namespaces/${namespace}/pods`, ofBackups);
  await writeFile(
    path.join(into, 'ended'),
    own
      .filter(hasEnded)
      .map(({ metadata }) => `${metadata.name}\n`)
      .join(''),
  );
  const silent = listed.filter(({ digest }) => digest === undefined);
  return (
    `${objects.length} objects and the names of ${listed.length - silent.length} models, and ${chosen.length} models themselves` +
    silent.map(({ server }) => `; ${server} did not say which it has`).join('')
  );
}

/** Whether nothing of a pod runs any more, by the word of its kubelet: one that is to be deleted may. */
const hasEnded = ({ status }: KubeObject) => ['Succeeded', 'Failed'].includes((status as { phase: string }).phase);

/** An object as somebody would write it: without what the cluster knows of it. */
function kept({ status: _status, metadata, ...object }: KubeObject): KubeObject {
  const {
    managedFields: _fields,
    uid: _uid,
    resourceVersion: _version,
    generation: _generation,
    ...written
  } = metadata;
  return { ...object, metadata: written as KubeObject['metadata'] };
}

/** A server without pods has nothing to say; its models are in the values all the same. */
async function modelsOf(server: string, url: string): Promise<ListedModel[]> {
  try {
    const answer = await fetch(`${url}/api/tags`, { signal: AbortSignal.timeout(20_000) });
    if (!answer.ok) throw new Error(`${answer.status}`);
    const { models } = (await answer.json()) as { models: { name: string; digest: string; size: number }[] };
    return models.map(({ name, digest, size }) => ({ server, name, digest, size }));
  } catch {
    return [{ server, name: '', digest: undefined, size: undefined }];
  }
}
