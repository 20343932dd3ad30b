import { openCluster } from '../cluster/cluster.ts';
import { clientEnvironment } from '../tools/clients.ts';
import { output } from '../tools/run.ts';
import { type Api, openApi } from './api.ts';
import { Commands } from './commands.ts';
import type { Look } from './look.ts';
import { askFromOutside } from './outside.ts';
import { askPods, lookAt, lookCloser } from './read.ts';

/** A way to a cluster. */
export interface Way {
  /** Which it is, in words. */
  where: string;
  env: NodeJS.ProcessEnv;
  /** Kube context; undefined for the current one. */
  context?: string;
  /** Of an embedded cluster, which no kubectl knows without it. */
  kubeconfig?: string;
}

/** The way to the cluster of a context; without one to the embedded cluster of that name where it is up, else to the current context's. */
export async function wayTo(context: string | undefined, name: string): Promise<Way> {
  if (context === undefined && process.platform === 'linux') {
    const cluster = await openCluster(name);
    if (cluster) return { where: `cluster ${name}`, env: cluster.env, kubeconfig: cluster.kubeconfig };
  }
  const env = await clientEnvironment('kubectl');
  if (context !== undefined) return { where: `context ${context}`, env, context };
  // In a pod there is none, and kubectl finds its way all the same.
  const { status, stdout } = await output('kubectl', ['config', 'current-context'], { env });
  return { where: status === 0 ? `the current context ${stdout.trim()}` : "kubectl's own cluster", env };
}

export interface Examination {
  namespace: string;
  release?: string | undefined;
}

/** Looks at everything. Rejects, in words for people, where there is no cluster to look at. */
export async function examine(way: Way, what: Examination): Promise<Look> {
  await using api = await openApi(kubectlArgs(way), way.env);
  const look = await begin(api, way, what);
  await Promise.all([lookCloser(api, look), askFromOutside(look)]);
  return look;
}

/** The same, without what only a judgement needs: for the table of the fleet. */
export async function glance(way: Way, what: Examination): Promise<Look> {
  await using api = await openApi(kubectlArgs(way), way.env);
  // Without `await` the way would be closed before it has looked.
  return await begin(api, way, what);
}

const kubectlArgs = ({ context }: Way): string[] => (context === undefined ? [] : ['--context', context]);

async function begin(api: Api, { where, context }: Way, { namespace, release }: Examination): Promise<Look> {
  const look = await lookAt(api, { namespace, release, commands: new Commands(context, namespace) });
  look.where = where;
  if (look.release !== undefined) look.commands.release = look.release;
  await askPods(api, look);
  return look;
}
