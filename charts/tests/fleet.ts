import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { stringify } from 'yaml';
import type { Cluster } from '../../ci/cluster/cluster.ts';
import { isReady, type Namespace, newNamespace, type Resource } from '../../ci/cluster/namespace.ts';
import { runInNode } from '../../ci/cluster/node.ts';
import { overlay } from '../../ci/cluster/release.ts';
import { type TestCluster, testCluster } from '../../ci/cluster/testing.ts';
import { requireSystem } from '../../ci/tools/packages.ts';
import { root } from '../../ci/tools/paths.ts';
import { type RunOptions, run } from '../../ci/tools/run.ts';
import { tool } from '../../ci/tools/tools.ts';
import { mergedValues, mergeValues, type ValuesOverrides } from '../../generator/environment.ts';
import { loadRegistry } from '../../generator/registry.ts';
import { valuesOf } from '../../generator/values.ts';

/** A release of the chart in a namespace of its own, small enough for a test. */
export interface Fleet extends AsyncDisposable {
  namespace: Namespace;
  /** Selects the pods of this release among those of all namespaces. */
  selector: string;
  /** Helm in the namespace; rejects with its complaint. */
  helm(args: readonly string[], options?: RunOptions): Promise<string>;
  /** Installs or upgrades with these values over the test's own, and waits for nothing. */
  deploy(values: ValuesOverrides): Promise<void>;
  /** A file with these values over the test's own, for commands that take one. */
  valuesFile(values: ValuesOverrides): string;
  /** Pods of a server, those that end left out. */
  pods(server: string): Promise<Resource[]>;
  /** Waits until a server has this many ready pods and no other. */
  untilReady(server: string, pods?: number, seconds?: number): Promise<Resource[]>;
  /** Waits until the gateway answers. */
  untilGateway(): Promise<void>;
  /**
   * Sends a signal to the Ollama of a pod, which a container cannot do to its own first process; rejects where there is none.
   * It takes the node, which has those of other tests as well.
   */
  signalOllama(pod: Resource, signal: 'STOP' | 'CONT' | 'KILL'): Promise<void>;
  /** What the model-downloader of a pod says. */
  downloadLog(pod: string): Promise<string>;
  /**
   * Asks a model through the gateway's Service and gives back how many tokens it answered with: what a random model says
   * may well be blank. Rejects when there is no answer.
   */
  chat(model: string, key?: string): Promise<number>;
  /** Address of the gateway's Service. */
  address(): Promise<string>;
}

/** Every server of the registry switched off: a test switches on its own. */
async function noServers(): Promise<NonNullable<ValuesOverrides['servers']>> {
  const names = Object.keys(valuesOf(await loadRegistry()).servers);
  return Object.fromEntries(names.map((name) => [name, { enabled: false }]));
}

/** A server of one model `NAME`, which is the tiny test model, on `ollama-NAME`. */
export function tinyServer(
  name: string,
  server: NonNullable<ValuesOverrides['servers']>[string] = {},
): ValuesOverrides {
  return {
    models: { [name]: { pull: 'tiny:latest', parameters: { num_predict: 8 } } },
    servers: { [`ollama-${name}`]: { models: [name], ...server } },
  };
}

const testValues: ValuesOverrides = {
  generationTimeoutSeconds: 30,
  serverDefaults: {
    resources: { cpu: '200m', memory: '700M' },
    ollama: { contextLength: 256 },
    cache: { size: '64Mi' },
    autoscaling: { enabled: false },
  },
  gateway: {
    replicas: { min: 1, max: 2 },
    autoscaling: { enabled: false },
    resources: { cpu: '50m', memory: '256Mi' },
  },
  agent: { resources: { cpu: '20m', memory: '192Mi' } },
};

/** `await using fleet = await testFleet()`: the release and its namespace are gone at the end of the test. */
export const testFleet = async (): Promise<Fleet> => newFleet(await testCluster());

/** The same on a cluster of one's own, with the images loaded. */
export async function newFleet(cluster: Cluster & TestCluster): Promise<Fleet> {
  const namespace = await newNamespace(cluster);
  const folder = mkdtempSync(path.join(tmpdir(), 'fleet-'));
  const labels = { commonLabels: { test: namespace.name } };
  const base = mergedValues(overlay(cluster), testValues, labels, { servers: await noServers() });
  const helmPath = await tool('helm');
  const helm = (args: readonly string[], options: RunOptions = {}) =>
    run(helmPath, ['--namespace', namespace.name, ...args], { env: cluster.env, ...options });
  let files = 0;
  const valuesFile = (values: ValuesOverrides) => {
    const file = path.join(folder, `values-${++files}.yaml`);
    writeFileSync(file, stringify(mergeValues(base, values)));
    return file;
  };
  const pods = async (server: string) =>
    (await namespace.list('pods', `model-management.fineprint.ai/server=${server}`)).filter(
      (pod) => !pod.metadata.deletionTimestamp,
    );
  const address = async () => {
    const service = await namespace.get('service', 'model-management');
    return `http://${service.spec.clusterIP}:${service.spec.ports[0].port}`;
  };
  return {
    namespace,
    selector: `test=${namespace.name}`,
    helm,
    valuesFile,
    pods,
    address,
    deploy: async (values) => {
      await helm(['upgrade', '--install', 'fleet', path.join(root, 'charts'), '--values', valuesFile(values)]);
    },
    untilReady: (server, count = 1, seconds = 120) =>
      namespace.until(`${count} ready pod(s) of ${server}`, seconds, async () => {
        const found = await pods(server);
        return found.length === count && found.every(isReady) && found;
      }) as Promise<Resource[]>,
    untilGateway: async () => {
      await namespace.until('the gateway', 60, async () => {
        const deployment = await namespace.get('deployment', 'model-management-gateway');
        // Neither is there before the first pod is.
        const { observedGeneration, updatedReplicas = 0, availableReplicas } = deployment?.status ?? {};
        return observedGeneration === deployment?.metadata.generation && updatedReplicas === availableReplicas;
      });
    },
    signalOllama: async (pod, signal) => {
      await requireSystem(['pgrep']);
      const script = `for pid in $(pgrep --full --exact '/bin/ollama serve'); do
        if grep -q ${pod.metadata.uid} /proc/$pid/cgroup 2>/dev/null; then kill -${signal} $pid && echo $pid; fi
      done`;
      const said = await runInNode(cluster.node, ['sh', '-c', script]);
      if (!/^\d+$/.test(said)) throw new Error(`${pod.metadata.name}: not one Ollama, but '${said}'`);
    },
    // Before its first start and between two of them there is no log.
    downloadLog: (pod) => namespace.kubectl(['logs', pod, '--container', 'model-downloader']).catch(() => ''),
    chat: async (model, key) => {
      const response = await fetch(`${await address()}/api/chat`, {
        method: 'POST',
        headers: key === undefined ? {} : { authorization: `Bearer ${key}` },
        body: JSON.stringify({ model, stream: false, messages: [{ role: 'user', content: 'hello' }] }),
      });
      const body = (await response.json()) as { eval_count?: number; error?: string };
      if (!response.ok || !body.eval_count)
        throw new Error(`${response.status}: ${body.error ?? JSON.stringify(body)}`);
      return body.eval_count;
    },
    [Symbol.asyncDispose]: async () => {
      rmSync(folder, { recursive: true, force: true });
      await namespace[Symbol.asyncDispose]();
    },
  };
}
