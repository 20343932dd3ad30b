import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { canonicalName } from '../shared/names.ts';

/** A model on a disk of Ollama's. */
export interface StoredModel {
  /** Host, namespace, name and tag. */
  name: string;
  /** Its manifest, from the folder of the models. */
  manifest: string;
  /** Its layers and its configuration by their digests. */
  blobs: string[];
}

/** What a copy of models needs. */
export interface Selection {
  models: StoredModel[];
  /** Files that belong to them, from the folder of the models. */
  files: string[];
}

/**
 * The models in a folder of Ollama's: manifests/HOST/NAMESPACE/NAME/TAG name blobs/sha256-DIGEST. What is no manifest is left out: a
 * pull that is under way writes its manifest last. Throws where the folder cannot be read.
 */
export async function storedModels(folder: string): Promise<StoredModel[]> {
  const root = path.join(folder, 'manifests');
  const entries = await readdir(root, { recursive: true, withFileTypes: true }).catch(
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return [];
      throw error;
    },
  );
  const models: StoredModel[] = [];
  for (const entry of entries.filter((each) => each.isFile())) {
    const file = path.join(entry.parentPath, entry.name);
    const parts = path.relative(root, file).split(path.sep);
    if (parts.length < 4) continue;
    const blobs = blobsOf(await readFile(file, 'utf8'));
    if (!blobs) continue;
    const name = `${parts.slice(0, -1).join('/')}:${parts.at(-1)}`;
    models.push({ name, manifest: path.relative(folder, file), blobs });
  }
  return models.toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

function blobsOf(text: string): string[] | undefined {
  try {
    const { config, layers } = JSON.parse(text) as { config: { digest: string }; layers: { digest: string }[] };
    return [config, ...layers].map(({ digest }) => digest);
  } catch {
    return undefined;
  }
}

/**
 * The files of the models that cannot be pulled again, without those layers that come with one that can; of all models where `all`
 * is asked for. `pulled` is names in any spelling.
 */
export function selected(models: readonly StoredModel[], pulled: readonly string[], all: boolean): Selection {
  const known = new Set(pulled.map(canonicalName));
  const isPulled = ({ name }: StoredModel) => known.has(canonicalName(name));
  const again = new Set(models.filter(isPulled).flatMap(({ blobs }) => blobs));
  const chosen = all ? [...models] : models.filter((model) => !isPulled(model));
  const blobs = new Set(chosen.flatMap((model) => model.blobs).filter((digest) => all || !again.has(digest)));
  const files = [...chosen.map(({ manifest }) => manifest), ...[...blobs].map(fileOf)];
  return { models: chosen, files };
}

const fileOf = (digest: string) => path.join('blobs', digest.replace(':', '-'));
