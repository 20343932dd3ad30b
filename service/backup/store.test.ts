import { mkdirSync, mkdtempDisposableSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { selected, storedModels } from './store.ts';

/** A folder of models: manifests by their path, each a list of digests of which the first is the configuration's. */
function folderOf(manifests: Record<string, string[] | string>) {
  const folder = mkdtempDisposableSync(path.join(tmpdir(), 'models-'));
  for (const [file, content] of Object.entries(manifests)) {
    const full = path.join(folder.path, 'manifests', file);
    mkdirSync(path.dirname(full), { recursive: true });
    const [config, ...layers] = typeof content === 'string' ? [] : content.map((digest) => ({ digest }));
    writeFileSync(full, typeof content === 'string' ? content : JSON.stringify({ config, layers }));
  }
  return folder;
}

const library = 'registry.ollama.ai/library';
const base = { [`${library}/llama3.2/3b`]: ['sha256:c0', 'sha256:weights', 'sha256:licence'] };
const summary = { [`${library}/summary/latest`]: ['sha256:c1', 'sha256:weights', 'sha256:licence', 'sha256:system'] };
const tuned = { 'models.example.com:5000/team/tuned/v1': ['sha256:c2', 'sha256:own-weights'] };

describe('models on a disk', () => {
  it('are those that have a manifest, with all that it names', async () => {
    using folder = folderOf({ ...base, ...tuned, [`${library}/half/latest`]: '{"config":', 'stray/file': '{}' });
    expect(await storedModels(folder.path)).toEqual([
      {
        name: 'models.example.com:5000/team/tuned:v1',
        manifest: 'manifests/models.example.com:5000/team/tuned/v1',
        blobs: ['sha256:c2', 'sha256:own-weights'],
      },
      {
        name: 'registry.ollama.ai/library/llama3.2:3b',
        manifest: `manifests/${library}/llama3.2/3b`,
        blobs: ['sha256:c0', 'sha256:weights', 'sha256:licence'],
      },
    ]);
  });

  it('are none where nothing was ever pulled', async () => {
    using folder = mkdtempDisposableSync(path.join(tmpdir(), 'models-'));
    expect(await storedModels(folder.path)).toEqual([]);
  });
});

describe('what is copied of them', () => {
  it('is what cannot be pulled, without the layers that come with what can', async () => {
    using folder = folderOf({ ...base, ...summary, ...tuned });
    const { models, files } = selected(await storedModels(folder.path), ['Llama3.2:3b'], false);
    expect(models.map(({ name }) => name)).toEqual([
      'models.example.com:5000/team/tuned:v1',
      'registry.ollama.ai/library/summary:latest',
    ]);
    expect(files.toSorted()).toEqual([
      'blobs/sha256-c1',
      'blobs/sha256-c2',
      'blobs/sha256-own-weights',
      'blobs/sha256-system',
      'manifests/models.example.com:5000/team/tuned/v1',
      `manifests/${library}/summary/latest`,
    ]);
  });

  it('is all of them where that is asked for, each layer once', async () => {
    using folder = folderOf({ ...base, ...summary });
    const { models, files } = selected(await storedModels(folder.path), ['llama3.2:3b'], true);
    expect(models).toHaveLength(2);
    expect(files.filter((file) => file === 'blobs/sha256-weights')).toHaveLength(1);
    expect(files).toHaveLength(2 + 5);
  });
});
