// Writes what the service's image is made of, as CycloneDX, to standard output: `npm run sbom`
import { execFile } from 'node:child_process';
import { createRequire } from 'node:module';
import path from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const root = path.join(import.meta.dirname, '../..');

/** A part of the image, as far as it is looked at. */
export interface Component {
  type: string;
  name: string;
  version: string;
  purl: string;
  licenses?: { license: { id: string } }[];
}

/** A bill of materials of CycloneDX 1.5. */
export interface Bom {
  bomFormat: string;
  specVersion: string;
  metadata: { component: Component };
  components: Component[];
}

/** The npm packages that are in the image, by package-lock.json, and Node itself. */
export async function sbom(): Promise<Bom> {
  // Not with `--omit=dev`: npm leaves out what is somebody else's development dependency as well, such as undici.
  const args = ['sbom', '--package-lock-only', '--workspace', 'service', '--sbom-format', 'cyclonedx'];
  const { stdout } = await run('npm', args, { cwd: root, maxBuffer: 64 * 1024 * 1024 });
  const bom = JSON.parse(stdout) as Bom;
  const require = createRequire(import.meta.url);
  const { version } = require('../../package.json') as { version: string };
  const { version: node } = require('node/package.json') as { version: string };
  const runtime: Component = {
    type: 'application',
    name: 'node',
    version: node,
    purl: `pkg:generic/node@${node}`,
    licenses: [{ license: { id: 'MIT' } }],
  };
  const image = { type: 'container', name: 'model-management', version, purl: `pkg:oci/model-management@${version}` };
  return { ...bom, metadata: { ...bom.metadata, component: image }, components: [...bom.components, runtime] };
}

if (import.meta.main) process.stdout.write(`${JSON.stringify(await sbom(), null, 2)}\n`);
