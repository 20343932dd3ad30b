import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import type { KubeObject } from '../../charts/tests/kinds.ts';
import { tool } from '../tools/tools.ts';

/** One end of a connection: a pod, or an address outside of the cluster. */
export interface End {
  /** Address; of a pod too, since blocks of addresses may mean pods. */
  ip: string;
  pod?: { namespace: string; namespaceLabels: Record<string, string>; labels: Record<string, string> };
}

export interface Connection {
  from: End;
  to: End;
  protocol: 'TCP' | 'UDP';
  port: number;
}

/** Whether the policies of the source let a connection out, and those of the destination let it in. */
export interface Verdict {
  out: boolean;
  in: boolean;
}

/** What cyclonus says that NetworkPolicies let through: a verdict for each connection, in their order. */
export async function reach(policies: KubeObject[], connections: Connection[]): Promise<Verdict[]> {
  const child = spawn(await tool('reach'), { stdio: ['pipe', 'pipe', 'inherit'] });
  child.stdin.end(
    JSON.stringify({
      policies,
      connections: connections.map(({ from, to, protocol, port }) => ({
        Source: endOf(from),
        Destination: endOf(to),
        Protocol: protocol,
        ResolvedPort: port,
      })),
    }),
  );
  return JSON.parse(await text(child.stdout));
}

const endOf = ({ ip, pod }: End) => ({
  IP: ip,
  ...(pod && { Internal: { Namespace: pod.namespace, NamespaceLabels: pod.namespaceLabels, PodLabels: pod.labels } }),
});
