import { spawn } from 'node:child_process';
import { closeSync, openSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { lastLines } from '../tools/logged.ts';
import { type Output, output, type RunOptions, run } from '../tools/run.ts';
import { tool } from '../tools/tools.ts';
import { createCgroups } from './cgroups.ts';
import { folderOf, type Layout, nodeFolder } from './layout.ts';
import { until } from './wait.ts';

/**
 * The node: a network, a mount and a process namespace that one first process holds. Every process of the cluster lives
 * in them, pods included, so when that first process ends, the kernel ends all the others, takes down their mounts and
 * removes the network. Nothing has to be found and undone one by one, and nothing can be forgotten.
 */
export interface Node {
  layout: Layout;
  /** The first process, as the host numbers it. */
  pid: number;
  /** The control groups that the node's own processes belong into. */
  cgroups: string[];
}

/** In the arguments of the first process, and of the two that start it: what they are found by. */
const marker = (name: string): string => `model-management-node=${folderOf(name)}`;

/** The processes that hold, or are about to hold, the namespaces of a cluster. */
function holders(name: string): number[] {
  const mark = marker(name);
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => pid > 0 && argumentsOf(pid).includes(mark));
}

function argumentsOf(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
  } catch {
    return [];
  }
}

/** The first process of a cluster's node, if it runs. */
export function nodePid(name: string): number | undefined {
  return holders(name).find((pid) => path.basename(argumentsOf(pid)[0] ?? '') === 'pause');
}

// Kubelet and containerd write to fixed places under /run and /var, and the kubelet sets six parameters of the kernel. In
// the node's own view of the file system those places are its own, and the parameters already read as it wants them. A pod with
// users of its own may have a /proc where its node has one that nothing is mounted over: that is the one in /run.
const enter = `set -e
mount --make-rshared /
own="$FOLDER/mounts"
mount -t tmpfs -o mode=0755 tmpfs "$own"
mkdir "$own/node" "$own/tools" "$own/runtime" "$own/proc" "$own/kernel" "$own/upper" "$own/work"
mount --bind "$FOLDER" "$own/node"
mount --bind "$TOOLS" "$own/tools"
mount --bind "$RUNTIME" "$own/runtime"
mount --rbind "$own" /run
mount -t overlay -o lowerdir=/var,upperdir=/run/upper,workdir=/run/work overlay /var
mount -t proc proc /proc
mount -t proc proc /run/proc
while read -r parameter value; do
  echo "$value" > "/run/kernel/$parameter"
  mount --bind "/run/kernel/$parameter" "/proc/sys/$(echo "$parameter" | tr . /)"
done <<PARAMETERS
vm.overcommit_memory 1
vm.panic_on_oom 0
kernel.panic 10
kernel.panic_on_oops 1
kernel.keys.root_maxkeys 1000000
kernel.keys.root_maxbytes 25000000
PARAMETERS
ip link set lo up
echo 1 > /proc/sys/net/ipv4/ip_forward
for group in $CGROUPS; do echo 0 > "$group/cgroup.procs"; done
exec /run/tools/pause "$1" hold
`;

/** What keeps a node alive until it is told to go on without this process. */
export interface StartedNode extends Node {
  /** From now on the node outlives this process. Until then it ends with it, however that ends. */
  keep(): Promise<void>;
}

/** Makes the namespaces and their network. */
export async function startNode(layout: Layout): Promise<StartedNode> {
  const cgroups = createCgroups(layout.name);
  const [tools, runtime] = (await Promise.all([tool('pause'), tool('runc')])).map(path.dirname);
  const log = openSync(path.join(layout.folder, 'logs/node.log'), 'a');
  const flags = ['--net', '--mount', '--pid', '--fork', '--propagation', 'private'];
  const mark = marker(layout.name);
  const child = spawn('unshare', [...flags, 'sh', '-c', enter, 'sh', mark], {
    detached: true,
    cwd: '/',
    stdio: ['pipe', log, log],
    env: { PATH: systemPath, FOLDER: layout.folder, TOOLS: tools, RUNTIME: runtime, CGROUPS: cgroups.join(' ') },
  });
  closeSync(log);
  let ended = false;
  child.once('exit', () => {
    ended = true;
  });
  child.once('error', () => {
    ended = true;
  });
  child.unref();
  const hold = child.stdin!;
  (hold as unknown as { unref(): void }).unref();
  hold.on('error', () => {});
  const pid = await until(10_000, 50, () => {
    if (ended) throw new Error(`the node's namespaces cannot be made: ${logOf(layout, 'node')}`);
    return nodePid(layout.name);
  });
  if (!pid) throw new Error(`the node's first process does not start: ${logOf(layout, 'node')}`);
  const node: Node = { layout, pid, cgroups };
  await connect(node);
  return {
    ...node,
    keep: () => new Promise((resolve) => hold.end('keep\n', () => resolve())),
  };
}

