// The work of `npm run up`, in a process of its own: main.ts ends it with all that it started when it is interrupted, and
// takes away what it leaves when it fails. `up.ts '{"name": …, "context": …, "args": […]}'`
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { clientEnvironment } from '../tools/clients.ts';
import { root } from '../tools/paths.ts';
import { duration, say } from '../tools/progress.ts';
import { run } from '../tools/run.ts';
import { type Cluster, openCluster, type StartedCluster, startCluster } from './cluster.ts';
import { ollamaImage, serviceImage } from './images.ts';
import { seedRegistry } from './models.ts';
import {
  type Access,
  accessTo,
  chat,
  ensureNamespace,
  install,
  namespace,
  overlay,
  releaseName,
  waitForRelease,
  writeOverlay,
} from './release.ts';

export interface UpOptions {
  /** Name of the embedded cluster. */
  name: string;
  /** Kube context of a cluster of the user's own, which is used instead. */
  context?: string;
  /** Passed on to `helm upgrade`. */
  args: string[];
}

// Whoever started this is gone: nobody would take away what it leaves half done.
const abandoned = (): void => process.exit(1);
process.on('disconnect', abandoned);

const options: UpOptions = JSON.parse(process.argv[2]!);
const start = performance.now();
try {
  await (options.context ? upInContext(options.context) : upEmbedded());
  process.off('disconnect', abandoned);
  process.disconnect?.();
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`);
  process.exit(1);
}

async function generateValues(): Promise<void> {
  await run(process.execPath, ['generator/main.ts'], { cwd: root });
}

async function upEmbedded(): Promise<void> {
  const running = await openCluster(options.name);
  const cluster: Promise<Cluster | StartedCluster> = running ? again(running) : startCluster(options.name);
  const [there, ollama, service] = await Promise.all([cluster, ollamaImage(), serviceImage(), generateValues()]);
  await there.loadImages(ollama, service);
  say(`images: ${ollama.reference} and ${service.reference} are on the node`);
  const access: Access = { env: there.env, kubectl: [], helm: [] };
  const values = writeOverlay(there.node.layout.folder, overlay({ ollama, service }));
  await release(access, ['--values', values, ...options.args]);
  const address = await there.kubectl([
    ...['--namespace', namespace, 'get', 'service', releaseName, '--output', 'jsonpath={.spec.clusterIP}'],
  ]);
  const url = `http://${address}`;
  await converse(url);
  // From here on it stays: an interruption before this ends it with this process.
  if ('keep' in there) await there.keep();
  console.log(`
The gateway is at ${url} on this machine, for any Ollama or OpenAI client:
  export OLLAMA_HOST=${url}
How the fleet is, in a browser on this machine:
  ${url}/ui/
kubectl and helm, as for any cluster (or npm run tool -- kubectl …):
  export KUBECONFIG=${there.kubeconfig}
What runs:       npm run status
Take it away:    npm run down`);
}

/** A cluster that is up already, with what may have become new since. */
async function again(cluster: Cluster): Promise<Cluster> {
  await cluster.kubectl(['get', '--raw', '/readyz']).catch((error: Error) => {
    throw new Error(`cluster ${cluster.name}: its API server does not answer (${error.message}): npm run down`);
  });
  await seedRegistry(cluster.node.layout);
  say(`cluster ${cluster.name}: is up already`);
  return cluster;
}

async function upInContext(context: string): Promise<void> {
  const env = await clientEnvironment('kubectl', 'helm');
  const access = accessTo(env, context);
  await Promise.all([run('kubectl', [...access.kubectl, 'version'], access), generateValues()]);
  await release(access, options.args);
  const forward = await forwardPort(access);
  try {
    await converse(forward.url);
  } finally {
    forward.child.kill();
  }
  console.log(`
Reach the gateway with any Ollama or OpenAI client, and see how the fleet is at http://localhost:11434/ui/:
  kubectl --context ${context} -n ${namespace} port-forward service/${releaseName} 11434:80
What runs:       npm run status -- --context ${context}
Take it away:    npm run down -- --context ${context}`);
}

async function release(access: Access, args: readonly string[]): Promise<void> {
  await ensureNamespace(access);
  await install(access, args);
  say(`release: installed (${duration(performance.now() - start)})`);
  await waitForRelease(access);
}

async function converse(url: string): Promise<void> {
  const { model, question, answer } = await chat(url);
  // A random model says whatever bytes it likes, to a terminal too.
  const printable = answer.replace(/[^\p{L}\p{N}\p{P}\p{S} \n]/gu, '·').trim();
  console.log(`\n> ${question}\n${model}: ${printable}\n(${duration(performance.now() - start)} in all)`);
}

/** A local port that leads to the gateway, for as long as the child runs. */
async function forwardPort(access: Access): Promise<{ url: string; child: ChildProcess }> {
  const args = ['--namespace', namespace, 'port-forward', `service/${releaseName}`, ':80'];
  const child = spawn('kubectl', [...access.kubectl, ...args], {
    env: access.env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  for await (const line of createInterface({ input: child.stdout })) {
    const port = /127\.0\.0\.1:(\d+)/.exec(line)?.[1];
    if (port) return { url: `http://127.0.0.1:${port}`, child };
  }
  throw new Error(`service/${releaseName}: no port forwarded to it`);
}
