import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

/**
 * A short name for content: equal when every file under `folders` (by its path inside it and its bytes) and every one of
 * the `facts` is equal. Whatever can change the result of a build has to be among them.
 */
export function contentKey(folders: readonly string[], facts: unknown): string {
  const hash = createHash('sha256');
  for (const folder of folders) {
    for (const file of filesUnder(folder)) {
      const content = readFileSync(path.join(folder, file));
      hash.update(`${file}\0${content.length}\0`).update(content);
    }
    hash.update('\0\0');
  }
  hash.update(JSON.stringify(facts));
  return hash.digest('hex').slice(0, 16);
}

function filesUnder(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(folder, path.join(entry.parentPath, entry.name)))
    .sort();
}
