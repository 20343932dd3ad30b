import { gzipSync } from 'node:zlib';
import { run } from '../ci/tools/run.ts';
import { tool } from '../ci/tools/tools.ts';

/** What a Secret holds at the most; Helm keeps a release in one. */
export const secretBytes = 2 ** 20;

/**
 * Bytes of the Secret that Helm would keep a release in: its JSON, which a dry run prints, compressed as much as gzip can,
 * in base64. Takes the chart and options of `helm install`.
 */
export async function sizeOfRelease(args: readonly string[]): Promise<number> {
  const install = ['install', 'release', ...args, '--dry-run=client', '--output', 'json'];
  const json = await run(await tool('helm'), install);
  return Math.ceil(gzipSync(json, { level: 9 }).length / 3) * 4;
}
