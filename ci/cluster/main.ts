// npm run up     [-- --context NAME] [HELM ARGUMENT …]   a cluster with the chart in it, and one chat through it
// npm run down   [-- --context NAME]
// npm run status [-- --context NAME]                     the fleet as a table, and what kubectl has of it
//
// Without --context it is the embedded cluster; --name NAME gives that another name than `local`, so that several can be
// up at once. What else is given to `up` is passed on to `helm upgrade`.
import { spawn } from 'node:child_process';
import path from 'node:path';
import { fleetTable } from '../doctor/fleet-table.ts';
import { glance, type Way } from '../doctor/way.ts';
import { clientEnvironment } from '../tools/clients.ts';
import { output } from '../tools/run.ts';
import { openCluster, requireHost, stopCluster } from './cluster.ts';
import { accessTo, namespace, releaseName } from './release.ts';
import type { UpOptions } from './up.ts';

const usage = 'npm run up|down|status [-- --context NAME | --name NAME]';

function parse(args: string[]): UpOptions {
  const options: UpOptions = { name: 'local', args: [] };
  for (let index = 0; index < args.length; index++) {
    const [flag, joined] = args[index]!.split(/=(.*)/s) as [string, string?];
    if (flag !== '--context' && flag !== '--name') options.args.push(args[index]!);
    else {
      const value = joined ?? args[++index];
      if (!value) throw new Error(`${flag}: needs a name: ${usage}`);
      options[flag === '--name' ? 'name' : 'context'] = value;
    }
  }
  return options;
}

async function main([command, ...args]: string[]): Promise<number> {
  const options = parse(args);
  if (command === 'up') return up(options);
  if (options.args.length > 0) throw new Error(`${options.args.join(' ')}: not understood: ${usage}`);
  if (command === 'down') return options.context ? downInContext(options.context) : down(options.name);
  if (command === 'status') return status(options);
  throw new Error(`${command ?? 'nothing'}: no such command: ${usage}`);
}

/**
 * Runs up.ts in a process group of its own, so that an interruption ends it and all that it started at once, builds
 * included. A cluster that was not there before is taken away again unless all went well.
 */
async function up(options: UpOptions): Promise<number> {
  if (!options.context) requireHost();
  const before = options.context ? true : Boolean(await openCluster(options.name));
  const worker = spawn(process.execPath, [path.join(import.meta.dirname, 'up.ts'), JSON.stringify(options)], {
    detached: true,
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  let interrupted: NodeJS.Signals | undefined;
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      if (!interrupted) process.stderr.write('up: interrupted: taking down what was started\n');
      interrupted = signal;
      if (worker.pid && worker.exitCode === null) killGroup(worker.pid);
    });
  }
  const status = await new Promise<number>((resolve, reject) => {
    worker.once('error', reject);
    worker.once('exit', (code) => resolve(code ?? 128));
  });
  if (status !== 0 && !before) await stopCluster(options.name);
  return interrupted ? 130 : status;
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

async function down(name: string): Promise<number> {
  requireHost();
  console.log((await stopCluster(name)) ? `cluster ${name}: is down` : `cluster ${name}: was not up`);
  return 0;
}

async function downInContext(context: string): Promise<number> {
  const helm = ['--kube-context', context, '--namespace', namespace, 'uninstall', releaseName];
  const result = await output('helm', [...helm, '--ignore-not-found', '--wait'], {
    env: await clientEnvironment('helm'),
  });
  process.stderr.write(result.stderr);
  if (result.status === 0) {
    console.log(
      `${releaseName}: is uninstalled. Its namespace stays: kubectl --context ${context} delete namespace ${namespace}`,
    );
  }
  return result.status;
}

async function status({ context, name }: UpOptions): Promise<number> {
  if (context) return show({ where: context, env: await clientEnvironment('kubectl', 'helm'), context });
  const cluster = await openCluster(name);
  if (!cluster) {
    console.log(`cluster ${name}: is not up: npm run up`);
    return 1;
  }
  console.log(`cluster ${name}: up, KUBECONFIG=${cluster.kubeconfig}\n`);
  return show({ where: name, env: cluster.env });
}

/** Prints the fleet as a table, then nodes, release and pods as kubectl and Helm do. */
async function show(way: Way): Promise<number> {
  const { kubectl, helm } = accessTo(way.env, way.context);
  const questions: [string, string[]][] = [
    ['kubectl', [...kubectl, 'get', 'nodes']],
    ['helm', [...helm, '--namespace', namespace, 'list']],
    ['kubectl', [...kubectl, '--namespace', namespace, 'get', 'deployments,pods,services', '--output', 'wide']],
    ['kubectl', [...kubectl, '--namespace', namespace, 'top', 'pods', '--containers']],
  ];
  const look = await glance(way, { namespace, release: releaseName });
  console.log(
    `${look.release ? fleetTable(look).join('\n') : `namespace ${namespace}: no release ${releaseName} in it`}\n`,
  );
  let worst = 0;
  for (const [command, args] of questions) {
    const { status, stdout, stderr } = await output(command, args, { env: way.env });
    console.log((stdout + stderr).trimEnd());
    console.log();
    // A cluster without metrics-server has no answer to the last.
    if (!args.includes('top')) worst = Math.max(worst, status);
  }
  console.log(
    `What is wrong, and what to do about it: npm run doctor${way.context ? ` -- --context ${way.context}` : ''}`,
  );
  return worst;
}

// Whoever reads the beginning alone, as `head` does, has seen what he wanted.
process.stdout.once('error', () => process.exit());
try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`);
  process.exitCode = 1;
}