/** What the link of a cluster is recognized by, on a host that may have those of others. */
export const linkAlias = (name: string): string => `model-management ${folderOf(name)}`;

/** Joins the node's network with the host's: what is inside can be reached from here, and nothing else from there. */
async function connect(node: Node): Promise<void> {
  const { layout, pid } = node;
  await run('ip', ['link', 'add', layout.interface, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', String(pid)]);
  const host = (...args: string[]) => run('ip', args);
  await host('link', 'set', layout.interface, 'alias', linkAlias(layout.name));
  await host('address', 'add', `${layout.hostAddress}/24`, 'dev', layout.interface);
  await host('link', 'set', layout.interface, 'up');
  const script = `set -e
ip address add ${layout.nodeAddress}/24 dev eth0
ip link set eth0 up
# Without a route the kernel refuses a service address before kube-proxy's rules see it.
ip route add ${layout.serviceCidr} dev eth0`;
  await runInNode(node, ['sh', '-c', script]);
  for (const range of [layout.serviceCidr, layout.podCidr]) {
    await host('route', 'add', range, 'via', layout.nodeAddress, 'dev', layout.interface);
  }
}

const systemPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

// A process that joins the namespaces from outside would stay in the control groups of whoever started it.
const join = 'for group in $CGROUPS; do echo 0 > "$group/cgroup.procs" || exit 125; done; exec "$@"';

function joined(node: Node, command: readonly string[]): string[] {
  const namespaces = ['--target', String(node.pid), '--net', '--mount', '--pid'];
  return [...namespaces, '--', 'sh', '-c', join, 'sh', ...command];
}

const environment = (node: Node, env: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv => ({
  PATH: `/run/tools:/run/runtime:${systemPath}`,
  HOME: '/run',
  ...env,
  CGROUPS: node.cgroups.join(' '),
});

/** Runs a command in the node to its end and gives back what it printed; of the cluster's tools by name. */
export function outputInNode(node: Node, command: readonly string[], options: RunOptions = {}): Promise<Output> {
  return output('nsenter', joined(node, command), { ...options, cwd: '/', env: environment(node, options.env) });
}

/** The same, but rejects when the command fails. */
export function runInNode(node: Node, command: readonly string[], options: RunOptions = {}): Promise<string> {
  return run('nsenter', joined(node, command), { ...options, cwd: '/', env: environment(node, options.env) });
}

/** A process of the node that goes on until the node ends, such as the API server. Its output goes to `logs/NAME.log`. */
export interface Component {
  name: string;
  /** Why it is not running any more, or undefined. */
  failure(): string | undefined;
}

export function startInNode(
  node: Node,
  name: string,
  command: readonly string[],
  env: NodeJS.ProcessEnv = {},
): Component {
  const log = openSync(path.join(node.layout.folder, `logs/${name}.log`), 'a');
  const child = spawn('nsenter', joined(node, command), {
    detached: true,
    cwd: '/',
    stdio: ['ignore', log, log],
    env: environment(node, env),
  });
  closeSync(log);
  let failure: string | undefined;
  child.once('exit', (code, signal) => {
    failure = `${name}: ended with ${signal ?? `exit status ${code}`}`;
  });
  child.once('error', (error) => {
    failure = `${name}: cannot be started: ${error.message}`;
  });
  child.unref();
  // The log is read when someone asks: a component that ends because the cluster does has none any more.
  return { name, failure: () => failure && `${failure}: ${logOf(node.layout, name)}` };
}

/** The path of a file in the cluster's folder, as processes of the node see it. */
export const inNode = (...parts: string[]): string => path.posix.join(nodeFolder, ...parts);

/** The last lines that a component wrote, and where the rest is. */
export function logOf(layout: Layout, name: string): string {
  const log = path.join(layout.folder, `logs/${name}.log`);
  return `${lastLines(log)} (log: ${log})`;
}

/** Ends every process of a cluster, and with them its mounts and its network. Does nothing when there are none. */
export async function endNode(name: string): Promise<void> {
  const ended = await until(20_000, 50, () => {
    const pids = holders(name);
    for (const pid of pids) kill(pid);
    return pids.length === 0;
  });
  if (!ended) throw new Error(`${name}: processes ${holders(name).join(', ')} do not end`);
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
