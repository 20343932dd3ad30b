// npm run publish-chart -- oci://HOST/PATH --version VERSION [--image REPOSITORY@sha256:…] [--plain-http]
//
// Packages the chart as that version and pushes it to a registry of OCI artifacts, to which `helm registry login` or `docker login`
// has been. --image is the service's image that it deploys unless values say otherwise. Prints `reference=` and `digest=`, as
// GitHub's workflows take the outputs of a step.
import { cp, mkdtempDisposable, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { parseDocument } from 'yaml';
import { root } from '../tools/paths.ts';
import { say } from '../tools/progress.ts';
import { output, run } from '../tools/run.ts';
import { tool } from '../tools/tools.ts';

const usage =
  'usage: npm run publish-chart -- oci://HOST/PATH --version VERSION [--image REPOSITORY@sha256:…] [--plain-http]';

interface Asked {
  registry: string;
  version: string;
  image?: { repository: string; digest: string };
  plainHttp: boolean;
}

/** Throws an Error that says what is wrong with the command line. */
function asked(args: string[]): Asked {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      version: { type: 'string' },
      image: { type: 'string' },
      'plain-http': { type: 'boolean', default: false },
    },
  });
  const [registry, ...rest] = positionals;
  if (!registry?.startsWith('oci://'))
    throw new Error(`${registry ?? 'oci://HOST/PATH'}: is no registry: write oci://HOST/PATH`);
  if (rest.length > 0) throw new Error(`${rest[0]}: unexpected: name one registry`);
  const { version, image } = values;
  if (!version || !/^\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?$/.test(version)) {
    throw new Error(`--version ${version ?? ''}: is no semantic version: write one such as 1.2.3 or 1.2.3-rc.1`);
  }
  const [, repository, digest] = /^(\S+)@(sha256:[0-9a-f]{64})$/.exec(image ?? '') ?? [];
  if (image !== undefined && !repository) {
    throw new Error(
      `--image ${image}: has no digest: write REPOSITORY@sha256:…, so that it is the same image for ever`,
    );
  }
  return {
    registry,
    version,
    ...(repository && { image: { repository, digest: digest! } }),
    plainHttp: values['plain-http'],
  };
}

async function publish({ registry, version, image, plainHttp }: Asked): Promise<{ reference: string; digest: string }> {
  const helm = await tool('helm');
  await using folder = await mkdtempDisposable(path.join(tmpdir(), 'model-management-chart-'));
  const chart = path.join(folder.path, 'chart');
  await cp(path.join(root, 'charts'), chart, { recursive: true });
  if (image) {
    const file = path.join(chart, 'values.yaml');
    const values = parseDocument(await readFile(file, 'utf8'));
    for (const [key, value] of Object.entries(image)) values.setIn(['image', key], value);
    await writeFile(file, values.toString({ lineWidth: 120 }));
  }
  say(`packaging the chart as ${version}`);
  await run(helm, ['package', chart, '--version', version, '--app-version', version, '--destination', folder.path]);
  say(`pushing it to ${registry}`);
  const file = path.join(folder.path, `model-management-${version}.tgz`);
  const { status, stdout, stderr } = await output(helm, [
    'push',
    file,
    registry,
    ...(plainHttp ? ['--plain-http'] : []),
  ]);
  const digest = /^Digest: (sha256:[0-9a-f]{64})$/m.exec(stdout + stderr)?.[1];
  if (status !== 0 || !digest) {
    throw new Error(
      `${registry}: does not take the chart: ${(stderr || stdout).trim()}: log in with helm registry login, or see its log`,
    );
  }
  return { reference: `${registry}/model-management:${version}`, digest };
}

try {
  const { reference, digest } = await publish(asked(process.argv.slice(2)));
  console.log(`reference=${reference}\ndigest=${digest}`);
} catch (error) {
  const { message, code } = error as NodeJS.ErrnoException;
  console.error(`publish-chart: ${message}${code?.startsWith('ERR_PARSE_ARGS') ? `\n${usage}` : ''}`);
  process.exitCode = 1;
}
