import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { requireSystem } from '../tools/packages.ts';
import { tool } from '../tools/tools.ts';
import type { Cluster } from './cluster.ts';
import { nodeName } from './layout.ts';
import { endByPid, withPid } from './monitoring.ts';
import { inNode, logOf, outputInNode, runInNode, startInNode } from './node.ts';
import { until } from './wait.ts';

const name = 'kube-router';

/**
 * Has kube-router enforce the NetworkPolicies of a cluster, whose own network enforces none, until the end of the scope. It
 * does nothing else: services are kube-proxy's.
 */
export async function startPolicyEngine(cluster: Cluster): Promise<AsyncDisposable> {
  const { node } = cluster;
  const { layout } = node;
  await requireSystem(['iptables', 'ipset']);
  mkdirSync(path.join(layout.folder, 'monitoring'), { recursive: true });
  const component = startInNode(
    node,
    name,
    withPid(name, [
      await tool(name),
      '--run-firewall=true',
      '--run-router=false',
      '--run-service-proxy=false',
      '--enable-cni=false',
      `--hostname-override=${nodeName}`,
      `--service-cluster-ip-range=${layout.serviceCidr}`,
      `--kubeconfig=${inNode(`etc/${name}.kubeconfig`)}`,
      '--health-port=0',
    ]),
  );
  const stop = async () => {
    await runInNode(node, endByPid(name));
    // What it leaves in the kernel: the node has no other rules of iptables, nor sets.
    await runInNode(node, ['sh', '-c', 'iptables -F && iptables -X && ipset destroy']);
  };
  const enforcing = await until(60_000, 250, async () => {
    const failure = component.failure();
    if (failure) throw new Error(failure);
    const { stdout } = await outputInNode(node, ['iptables', '-S', 'FORWARD']);
    return stdout.includes('KUBE-ROUTER-FORWARD');
  });
  if (!enforcing) {
    await stop();
    throw new Error(`${cluster.name}: ${name}: no rules after a minute: ${logOf(layout, name)}`);
  }
  return { [Symbol.asyncDispose]: stop };
}
