import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { parse } from 'yaml';
import { backFill, type PastSeries } from '../testing/prometheus.ts';
import { root } from '../tools/paths.ts';
import { tool } from '../tools/tools.ts';
import type { Cluster } from './cluster.ts';
import type { Layout } from './layout.ts';
import { inNode, logOf, runInNode, startInNode } from './node.ts';
import { until } from './wait.ts';

const ports = { prometheus: 9090, alertmanager: 9093, stateMetrics: 8180, stateTelemetry: 8181 };

/** Where Prometheus is going to be on the node's network. */
export const prometheusUrl = ({ nodeAddress }: Layout): string => `http://${nodeAddress}:${ports.prometheus}`;

/** A job of Prometheus' configuration, as far as it is changed here. */
interface ScrapeJob {
  job_name: string;
  scheme?: string;
  tls_config?: object;
  authorization?: object;
  kubernetes_sd_configs?: object[];
  static_configs?: object[];
  scrape_interval?: string;
}

export interface MonitoringOptions {
  /** Rules for Prometheus, by the name of their file. */
  rules: Record<string, string>;
  /** Alertmanager's configuration; without one it tells nobody. */
  alertmanager?: object;
  /** Namespaces whose pods are scraped: a cluster of tests has others as well. */
  namespaces: string[];
  /** Further targets, by the name of their job: `host:port`. */
  targets?: Record<string, string>;
  /** Seconds between scrapes and evaluations. */
  seconds: number;
  /** What Prometheus has recorded before. */
  past?: PastSeries[];
}

/** Prometheus, Alertmanager and kube-state-metrics of a cluster, as processes of its node. */
export interface Monitoring extends AsyncDisposable {
  /** Addresses on the node's network. */
  prometheus: string;
  alertmanager: string;
  /** What an expression gives now, as the API of Prometheus has it; rejects where it is not sound. */
  query(expr: string): Promise<{ metric: Record<string, string>; value: [number, string] }[]>;
  /** Ends Prometheus, as a crash would. */
  endPrometheus(): Promise<void>;
  /** The data of any other page of Prometheus' API, such as `rules` or `targets`. */
  // biome-ignore lint/suspicious/noExplicitAny: each page has a shape of its own
  api(page: string): Promise<any>;
}

/** The scrape configuration of docs/monitoring.md: what is said there is what is tried here. */
export function documentedScrapes(): ScrapeJob[] {
  const text = readFileSync(path.join(root, 'docs/monitoring.md'), 'utf8');
  const block = [...text.matchAll(/```yaml\n(.*?)```/gs)].find(([, yaml]) => yaml!.startsWith('scrape_configs:'));
  return parse(block![1]!).scrape_configs;
}

/** The option of kube-state-metrics about the labels of nodes, from there as well. */
function documentedLabels(): string {
  const text = readFileSync(path.join(root, 'docs/monitoring.md'), 'utf8');
  return /^--metric-labels-allowlist=\S+$/m.exec(text)![0];
}

/** The same for processes that are no pods: by certificates instead of a token, and by the addresses of the node. */
function scrapes(cluster: Cluster, { namespaces, targets = {} }: MonitoringOptions): ScrapeJob[] {
  const { nodeAddress } = cluster.node.layout;
  const pki = (file: string) => inNode('pki', file);
  const discovery = { kubeconfig_file: inNode('etc/prometheus.kubeconfig') };
  const jobs = documentedScrapes().map((job): ScrapeJob => {
    const { authorization: _token, ...rest } = job;
    if (job.scheme === 'https') {
      rest.tls_config = { ca_file: pki('ca.crt'), cert_file: pki('prometheus.crt'), key_file: pki('prometheus.key') };
    }
    if (job.job_name === 'kube-state-metrics') {
      return { ...rest, static_configs: [{ targets: [`${nodeAddress}:${ports.stateMetrics}`] }] };
    }
    const which = job.job_name === 'pods' ? { role: 'pod', namespaces: { names: namespaces } } : { role: 'node' };
    return { ...rest, kubernetes_sd_configs: [{ ...which, ...discovery }] };
  });
  const further = Object.entries(targets).map(([job_name, target]) => ({
    job_name,
    static_configs: [{ targets: [target] }],
  }));
  return [...jobs, ...further];
}

