import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import path from 'node:path';
import { requireSystem } from '../tools/packages.ts';
import { say } from '../tools/progress.ts';
import { type RunOptions, run } from '../tools/run.ts';
import { tool, toolEnvironment } from '../tools/tools.ts';
import { addons } from './addons.ts';
import { nodeCgroups } from './cgroups.ts';
import {
  startAddons,
  startControllers,
  startControlPlane,
  startNodeAgents,
  startRegistry,
  startRuntime,
} from './components.ts';
import { writeConfiguration } from './config.ts';
import { type Image, loadedImages, loadImage, pauseImageArchive, publishImage } from './images.ts';
import { apiPort, folderOf, type Layout, nodeName } from './layout.ts';
import { seed, seedRegistry } from './models.ts';
import { type Component, type Node, nodePid, startNode } from './node.ts';
import { kubeconfig, makeCertificates } from './pki.ts';
import { complete, remove, reserve, runningLayout, sweep, withClusters } from './state.ts';
import { connected, stretched, until } from './wait.ts';

/** A running cluster. */
export interface Cluster {
  name: string;
  node: Node;
  /** A file that kubectl, Helm and client libraries read. */
  kubeconfig: string;
  /** For child processes: KUBECONFIG, and the cluster's tools first on the PATH. */
  env: NodeJS.ProcessEnv;
  /** kubectl's output. Rejects with its complaint when it fails. */
  kubectl(args: readonly string[], options?: RunOptions): Promise<string>;
  /** Brings images (see images.ts) onto the node, where pods find them by their references; those that are there stay. */
  loadImages(...images: Image[]): Promise<void>;
  /** Puts an image into the cluster's registry instead, and gives back the reference by which pods pull it from there. */
  publishImage(image: Image): Promise<string>;
}

/** A cluster that this process started: it ends with this process, however that ends, unless it is kept. */
export interface StartedCluster extends Cluster {
  /** From now on only `stopCluster` ends it. */
  keep(): Promise<void>;
}

/** What there has to be for a cluster, and what to do where there is not. */
export function requireHost(): void {
  const otherwise = 'use a cluster of your own instead, such as kind: npm run up -- --context NAME';
  if (process.platform !== 'linux')
    throw new Error(`${process.platform}: the embedded cluster needs Linux: ${otherwise}`);
  if (process.getuid?.() !== 0)
    throw new Error(`not root: the embedded cluster needs root: run this with sudo, or ${otherwise}`);
}

/** The cluster of that name if it is up, else undefined. */
export async function openCluster(name: string): Promise<Cluster | undefined> {
  const found = runningLayout(name);
  const pid = found && nodePid(name);
  if (!pid) return undefined;
  return handle({ layout: found, pid, cgroups: nodeCgroups(name) });
}

/**
 * Starts a cluster, or rejects and leaves nothing behind. A cluster of that name must not be up already.
 *
 * Everything that does not need another thing starts at once: on two cores it is the API server that takes the time.
 */
export async function startCluster(name: string): Promise<StartedCluster> {
  requireHost();
  folderOf(name);
  await requireSystem(['openssl', 'ip', 'nsenter', 'mount', '/usr/lib/cni/ptp', 'nft']);
  // What may take minutes comes before the lock.
  await Promise.all([toolEnvironment('cluster', 'runtime'), pauseImageArchive(), seed()]);
  return withClusters(async () => {
    await sweep();
    if (runningLayout(name)) throw new Error(`cluster ${name}: is up already: stop it first (npm run down)`);
    await remove(name);
    try {
      return await assemble(await reserve(name));
    } catch (error) {
      await remove(name);
      throw error;
    }
  });
}

