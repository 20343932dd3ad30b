import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { renamed, sample } from './exposition.ts';

/** A pod of a server, as the fake fleet has one of each. */
export interface FakePod {
  server: string;
  model: string;
  gpu: boolean;
}

/** A target and its labels, as a file for Prometheus' service discovery has them. */
export interface Target {
  targets: string[];
  labels: Record<string, string>;
}

export const namespace = 'models';
export const release = 'bench';
const gatewayPod = 'model-management-gateway-1';
const podOf = ({ server }: FakePod) => `${server}-1`;

/**
 * What Prometheus scrapes of a fleet that is larger than a machine: the real gateway; for each server the metrics of one real
 * agent, under the names of that server; and of what kubelet, kube-state-metrics and the exporter of GPUs tell the series that
 * the rules read, with values that stay.
 */
export class FakeFleet implements AsyncDisposable {
  readonly targets: Target[];
  readonly #server: ReturnType<typeof createServer>;

  private constructor(server: ReturnType<typeof createServer>, pods: FakePod[]) {
    this.#server = server;
    const at = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    const target = (path: string, labels: Record<string, string>): Target => ({
      targets: [at],
      labels: { __metrics_path__: path, ...labels },
    });
    const ours = { namespace, release };
    this.targets = [
      target('/gateway', { job: 'pods', ...ours, component: 'gateway', pod: gatewayPod }),
      ...pods.map((pod, index) =>
        target(`/agents/${index}`, { job: 'pods', ...ours, component: 'server', server: pod.server, pod: podOf(pod) }),
      ),
      target('/kubernetes', { job: 'kubernetes' }),
    ];
  }

  /** `agent` is where the real agent's metrics are, and the name of its only model. */
  static async start(
    pods: FakePod[],
    gateway: string,
    agent: { metricsUrl: string; model: string },
  ): Promise<FakeFleet> {
    const text = async (url: string) => (await fetch(url)).text();
    const fixed = ofKubernetes(pods).join('\n');
    const answer = async (path: string): Promise<string> => {
      if (path === '/gateway') return text(gateway);
      if (path === '/kubernetes') return `${fixed}\n`;
      const pod = pods[Number(path.slice('/agents/'.length))]!;
      return renamed(await text(agent.metricsUrl), { model: [agent.model, pod.model] });
    };
    const server = createServer((request, response) => {
      answer(request.url!).then(
        (body) => response.writeHead(200, { 'content-type': 'text/plain; version=0.0.4' }).end(body),
        () => response.writeHead(502).end(),
      );
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new FakeFleet(server, pods);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }
}

const containers = ['ollama', 'agent', 'model-downloader'];

function ofKubernetes(pods: FakePod[]): string[] {
  const ofPod = (pod: string, names: string[]): string[] =>
    names.flatMap((container) => {
      const of = { namespace, pod, container };
      const init = container === 'agent' || container === 'model-downloader';
      return [
        sample('container_memory_working_set_bytes', { ...of, id: `/${pod}/${container}` }, 5e8),
        sample('container_memory_total_active_file_bytes', { ...of, id: `/${pod}/${container}` }, 1e8),
        sample('container_spec_memory_limit_bytes', { ...of, id: `/${pod}/${container}` }, 1e9),
        sample(`kube_pod_${init ? 'init_' : ''}container_status_restarts_total`, { ...of, uid: pod }, 0),
        ...['Liveness', 'Readiness', 'Startup'].map((probe_type) =>
          sample('prober_probe_total', { ...of, probe_type, result: 'successful', pod_uid: pod }, 100),
        ),
      ];
    });
  return [
    ...ofPod(gatewayPod, ['gateway']),
    ...pods.flatMap((one) => {
      const pod = podOf(one);
      const claim = { namespace, persistentvolumeclaim: `${pod}-models` };
      return [
        ...ofPod(pod, containers),
        sample('kubelet_volume_stats_available_bytes', claim, 6e9),
        sample('kubelet_volume_stats_capacity_bytes', claim, 1e10),
        ...(one.gpu ? [sample('DCGM_FI_DEV_GPU_UTIL', { namespace, pod, gpu: '0' }, 40)] : []),
      ];
    }),
  ];
}
