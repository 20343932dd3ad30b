import { randomBytes } from 'node:crypto';
import type { RunOptions } from '../tools/run.ts';
import type { Cluster } from './cluster.ts';
import { ApiReader } from './reader.ts';
import { until } from './wait.ts';

// biome-ignore lint/suspicious/noExplicitAny: what the API gives back is as wide as Kubernetes
export type Resource = any;

/** A namespace of its own for a test or a benchmark, which enforces the pod security standard `restricted`. */
export interface Namespace extends AsyncDisposable {
  name: string;
  cluster: Cluster;
  kubectl(args: readonly string[], options?: RunOptions): Promise<string>;
  /** Creates or changes objects. */
  apply(...objects: object[]): Promise<void>;
  /** One object, or undefined where there is none. */
  get(kind: string, name: string): Promise<Resource | undefined>;
  /** All objects of a kind, or those with the given labels. */
  list(kind: string, selector?: string): Promise<Resource[]>;
  /**
   * Waits until `check` gives something true and gives that back; rejects after `seconds` with what was waited for and
   * the state of the namespace.
   */
  until<T>(what: string, seconds: number, check: () => Promise<T>): Promise<NonNullable<T>>;
}

let reader: ApiReader | undefined;

/** One for all of a process, which has to do with one cluster: it keeps its connections. */
function readerOf({ node }: Cluster): ApiReader {
  reader ??= new ApiReader(node.layout);
  return reader;
}

/** `await using namespace = await newNamespace(cluster)`: it and all that is in it is gone at the end of the scope. */
export async function newNamespace(cluster: Cluster): Promise<Namespace> {
  const name = `test-${randomBytes(4).toString('hex')}`;
  const labels = { 'pod-security.kubernetes.io/enforce': 'restricted' };
  await cluster.kubectl(['create', '-f', '-'], {
    input: JSON.stringify({ apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } }),
  });
  const kubectl = (args: readonly string[], options?: RunOptions) =>
    cluster.kubectl(['--namespace', name, ...args], options);
  const reader = readerOf(cluster);
  const namespace: Namespace = {
    name,
    cluster,
    kubectl,
    apply: async (...objects) => {
      const input = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects });
      await kubectl(['apply', '--server-side', '--force-conflicts', '-f', '-'], { input });
    },
    get: (kind, object) => reader.get(kind, object, name),
    list: (kind, selector) => reader.list(kind, name, selector),
    until: async (what, seconds, check) => {
      const result = await until(seconds * 1000, 250, check);
      if (!result) throw new Error(`${what}: not within ${seconds} s\n${await describe(kubectl)}`);
      return result;
    },
    [Symbol.asyncDispose]: async () => {
      // Kubernetes takes five seconds before it looks at a deleted namespace, but lets nothing new into it from now on:
      // with its pods told to end, what is left needs no waiting for. Nobody is owed their grace period any more.
      await cluster.kubectl(['delete', 'namespace', name, '--wait=false']);
      await kubectl(['delete', 'pods', '--all', '--grace-period=1', '--wait=false']);
    },
  };
  await namespace.until('the default service account', 30, () => namespace.get('serviceaccount', 'default'));
  return namespace;
}

/** What a person would look at first when something is not as it should be. */
async function describe(kubectl: (args: readonly string[]) => Promise<string>): Promise<string> {
  const [objects, events] = await Promise.all([
    kubectl(['get', 'pods,persistentvolumeclaims,deployments,jobs', '--output', 'wide']),
    kubectl(['get', 'events', '--sort-by', '.lastTimestamp']),
  ]);
  return `${objects}\n${events.split('\n').slice(-15).join('\n')}`;
}

/** Whether a pod is ready. */
export const isReady = (pod: Resource): boolean =>
  pod?.status?.conditions?.some((condition: Resource) => condition.type === 'Ready' && condition.status === 'True') ??
  false;