async function assemble(place: Layout): Promise<StartedCluster> {
  const start = performance.now();
  const progress = (what: string) =>
    say(`cluster ${place.name}: ${what} (${((performance.now() - start) / 1000).toFixed(1)} s)`);
  writeConfiguration(place);
  const [node] = await Promise.all([startNode(place), makeCertificates(place), seedRegistry(place)]);
  writeAdminKubeconfig(place);
  const cluster = await handle(node);
  const binaries = { etcd: await tool('etcd'), apiserver: await tool('kube-apiserver') };
  const components = [...startControlPlane(node, binaries), startRuntime(node), ...startRegistry(node)];
  const ready = (what: string, seconds: number, check: () => Promise<boolean>) =>
    waitFor(place, components, what, seconds, check);
  const runtime = (async () => {
    await ready('containerd', 60, async () => existsSync(`/proc/${node.pid}/root/run/containerd/containerd.sock`));
    await loadImage(node, await pauseImageArchive());
  })();
  // It is waited for below: until then its failure is nobody's.
  runtime.catch(() => {});
  await ready('the API server', 120, () => answers(place, '/readyz'));
  progress('the API server answers');
  components.push(...startControllers(node), ...startNodeAgents(node));
  await cluster.kubectl(['create', '--validate=false', '-f', '-'], {
    input: JSON.stringify({ apiVersion: 'v1', kind: 'List', items: addons(place) }),
  });
  components.push(...startAddons(node));
  await runtime;
  const conditions = '{.status.conditions[?(@.type=="Ready")].status}';
  await ready('the node', 120, async () => {
    const status = await cluster.kubectl(['get', 'node', nodeName, '-o', `jsonpath=${conditions}`]).catch(() => '');
    return status === 'True';
  });
  await ready('the service account of namespace default', 60, async () => {
    return (await cluster.kubectl(['get', 'serviceaccount', 'default', '--ignore-not-found', '-o', 'name'])) !== '';
  });
  progress('the node is ready');
  complete(place.name);
  return { ...cluster, keep: node.keep };
}

/** Waits for `check`, but no longer than all components run. */
async function waitFor(
  place: Layout,
  components: readonly Component[],
  what: string,
  seconds: number,
  check: () => Promise<boolean>,
): Promise<void> {
  const done = await until(seconds * 1000, 150, async () => {
    const failure = components.map((component) => component.failure()).find(Boolean);
    if (failure) throw new Error(`cluster ${place.name}: ${failure}`);
    return check();
  });
  if (!done)
    throw new Error(
      `cluster ${place.name}: ${what}: not ready after ${stretched(seconds)} s: see ${place.folder}/logs`,
    );
}

/** Whether the API server answers 200 to an anonymous GET. */
function answers(place: Layout, target: string): Promise<boolean> {
  const ca = readFileSync(path.join(place.folder, 'pki/ca.crt'));
  return new Promise((resolve) => {
    const question = request(
      { host: place.nodeAddress, port: apiPort, path: target, ca, timeout: stretched(2000) },
      (response) => {
        response.resume();
        resolve(response.statusCode === 200);
      },
    );
    question.once('timeout', () => question.destroy());
    question.once('error', () => resolve(false));
    question.end();
  });
}

function writeAdminKubeconfig(place: Layout): void {
  const data = (file: string) => readFileSync(path.join(place.folder, 'pki', file)).toString('base64');
  const user = { 'client-certificate-data': data('admin.crt'), 'client-key-data': data('admin.key') };
  const content = kubeconfig(place, { 'certificate-authority-data': data('ca.crt') }, user);
  writeFileSync(path.join(place.folder, 'kubeconfig'), JSON.stringify(content, null, 2), { mode: 0o600 });
}

async function handle(node: Node): Promise<Cluster> {
  const { layout } = node;
  const file = path.join(layout.folder, 'kubeconfig');
  const env = await toolEnvironment('cluster');
  env.KUBECONFIG = file;
  // The cluster is on this machine: no proxy knows the way to it.
  for (const name of ['NO_PROXY', 'no_proxy']) {
    env[name] = [process.env[name], '10.245.0.0/16', '10.246.0.0/16', '10.247.0.0/16'].filter(Boolean).join(',');
  }
  const kubectl = await tool('kubectl');
  return {
    name: layout.name,
    node,
    kubeconfig: file,
    env,
    kubectl: (args, options = {}) => connected(() => run(kubectl, args, { env, ...options })),
    loadImages: async (...images) => {
      const there = await loadedImages(node);
      // One after the other: two at once that share a layer both unpack it.
      for (const image of images) if (!there.has(image.reference)) await loadImage(node, image.archive);
    },
    publishImage: (image) => publishImage(node, image),
  };
}

/** Ends and removes a cluster, whatever state it is in. Gives back whether there was one. */
export async function stopCluster(name: string): Promise<boolean> {
  return withClusters(async () => {
    const there = existsSync(folderOf(name)) || nodePid(name) !== undefined;
    await remove(name);
    return there;
  });
}
