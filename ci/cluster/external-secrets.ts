import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { tool } from '../tools/tools.ts';
import type { Cluster } from './cluster.ts';
import { endByPid, withPid } from './monitoring.ts';
import { inNode, logOf, runInNode, startInNode } from './node.ts';
import { until } from './wait.ts';

const name = 'external-secrets';
const metricsPort = 18_091;

/**
 * Starts the operator of External Secrets for one namespace; it ends with what is given back. Its CRDs have to be there
 * (ci/testing/crds.ts).
 */
export async function startExternalSecrets({ node }: Cluster, namespace: string): Promise<AsyncDisposable> {
  const { layout } = node;
  const metrics = `${layout.nodeAddress}:${metricsPort}`;
  const others = ['cluster-store', 'cluster-external-secret', 'cluster-push-secret', 'push-secret'];
  const args = [
    `--namespace=${namespace}`,
    `--metrics-addr=${metrics}`,
    ...others.map((kind) => `--enable-${kind}-reconciler=false`),
  ];
  const command = withPid(name, [await tool(name), ...args]);
  mkdirSync(path.join(layout.folder, 'monitoring'), { recursive: true });
  const component = startInNode(node, name, command, { KUBECONFIG: inNode('kubeconfig') });
  const stop = async () => void (await runInNode(node, endByPid(name)));
  try {
    const up = await until(60_000, 250, async () => {
      if (component.failure()) throw new Error(component.failure());
      return fetch(`http://${metrics}/metrics`).then(
        ({ ok }) => ok,
        () => false,
      );
    });
    if (!up) throw new Error(`external-secrets: not ready after a minute: ${logOf(layout, name)}`);
  } catch (error) {
    await stop();
    throw error;
  }
  return { [Symbol.asyncDispose]: stop };
}
