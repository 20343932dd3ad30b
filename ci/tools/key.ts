import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';

/**
 * A short name for content: equal when every file of `sources` (files, and folders with all that is in them, by its path
 * there and its bytes; of folders only files that count) and every one of the `facts` is equal. Whatever can change the result of a build has to be in it.
 */
export function contentKey(
  sources: readonly string[],
  facts: unknown,
  counts: (file: string) => boolean = () => true,
): string {
  const hash = createHash('sha256');
  for (const source of sources) {
    for (const file of filesUnder(source).filter(counts)) {
      const content = readFileSync(path.join(source, file));
      hash.update(`${file}\0${content.length}\0`).update(content);
    }
    hash.update('\0\0');
  }
  hash.update(JSON.stringify(facts));
  return hash.digest('hex').slice(0, 16);
}

function filesUnder(folder: string): string[] {
  if (statSync(folder).isFile()) return [''];
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(folder, path.join(entry.parentPath, entry.name)))
    .sort();
}
