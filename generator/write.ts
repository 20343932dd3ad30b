import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { diff } from 'node:util';
import type { Output } from './outputs.ts';

/**
 * Writes all outputs or none: each goes to a file beside its target first, and only when all of them are on the disk are
 * they renamed into place; should a rename fail, those before it are taken back.
 * Returns the files that changed.
 */
export async function writeAll(root: string, outputs: Output[]): Promise<string[]> {
  const changed = (await stale(root, outputs)).map(({ output, old }) => ({
    file: output.file,
    text: output.text,
    old,
    target: path.join(root, output.file),
    draft: path.join(root, `${output.file}.${process.pid}.draft`),
  }));
  const placed: typeof changed = [];
  try {
    for (const { target, draft, text } of changed) {
      await mkdir(path.dirname(target), { recursive: true });
      await writeFile(draft, text);
    }
    for (const change of changed) {
      await rename(change.draft, change.target);
      placed.push(change);
    }
  } catch (error) {
    for (const { target, old } of placed) await (old === undefined ? rm(target) : writeFile(target, old));
    throw error;
  } finally {
    for (const { draft } of changed) await rm(draft, { force: true });
  }
  return changed.map(({ file }) => file);
}

/** A readable diff of each output that the disk does not have as it should be; empty when all are fresh. */
export async function differences(root: string, outputs: Output[]): Promise<string[]> {
  return (await stale(root, outputs)).map(({ output, old }) =>
    old === undefined ? `${output.file}: missing` : unified(output.file, old, output.text),
  );
}

async function stale(root: string, outputs: Output[]): Promise<{ output: Output; old: string | undefined }[]> {
  const found: { output: Output; old: string | undefined }[] = [];
  for (const output of outputs) {
    const old = await readFile(path.join(root, output.file), 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined;
      throw error;
    });
    if (old !== output.text) found.push({ output, old });
  }
  return found;
}

/** Changed lines with two lines around them: `-` what the file has, `+` what the generator makes. */
function unified(file: string, old: string, wanted: string): string {
  const around = 2;
  const lines = diff(old.split('\n'), wanted.split('\n')) as [-1 | 0 | 1, string][];
  // util.diff marks with 1 what only its first argument has.
  const signs = lines.map(([operation, text]) => ({ sign: operation === 0 ? ' ' : operation === 1 ? '-' : '+', text }));
  const near = signs.map((_, index) =>
    signs.slice(Math.max(0, index - around), index + around + 1).some(({ sign }) => sign !== ' '),
  );
  const shown: string[] = [`--- ${file} (on disk)`, `+++ ${file} (generated)`];
  for (const [index, { sign, text }] of signs.entries()) {
    if (near[index]) shown.push(`${sign} ${text}`);
    else if (near[index - 1]) shown.push('  …');
  }
  return shown.join('\n');
}
