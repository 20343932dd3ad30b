import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { type FakeExporter, startFakeExporter } from '../../ci/cluster/fake-exporters.ts';
import { offerFakeGpus } from '../../ci/cluster/fake-gpus.ts';
import { type Monitoring, startMonitoring } from '../../ci/cluster/monitoring.ts';
import { runInNode } from '../../ci/cluster/node.ts';
import { root } from '../../ci/tools/paths.ts';
import { mergedValues, mergeValues, type ValuesOverrides } from '../../generator/environment.ts';
import { alerts } from '../../generator/monitoring/alerts.ts';
import { type Fleet, testFleet, tinyServer } from './fleet.ts';
import { hurriedFiles } from './rules/hurried.ts';

/**
 * Every alert is provoked for once on a real fleet, and heard of by a real Alertmanager. What takes minutes takes seconds
 * here: all times in the rules are a sixtieth. Probes come every ten seconds, and restarts as slowly, whatever we want: what is
 * about these has a tenth. And of days there is but a third of that.
 */
function faster(rule: string): number {
  if (/^(HealthChecksFailing|ContainerRestarting)$/.test(rule)) return 10;
  // A day and two hours are 19 seconds.
  if (rule === 'BackupMissing') return 5000;
  return /_rate(6h|1d|3d)$/.test(rule) ? 180 : 60;
}

const tiny = (name: string, server: object = {}, model: object = {}): ValuesOverrides =>
  mergeValues(tinyServer(name, { startup: { loadSeconds: 10, downloadSeconds: 20 }, ...server }), {
    models: { [name]: model },
  }) as ValuesOverrides;

const fewRequests = { queue: { depth: 6, waitSeconds: 60 }, alerts: { queueWaitSeconds: 0.05 } };
/** A server for each kind of fault. */
const values = mergedValues(
  tiny('busy', {}, { ...fewRequests, objectives: { availablePercent: 99, firstTokenSeconds: 10 } }),
  tiny('down'),
  tiny('ill', { cache: { size: '64Mi', storageClass: 'sized' } }),
  tiny('broken'),
  tiny('stuck', {}, { keepAlive: '0' }),
  tiny('gpu', { resources: { gpu: 1, gpuMemoryMiB: 1000 }, costPerHour: 0.8 }, { keepAlive: '0' }),
  tiny('missing', {}, { pull: 'no-such-model:latest' }),
  { monitoring: { rules: { delivery: 'configMap' } } } satisfies ValuesOverrides,
  // It never runs: what it would tell is told by the test.
  { backup: { enabled: true, existingSecret: 'none', schedule: '@yearly' } } satisfies ValuesOverrides,
);
const ready = ['busy', 'down', 'ill', 'broken', 'stuck', 'gpu'];

/** What Alertmanager tells a receiver. */
interface Message {
  receiver: string;
  alerts: { status: 'firing' | 'resolved'; labels: Record<string, string> }[];
}

