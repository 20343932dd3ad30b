import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { parse } from 'yaml';
import { root } from '../tools/paths.ts';
import { tool } from '../tools/tools.ts';
import { aggregation } from './aggregation.ts';
import type { Cluster } from './cluster.ts';
import { endByPid, withPid } from './monitoring.ts';
import { type Component, inNode, logOf, runInNode, startInNode } from './node.ts';
import { until } from './wait.ts';

const name = 'prometheus-adapter';
const port = 6450;
export const externalMetrics = 'external.metrics.k8s.io';

/** Who gives external metrics, as processes of the node. */
export interface ExternalMetrics extends AsyncDisposable {
  /** Ends them, and leaves the API without anybody who answers. */
  end(): Promise<void>;
}

/** Waits until the API gives metrics; rejects when a component ends before. */
export async function untilServed({ name, node, kubectl }: Cluster, components: Component[]): Promise<void> {
  const up = await until(60_000, 500, async () => {
    const failure = components.map((component) => component.failure()).find(Boolean);
    if (failure) throw new Error(failure);
    const { resources } = JSON.parse(
      await kubectl(['get', '--raw', `/apis/${externalMetrics}/v1beta1`]).catch(() => '{"resources":[]}'),
    ) as { resources: object[] };
    return resources.length > 0;
  });
  if (up) return;
  const said = components.map((component) => `${component.name}: ${logOf(node.layout, component.name)}`);
  throw new Error(`${name}: no external metrics after a minute: ${said.join('; ')}`);
}

/** The rules of docs/autoscaling.md: what is said there is what is tried here. */
function documentedRules(): object {
  const text = readFileSync(path.join(root, 'docs/autoscaling.md'), 'utf8');
  const block = [...text.matchAll(/```yaml\n(.*?)```/gs)].find(([, yaml]) => yaml!.startsWith('externalRules:'));
  return parse(block![1]!);
}

/** Starts prometheus-adapter for a Prometheus and waits until it gives metrics; it ends with what is given back. */
export async function startExternalMetrics(cluster: Cluster, prometheus: string): Promise<ExternalMetrics> {
  const { node, kubectl } = cluster;
  const { layout } = node;
  const folder = path.join(layout.folder, 'monitoring');
  mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(folder, `${name}.yaml`), JSON.stringify(documentedRules()));
  // It ends when it may not read what it is to ask with.
  const items = aggregation(layout, {
    ...{ group: externalMetrics, service: { name, namespace: 'kube-system' }, port, user: `system:${name}` },
    // Its certificate is one that it made itself.
    insecure: true,
  });
  const input = JSON.stringify({ apiVersion: 'v1', kind: 'List', items });
  await kubectl(['apply', '--server-side', '-f', '-'], { input });
  const kubeconfig = inNode(`etc/${name}.kubeconfig`);
  const component = startInNode(
    node,
    name,
    withPid(name, [
      await tool(name),
      `--config=${inNode(`monitoring/${name}.yaml`)}`,
      `--prometheus-url=${prometheus}`,
      // What is recorded for the first time is seen a moment later.
      '--metrics-relist-interval=2s',
      // As long as Prometheus itself remembers a series that is no more, as the default of ten minutes does.
      '--metrics-max-age=10m',
      `--lister-kubeconfig=${kubeconfig}`,
      `--authentication-kubeconfig=${kubeconfig}`,
      `--authorization-kubeconfig=${kubeconfig}`,
      `--bind-address=${layout.nodeAddress}`,
      `--secure-port=${port}`,
      `--cert-dir=${inNode('monitoring', name)}`,
    ]),
  );
  const end = async () => void (await runInNode(node, endByPid(name)));
  const stop = async () => {
    await end();
    await kubectl(['delete', '--ignore-not-found', '-f', '-'], { input });
  };
  try {
    await untilServed(cluster, [component]);
  } catch (error) {
    await stop();
    throw error;
  }
  return { end, [Symbol.asyncDispose]: stop };
}
