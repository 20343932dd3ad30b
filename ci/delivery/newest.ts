// npm run newest [-- FOLDER]
//
// Pins the newest releases of Kubernetes and Helm in the go.mod of the cluster's tools (or in a copy of that folder, FOLDER), so that
// what is run afterwards runs on these. For the nightly workflow; what it changes is not to be committed unseen.
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { goToolchain } from '../tools/go.ts';
import { root } from '../tools/paths.ts';
import { say } from '../tools/progress.ts';
import { output, run } from '../tools/run.ts';

const kubernetes = 'k8s.io/kubernetes';
const helm = 'helm.sh/helm/v4';

/** The last release among versions in the order in which `go list` has them. */
export const newestOf = (versions: string[]): string | undefined =>
  versions.findLast((version) => !version.includes('-'));

/**
 * A go.mod with another Kubernetes and Helm. `kubernetesMod` is the go.mod of that Kubernetes, which says which libraries are its
 * own: they have its version with a 0 in front, and have to be replaced one by one.
 */
export function bumped(goMod: string, kubernetesMod: string, to: { kubernetes: string; helm: string }): string {
  const library = to.kubernetes.replace(/^v1\./, 'v0.');
  const own = [...kubernetesMod.matchAll(/^\t(k8s\.io\/[\w.-]+) => /gm)].map(([, name]) => name!);
  if (own.length === 0)
    throw new Error(`${kubernetes} ${to.kubernetes}: its go.mod replaces no library: see what it does instead`);
  const replace = `replace (\n${own.map((name) => `\t${name} => ${name} ${library}\n`).join('')})`;
  return goMod
    .replace(/^replace \([^)]*\)/m, replace)
    .replace(/^(\t(k8s\.io\/[\w.-]+)) v0\.\S+/gm, (line, start: string, name: string) =>
      own.includes(name) ? `${start} ${library}` : line,
    )
    .replace(/^(\tk8s\.io\/kubernetes) v\S+/m, `$1 ${to.kubernetes}`)
    .replace(/^(\thelm\.sh\/helm\/v4) v\S+/m, `$1 ${to.helm}`);
}

async function pin(folder: string): Promise<string> {
  const { command } = await goToolchain();
  const env = { ...process.env, GOFLAGS: '-mod=mod', GOTOOLCHAIN: 'local', GOWORK: 'off' };
  const go = (...args: string[]) => run(command, args, { cwd: folder, env });
  const newest = async (module: string) => {
    const { Versions = [] } = JSON.parse(await go('list', '-m', '-versions', '-json', module)) as {
      Versions?: string[];
    };
    const version = newestOf(Versions);
    if (!version) throw new Error(`${module}: has no version: see whether the module proxy can be asked`);
    return version;
  };
  const to = { kubernetes: await newest(kubernetes), helm: await newest(helm) };
  say(`pinning Kubernetes ${to.kubernetes} and Helm ${to.helm}`);
  const download = ['mod', 'download', '-json', `${kubernetes}@${to.kubernetes}`];
  const { stdout, stderr } = await output(command, download, { cwd: folder, env });
  const { GoMod, Error: problem } = JSON.parse(stdout || '{}') as { GoMod?: string; Error?: string };
  if (problem || !GoMod)
    throw new Error(`${problem ?? stderr.trim()}: see whether ci/tools/go.ts has to know a newer Go`);
  const file = path.join(folder, 'go.mod');
  const before = await readFile(file, 'utf8');
  await writeFile(file, bumped(before, await readFile(GoMod, 'utf8'), to));
  // Whatever else they need is taken up; nothing else is made newer.
  await go('mod', 'tidy');
  return `kubernetes=${to.kubernetes}\nhelm=${to.helm}`;
}

if (import.meta.main) {
  try {
    const [folder = path.join(root, 'ci/tools/cluster'), ...rest] = process.argv.slice(2);
    if (rest.length > 0) throw new Error(`${rest[0]}: unexpected: name one folder`);
    console.log(await pin(path.resolve(folder)));
  } catch (error) {
    console.error(`newest: ${(error as Error).message}`);
    process.exitCode = 1;
  }
}