/** A receiver of Alertmanager's, who writes down what it hears. */
async function startReceiver(host: string): Promise<{ url: string; messages: Message[] } & AsyncDisposable> {
  const messages: Message[] = [];
  const server = createServer(async (request, response) => {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    messages.push(JSON.parse(Buffer.concat(parts).toString()));
    response.end();
  });
  server.listen(0, host);
  await once(server, 'listening');
  return {
    url: `http://${host}:${(server.address() as AddressInfo).port}`,
    messages,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

/** The example of docs/ with receivers here, and without its pauses. */
function alertmanagerConfig(url: string): object {
  const config = parse(readFileSync(path.join(root, 'docs/alertmanager.yaml'), 'utf8'));
  const hasty = { group_wait: '0s', group_interval: '1s', repeat_interval: '1h' };
  Object.assign(config.route, hasty);
  for (const route of config.route.routes) Object.assign(route, hasty);
  for (const receiver of config.receivers) receiver.webhook_configs = [{ url }];
  return { ...config, global: { resolve_timeout: '10s' } };
}

const gpuExporter = (namespace: string, pod: string, percent: number) => ({
  [`DCGM_FI_DEV_GPU_UTIL{namespace="${namespace}",pod="${pod}",gpu="0"}`]: percent,
});

/** What OpenCost tells of a pod. */
const billOf = (namespace: string, pod: string) => {
  const labels = `{namespace="${namespace}",pod="${pod}",container="ollama",node="node-1"}`;
  return {
    [`container_cpu_allocation${labels}`]: 0.2,
    [`container_memory_allocation_bytes${labels}`]: 2 ** 30,
    [`container_gpu_allocation${labels}`]: 1,
    'node_cpu_hourly_cost{node="node-1"}': 0.03,
    'node_ram_hourly_cost{node="node-1"}': 0.004,
    'node_gpu_hourly_cost{node="node-1"}': 0.5,
  };
};

const certificateOf = (namespace: string, days: number) => ({
  [`certmanager_certificate_expiration_timestamp_seconds{namespace="${namespace}",name="model-management-tls"}`]:
    Date.now() / 1000 + days * 86_400,
});

/** One that goes by a metric that nobody gives, and could do nothing if it had it. */
const blindAutoscaler = (name: string) => ({
  apiVersion: 'autoscaling/v2',
  kind: 'HorizontalPodAutoscaler',
  metadata: { name },
  spec: {
    scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name },
    minReplicas: 1,
    maxReplicas: 1,
    metrics: [
      {
        type: 'External',
        external: { metric: { name: 'nothing' }, target: { type: 'AverageValue', averageValue: '1' } },
      },
    ],
  },
});

describe('on a real Prometheus', () => {
  const stack = new AsyncDisposableStack();
  let fleet: Fleet;
  let monitoring: Monitoring;
  let receiver: Awaited<ReturnType<typeof startReceiver>>;
  let exporter: FakeExporter;
  const heard = new Set<string>();
  let illEnded: Promise<void> | undefined;
  let listening = true;

  const name = () => fleet.namespace.name;
  const kubectl = (...args: string[]) => fleet.namespace.kubectl(args);
  const inOllama = (model: string, command: string) =>
    kubectl('exec', `deployment/ollama-${model}`, '--container', 'ollama', '--', 'sh', '-c', command);
  const podOf = async (model: string) => (await fleet.pods(`ollama-${model}`))[0];

  const signal = async (model: string, which: 'STOP' | 'CONT' | 'KILL') =>
    fleet.signalOllama(await podOf(model), which);

  /**
   * Has the kernel kill an Ollama for what another process in its container takes: it judges by size and by what each was
   * given beforehand, and would kill the other one otherwise.
   */
  async function outOfMemory(model: string): Promise<void> {
    const ended = inOllama(model, 'sleep 5; exec tail /dev/zero').catch(() => '');
    const { uid } = (await podOf(model)).metadata;
    const spare = `for i in 1 2 3 4 5 6 7 8; do for p in $(grep -ls "${uid}" /proc/[0-9]*/cgroup); do p=\${p%/cgroup}; tr '\\0' ' ' <$p/cmdline | grep -q 'tail /dev/zero' && echo 0 >$p/oom_score_adj && exit; done; sleep 0.5; done; exit 1`;
    await runInNode(fleet.namespace.cluster.node, ['sh', '-c', spare]);
    await ended;
  }

  /** Asks so many at a time, for whole answers or for streams, until told to stop; who is turned away comes back later. */
  function load(model: string, clients: number, { stream = false, pause = 50 } = {}): { stop(): Promise<void> } {
    let going = true;
    const body = JSON.stringify({ model, messages: [{ role: 'user', content: 'hello' }] });
    const ask = async () => {
      if (!stream) return fleet.chat(model);
      const answer = await fetch(`${await fleet.address()}/api/chat`, { method: 'POST', body });
      await answer.text();
      return sleep(100);
    };
    const client = async () => {
      while (going) await ask().catch(() => sleep(pause));
    };
    const all = Array.from({ length: clients }, client);
    return {
      stop: async () => {
        going = false;
        await Promise.all(all);
      },
    };
  }

  const firing = async () =>
    new Set(
      (await monitoring.query('ALERTS{alertstate="firing"}')).map(
        ({ metric }) => `${metric.alertname} ${metric.severity}`,
      ),
    );
  const untilFiring = (seconds: number, ...wanted: string[]) =>
    fleet.namespace.until(`${wanted.join(', ')} to fire`, seconds, async () => {
      const now = await monitoring.query(`last_over_time(ALERTS{alertstate="firing"}[5m])`);
      const names = new Set(now.map(({ metric }) => `${metric.alertname} ${metric.severity}`));
      return wanted.every((alert) => names.has(alert));
    });

  beforeAll(async () => {
    fleet = stack.use(await testFleet());
    const { cluster } = fleet.namespace;
    const { hostAddress } = cluster.node.layout;
    stack.use(await offerFakeGpus(cluster, 1));
    receiver = stack.use(await startReceiver(hostAddress));
    exporter = stack.use(await startFakeExporter(hostAddress, {}));
    await fleet.deploy(values);
    const rules = await fleet.namespace.get('configmap', 'model-management-rules');
    monitoring = stack.use(
      await startMonitoring(cluster, {
        rules: hurriedFiles(rules.data, faster),
        alertmanager: alertmanagerConfig(receiver.url),
        namespaces: [name()],
        targets: { 'fake-exporter': exporter.target },
        seconds: 1,
      }),
    );
    void listen();
    await Promise.all([...ready.map((model) => fleet.untilReady(`ollama-${model}`, 1, 180)), fleet.untilGateway()]);
    Object.assign(exporter.samples, certificateOf(name(), 60), billOf(name(), (await podOf('gpu')).metadata.name));
    Object.assign(exporter.samples, gpuExporter(name(), (await podOf('gpu')).metadata.name, 40));
  });
  afterAll(async () => {
    listening = false;
    await stack.disposeAsync();
  });

  /** Notes which alerts Alertmanager has, those that it tells nobody of included. */
  async function listen(): Promise<void> {
    while (listening) {
      const answer = await fetch(`${monitoring.alertmanager}/api/v2/alerts`).catch(() => undefined);
      const all = answer?.ok ? ((await answer.json()) as { labels: Record<string, string> }[]) : [];
      for (const { labels } of all) heard.add(`${labels.alertname} ${labels.severity}`);
      await sleep(500);
    }
  }

  /** Says of the last backup what the Job would, so many seconds ago: the kubelet brings it to the gateway, which tells. */
  async function backedUp(secondsAgo: number): Promise<void> {
    const status = { succeeded: Math.floor(Date.now() / 1000) - secondsAgo, bytes: 1, copies: 1 };
    const data = { 'status.json': JSON.stringify(status) };
    await kubectl('patch', 'configmap', 'model-management-backup-status', '--patch', JSON.stringify({ data }));
  }

  it('fires every alert for its fault, and Alertmanager hears of it', async () => {
    const node = fleet.namespace.cluster.node;
    const busy = load('busy', 24, { pause: 2000 });
    await kubectl('scale', 'deployment/ollama-down', '--replicas=0');
    await inOllama('ill', 'dd if=/dev/zero of=/models/fill bs=1M 2>/dev/null; true');
    const [gateway] = await fleet.namespace.list('pods', 'app.kubernetes.io/component=gateway');
    const ill = (await podOf('ill')).status.podIP;
    // The kubelet gets through to it, the gateway does not.
    const chain = 'add table ip faults; add chain ip faults way { type filter hook forward priority 0; };';
    const rule = `add rule ip faults way ip saddr ${gateway.status.podIP} ip daddr ${ill} tcp dport 8080 reject with tcp reset`;
    await runInNode(node, ['nft', `${chain} ${rule}`]);
    await fleet.namespace.apply(blindAutoscaler('ollama-busy'));
    const illLoad = load('ill', 2);
    const streams = load('gpu', 2, { stream: true });
    Object.assign(exporter.samples, certificateOf(name(), 10));
    Object.assign(exporter.samples, gpuExporter(name(), (await podOf('gpu')).metadata.name, 97));

    const broken = (async () => {
      // Six hundred million bytes of seven, for a while.
      const hog = inOllama('broken', 'head -c 600000000 /dev/zero | tail -c 600000000 | sleep 25').catch(() => '');
      await untilFiring(60, 'ContainerMemoryHigh warning');
      await hog;
      await outOfMemory('broken');
      await untilFiring(60, 'ContainerOutOfMemory warning');
      await fleet.untilReady('ollama-broken');
      await signal('broken', 'KILL');
      await untilFiring(60, 'ContainerRestarting warning');
    })();
    const stuck = (async () => {
      // The first load, which was quick, is to be more than an hour ago, which is a minute here.
      await sleep(60_000);
      await signal('stuck', 'STOP');
      const asked = fleet.chat('stuck');
      await sleep(8500);
      await signal('stuck', 'CONT');
      await asked;
      await untilFiring(30, 'ModelLoadSlow warning');
      // The weights are the largest file. Without the others Ollama would not even list the model.
      await inOllama('stuck', 'cd /models/blobs && mv "$(ls -S | head -n 1)" /models/weights');
      await signal('stuck', 'KILL');
      await untilFiring(60, 'ModelLoadFailing warning', 'ModelNotLoaded warning');
    })();
    await untilFiring(60, 'BackupMissing warning');
    await backedUp(100_000);
    await untilFiring(120, 'ModelRequestsRejected warning', 'ModelQueueWaitHigh warning');
    await untilFiring(60, 'ModelServerAtMaximum warning');
    await untilFiring(60, 'ModelErrorBudgetBurnsFast critical', 'ModelErrorBudgetBurnsSlowly warning');
    await busy.stop();
    // What went wrong is to become a small part of all, within minutes instead of days.
    const good = load('busy', 1);
    stack.defer(() => good.stop());
    await untilFiring(120, 'ModelServerDown critical', 'ModelReplicaEjected warning');
    await kubectl('annotate', 'pod', (await podOf('ill')).metadata.name, 'prometheus.io/scrape-');
    Object.assign(exporter.samples, certificateOf(name(), 2));
    await untilFiring(60, 'ModelServerMetricsMissing warning', 'AutoscalingMetricsMissing warning');
    await Promise.all([broken, stuck]);
    await signal('broken', 'STOP');
    await untilFiring(90, 'HealthChecksFailing warning');
    await signal('broken', 'CONT');
    await untilFiring(60, 'GpuUtilizationHigh warning', 'ModelOutsideGpu warning', 'ModelDownloadFailing warning');
    await untilFiring(60, 'GatewayCertificateExpiring warning', 'GatewayCertificateExpiring critical');
    await untilFiring(120, 'ModelVolumeFilling warning', 'ModelVolumeFilling critical', 'BackupTooOld warning');
    await streams.stop();
    // What waits for the ejected replica is answered when that is back.
    illEnded = illLoad.stop();
  });

  it('resolves every alert when its fault is gone', async () => {
    const node = fleet.namespace.cluster.node;
    await runInNode(node, ['nft', 'delete table ip faults']);
    await kubectl('delete', 'hpa', 'ollama-busy');
    await backedUp(0);
    await inOllama('ill', 'rm -f /models/fill');
    await inOllama(
      'stuck',
      'cd /models/blobs && mv /models/weights "sha256-$(sha256sum /models/weights | cut -d " " -f 1)"',
    );
    await kubectl('annotate', 'pod', (await podOf('ill')).metadata.name, 'prometheus.io/scrape=true');
    await kubectl('scale', 'deployment/ollama-down', '--replicas=1');
    await fleet.deploy(mergeValues(values, { models: { missing: { pull: 'tiny:latest' } } }) as ValuesOverrides);
    Object.assign(exporter.samples, gpuExporter(name(), (await podOf('gpu')).metadata.name, 40));
    Object.assign(exporter.samples, certificateOf(name(), 60));
    let left = new Set<string>();
    const end = Date.now() + 270_000;
    do {
      await sleep(1000);
      left = await firing();
    } while (left.size > 0 && Date.now() < end);
    expect([...left]).toEqual([]);
    await illEnded;
  });

  it('fires and resolves when no gateway is scraped', async () => {
    const [gateway] = await fleet.namespace.list('pods', 'app.kubernetes.io/component=gateway');
    await kubectl('annotate', 'pod', gateway.metadata.name, 'prometheus.io/scrape-');
    await untilFiring(30, 'GatewayMetricsMissing critical');
    await kubectl('annotate', 'pod', gateway.metadata.name, 'prometheus.io/scrape=true');
    await fleet.namespace.until(
      'it to resolve',
      60,
      async () => !(await firing()).has('GatewayMetricsMissing critical'),
    );
  });

  it('had each alert pending before it fired, and Alertmanager told of each that was not part of another', async () => {
    const all = alerts.flatMap(({ rules }) => rules);
    const seen = await monitoring.query('count by (alertname, severity, alertstate) (last_over_time(ALERTS[30m]))');
    const states = (alert: string, severity: string) =>
      seen
        .filter(({ metric }) => metric.alertname === alert && metric.severity === severity)
        .map(({ metric }) => metric.alertstate);
    for (const rule of all) {
      const wanted = rule.for === '0m' ? ['firing'] : ['firing', 'pending'];
      expect([rule.alert, states(rule.alert, rule.severity).toSorted()]).toEqual([rule.alert, wanted]);
    }
    expect([...heard].toSorted()).toEqual(
      [...new Set(all.map(({ alert, severity }) => `${alert} ${severity}`))].toSorted(),
    );
    const told = (status: string) =>
      new Set(
        receiver.messages.flatMap(({ alerts }) =>
          alerts
            .filter((alert) => alert.status === status)
            .map(({ labels }) => `${labels.alertname} ${labels.severity}`),
        ),
      );
    const loud = ['ModelServerDown critical', 'ModelErrorBudgetBurnsFast critical', 'GatewayMetricsMissing critical'];
    expect([...told('firing')]).toEqual(expect.arrayContaining(loud));
    await fleet.namespace.until('Alertmanager to tell that they resolved', 60, async () => {
      const resolved = told('resolved');
      return loud.every((alert) => resolved.has(alert));
    });
  });
});