/** Starts all three and waits until they answer; they end with what is given back. */
export async function startMonitoring(cluster: Cluster, options: MonitoringOptions): Promise<Monitoring> {
  const { node } = cluster;
  const { layout } = node;
  const { nodeAddress } = layout;
  const folder = path.join(layout.folder, 'monitoring');
  // What another test recorded is not what this one is about.
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(path.join(folder, 'rules'), { recursive: true });
  const write = (file: string, content: string | object) =>
    writeFileSync(path.join(folder, file), typeof content === 'string' ? content : JSON.stringify(content, null, 2));
  for (const [name, text] of Object.entries(options.rules)) write(`rules/${name}`, text);
  const tellsNobody = { route: { receiver: 'none' }, receivers: [{ name: 'none' }] };
  write('alertmanager.yaml', options.alertmanager ?? tellsNobody);
  const interval = `${options.seconds}s`;
  write('prometheus.yaml', {
    global: { scrape_interval: interval, scrape_timeout: interval, evaluation_interval: interval },
    rule_files: [inNode('monitoring/rules/*.yaml')],
    alerting: { alertmanagers: [{ static_configs: [{ targets: [`${nodeAddress}:${ports.alertmanager}`] }] }] },
    scrape_configs: scrapes(cluster, options),
  });
  if (options.past) await backFill(path.join(folder, 'prometheus'), options.past);
  // Those of the cluster are found by their names in the node, these by their places on the host, whose files it sees.
  const [alertmanager, stateMetrics] = await Promise.all([tool('alertmanager'), tool('kube-state-metrics')]);
  const address = (port: number) => `${nodeAddress}:${port}`;
  const commands: Record<string, string[]> = {
    'kube-state-metrics': [
      stateMetrics,
      `--kubeconfig=${inNode('etc/kube-state-metrics.kubeconfig')}`,
      `--host=${nodeAddress}`,
      `--port=${ports.stateMetrics}`,
      `--telemetry-host=${nodeAddress}`,
      `--telemetry-port=${ports.stateTelemetry}`,
      '--resources=pods,nodes,deployments,jobs,horizontalpodautoscalers',
      documentedLabels(),
    ],
    alertmanager: [
      alertmanager,
      `--config.file=${inNode('monitoring/alertmanager.yaml')}`,
      `--storage.path=${inNode('monitoring/alertmanager')}`,
      `--web.listen-address=${address(ports.alertmanager)}`,
      '--cluster.listen-address=',
    ],
    prometheus: [
      'prometheus',
      `--config.file=${inNode('monitoring/prometheus.yaml')}`,
      `--storage.tsdb.path=${inNode('monitoring/prometheus')}`,
      `--web.listen-address=${address(ports.prometheus)}`,
    ],
  };
  const components = Object.entries(commands).map(([name, command]) => startInNode(node, name, withPid(name, command)));
  const urls = {
    prometheus: prometheusUrl(layout),
    alertmanager: `http://${address(ports.alertmanager)}`,
  };
  const pages = [
    `${urls.prometheus}/-/ready`,
    `${urls.alertmanager}/-/ready`,
    `http://${address(ports.stateMetrics)}/metrics`,
  ];
  const stop = () => Promise.all(Object.keys(commands).map((name) => runInNode(node, endByPid(name))));
  const up = await until(60_000, 250, async () => {
    const failure = components.map((component) => component.failure()).find(Boolean);
    if (failure) throw new Error(failure);
    const answers = await Promise.all(
      pages.map((page) =>
        fetch(page).then(
          ({ ok }) => ok,
          () => false,
        ),
      ),
    );
    return answers.every(Boolean);
  });
  if (!up) {
    await stop();
    throw new Error(`${cluster.name}: monitoring: not up after a minute: ${logOf(layout, 'prometheus')}`);
  }
  const api: Monitoring['api'] = async (page) => {
    const answer = await fetch(`${urls.prometheus}/api/v1/${page}`);
    const { status, data, error } = (await answer.json()) as { status: string; data: unknown; error?: string };
    if (status !== 'success') throw new Error(`${page}: ${error}`);
    return data;
  };
  return {
    ...urls,
    api,
    endPrometheus: async () => void (await runInNode(node, endByPid('prometheus'))),
    query: async (expr) => (await api(`query?query=${encodeURIComponent(expr)}`)).result,
    [Symbol.asyncDispose]: async () => {
      await stop();
    },
  };
}

const pidFile = (name: string) => inNode('monitoring', `${name}.pid`);

/** A command that notes its process id, as the node numbers it. */
export const withPid = (name: string, command: string[]): string[] => [
  ...['sh', '-c', `echo $$ > "$1" && shift && exec "$@"`, 'sh'],
  ...[pidFile(name), ...command],
];

/** Ends the process that was noted, and waits for it. */
export const endByPid = (name: string): string[] => [
  ...['sh', '-c', 'pid=$(cat "$1") && kill "$pid"; while kill -0 "$pid" 2>/dev/null; do sleep 0.1; done', 'sh'],
  pidFile(name),
];
