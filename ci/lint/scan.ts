// npm run scan -- config [--sarif FILE]             what Trivy holds against the environments as they are rendered
// npm run scan -- image ARCHIVE [--sarif FILE]      known vulnerabilities of an image in an archive, for which there is a remedy
//
// Less what ci/lint/waivers.ts answers. --sarif writes what is left for GitHub to show.
import { readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { root } from '../tools/paths.ts';
import { answered, type Finding, unanswered } from './findings.ts';
import { sarif } from './sarif.ts';
import { configFindings, imageFindings } from './trivy.ts';
import { type Scanner, waivers } from './waivers.ts';

const usage = 'usage: npm run scan -- config | image ARCHIVE [--sarif FILE]';

async function environments(): Promise<string[]> {
  const entries = await readdir(path.join(root, 'environments'), { withFileTypes: true });
  return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
}

async function scan([what, archive, ...rest]: string[]): Promise<{ scanner: Scanner; findings: Finding[] }> {
  if (what === 'config' && archive === undefined) {
    return { scanner: 'trivy config', findings: await configFindings(await environments()) };
  }
  if (what === 'image' && archive !== undefined && rest.length === 0) {
    return { scanner: 'trivy image', findings: await imageFindings(archive) };
  }
  throw new Error(`${[what, archive, ...rest].filter(Boolean).join(' ')}: not to be scanned\n${usage}`);
}

try {
  const { values, positionals } = parseArgs({ allowPositionals: true, options: { sarif: { type: 'string' } } });
  const { scanner, findings } = await scan(positionals);
  const ours = waivers.filter((waiver) => waiver.scanner === scanner);
  if (values.sarif) await writeFile(values.sarif, sarif(scanner, unanswered(findings, ours)));
  const lines = answered(findings, ours, new Date());
  for (const line of lines) console.error(line);
  if (lines.length > 0) process.exitCode = 1;
  else console.log(`${scanner}: ${findings.length} findings, every one of which is answered`);
} catch (error) {
  const { message, code } = error as NodeJS.ErrnoException;
  console.error(`scan: ${message}${code?.startsWith('ERR_PARSE_ARGS') ? `\n${usage}` : ''}`);
  process.exitCode = 1;
}
