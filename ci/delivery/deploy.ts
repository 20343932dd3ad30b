// npm run deploy -- --env NAME [--strategy rolling|blueGreen] [--context NAME | --name NAME] [--namespace NS] [--release R]
//                   [--values FILE]… [--ready SECONDS] [--watch SECONDS] [--yes] [--return]
//
// Brings a release to the values of an environment, and back by itself when that was no good (docs/delivery.md). Where it stands is
// read from the cluster: interrupted, it is given again. MODEL_MANAGEMENT_API_KEY is a key, where the gateway asks for one.
import { mkdtempDisposable, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline/promises';
import { parseArgs } from 'node:util';
import { accessTo, ensureNamespace } from '../cluster/release.ts';
import { wayTo } from '../doctor/way.ts';
import { root } from '../tools/paths.ts';
import { say } from '../tools/progress.ts';
import { run } from '../tools/run.ts';
import { toolEnvironment } from '../tools/tools.ts';
import { Deployment } from './deployment.ts';
import { Lease } from './lease.ts';
import { Place } from './place.ts';
import type { Strategy } from './stand.ts';

const usage =
  'usage: npm run deploy -- --env NAME [--strategy rolling|blueGreen] [--context NAME | --name NAME] [--namespace NS] [--release R] ' +
  '[--values FILE]… [--ready SECONDS] [--watch SECONDS] [--yes] [--return]';

/** What is asked for on the command line. */
export interface Asked {
  env: string;
  /** Otherwise as the values say. */
  strategy: Strategy | undefined;
  context: string | undefined;
  name: string;
  namespace: string;
  release: string;
  values: string[];
  /** Seconds that pods may take until they are ready, and for which the new ones are watched. */
  ready: number;
  watch: number;
  yes: boolean;
  return: boolean;
}

/** Throws an Error that says what is wrong with the command line. */
export function asked(args: string[]): Asked {
  const text = { type: 'string' } as const;
  const flag = { type: 'boolean', default: false } as const;
  const { values } = parseArgs({
    args,
    options: {
      ...{ env: text, strategy: text, context: text, yes: flag, return: flag },
      ...{ name: { ...text, default: 'local' }, values: { ...text, multiple: true, default: [] as string[] } },
      namespace: { ...text, default: 'model-management' },
      release: { ...text, default: 'model-management' },
      ready: { ...text, default: '1800' },
      watch: { ...text, default: '300' },
    },
  });
  const { env, strategy } = values;
  if (!env || !/^[a-z][a-z0-9-]*$/.test(env)) throw new Error(`--env ${env ?? ''}: is no environment: ${usage}`);
  if (strategy !== undefined && strategy !== 'rolling' && strategy !== 'blueGreen') {
    throw new Error(`--strategy ${strategy}: is none: write rolling or blueGreen`);
  }
  const seconds = (option: 'ready' | 'watch') => {
    const number = Number(values[option]);
    if (!(number > 0)) throw new Error(`--${option} ${values[option]}: is no number of seconds: write one`);
    return number;
  };
  return {
    ...{ env, strategy, context: values.context, name: values.name, namespace: values.namespace },
    ...{ release: values.release, values: values.values, yes: values.yes, return: values.return },
    ...{ ready: seconds('ready'), watch: seconds('watch') },
  };
}

/** Exit status after a signal. */
const interrupted = 130;

async function confirmed(question: string): Promise<boolean> {
  // One that reads key by key would keep Ctrl-C to itself.
  const terminal = createInterface({ input: process.stdin, output: process.stderr, terminal: false });
  try {
    return /^y(es)?$/i.test((await terminal.question(`deploy: ${question} [y/N] `)).trim());
  } finally {
    terminal.close();
  }
}

async function main(): Promise<void> {
  const what = asked(process.argv.slice(2));
  const step = (line: string) => say(`deploy: ${line}`);
  if (!what.return) {
    await run(process.execPath, ['generator/main.ts', '--check'], { cwd: root });
    step('the generated files are those of the registry');
    await run(process.execPath, ['generator/plan/main.ts', '--env', what.env], { cwd: root });
    step(`the plan of ${what.env} has room for every model`);
  }
  const way = await wayTo(what.context, what.name);
  // The plugin that shows differences is pinned, and so is the Helm that it is pinned for.
  const env = { ...way.env, ...pick(await toolEnvironment('cluster', 'helm3'), 'PATH', 'HELM_PLUGINS') };
  const place = new Place(accessTo(env, way.context), what.namespace, what.release);
  if (!what.return) await ensureNamespace(place.access, what.namespace);
  await using lease = await Lease.take((args, input) => place.kubectl(args, input), `${what.release}-deploy`, step);
  // Whoever interrupts it may go on at once.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => {
      lease.interrupt();
      process.exitCode = interrupted;
      say('deploy: interrupted: given again, it goes on from here');
      void lease[Symbol.asyncDispose]().finally(() => process.exit());
    });
  }
  await using folder = await mkdtempDisposable(path.join(tmpdir(), 'model-management-deploy-'));
  let files = 0;
  const deployment = new Deployment(place, {
    ...{ what, lease, step },
    key: process.env.MODEL_MANAGEMENT_API_KEY ?? '',
    confirm: what.yes ? async () => true : confirmed,
    file: async (values) => {
      const file = path.join(folder.path, `values-${++files}.json`);
      await writeFile(file, JSON.stringify(values));
      return file;
    },
  });
  await (what.return ? deployment.goBack() : deployment.run());
}

const pick = (env: NodeJS.ProcessEnv, ...names: string[]) =>
  Object.fromEntries(names.flatMap((name) => (env[name] === undefined ? [] : [[name, env[name]]])));

if (import.meta.main) {
  try {
    await main();
  } catch (error) {
    const { message, code } = error as NodeJS.ErrnoException;
    // What its tools say of the signal is no news.
    if (process.exitCode !== interrupted) {
      console.error(`deploy: ${message}${code?.startsWith('ERR_PARSE_ARGS') ? `\n${usage}` : ''}`);
      process.exitCode = 1;
    }
  }
}
