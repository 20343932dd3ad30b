import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import { type FakeExporter, startFakeExporter } from '../../ci/cluster/fake-exporters.ts';
import { type Monitoring, startMonitoring } from '../../ci/cluster/monitoring.ts';
import { runInNode } from '../../ci/cluster/node.ts';
import { root } from '../../ci/tools/paths.ts';
import { output } from '../../ci/tools/run.ts';
import { tool } from '../../ci/tools/tools.ts';
import { mergeValues, type ValuesOverrides } from '../../generator/environment.ts';
import { alerts } from '../../generator/monitoring/alerts.ts';
import { recording } from '../../generator/monitoring/recording.ts';
import { runbookOf } from '../../generator/monitoring/rules.ts';
import { type Fleet, testFleet, tinyServer } from './fleet.ts';

/**
 * Every alert is provoked for once on a real fleet, and heard of by a real Alertmanager. What takes minutes takes seconds
 * here: all times in the rules are a sixtieth. Probes come every ten seconds whatever we want, so that their alert has a tenth.
 */
const faster = (alert: string) => (alert === 'HealthChecksFailing' ? 10 : 60);

interface Rule {
  alert?: string;
  record?: string;
  expr: string;
  for?: string;
}

/** The same rules with shorter times, in ranges, offsets and `for`; nothing else in them changes. */
function hurried(text: string): string {
  const file = parse(text) as { groups: { rules: Rule[] }[] };
  const units: Record<string, number> = { m: 60, h: 3600, d: 86_400 };
  const shorter = (factor: number) => (_: string, before: string, count: string, unit: string) =>
    `${before}${Math.round((Number(count) * units[unit]! * 1000) / factor)}ms`;
  for (const rule of file.groups.flatMap(({ rules }) => rules)) {
    const factor = faster(rule.alert ?? '');
    rule.expr = rule.expr.replaceAll(/(\[|offset )(\d+)([mhd])\b/g, shorter(factor));
    if (rule.for) rule.for = rule.for.replace(/^()(\d+)([mhd])$/, shorter(factor));
  }
  return stringify(file);
}

const tiny = (name: string, server: object = {}, model: object = {}): ValuesOverrides =>
  mergeValues(tinyServer(name, { startup: { loadSeconds: 10, downloadSeconds: 20 }, ...server }), {
    models: { [name]: model },
  }) as ValuesOverrides;

const fewRequests = { queue: { depth: 6, waitSeconds: 60 }, alerts: { queueWaitSeconds: 0.5 } };
/** A server for each kind of fault. */
const values = [
  tiny('busy', {}, { ...fewRequests, objectives: { availablePercent: 90, firstTokenSeconds: 0.1 } }),
  tiny('down'),
  tiny('ill', { cache: { size: '64Mi', storageClass: 'sized' } }),
  tiny('broken'),
  tiny('stuck', {}, { keepAlive: '0' }),
  tiny('gpu', { resources: { gpu: 1, gpuMemoryMiB: 1000 }, costPerHour: 0.8 }),
  tiny('missing', {}, { pull: 'no-such-model:latest' }),
  { monitoring: { rules: { delivery: 'configMap' } } } satisfies ValuesOverrides,
].reduce((all, one) => mergeValues(all, one) as ValuesOverrides);
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

describe('on a real Prometheus', () => {
  const stack = new AsyncDisposableStack();
  let fleet: Fleet;
  let monitoring: Monitoring;
  let receiver: Awaited<ReturnType<typeof startReceiver>>;
  let exporter: FakeExporter;
  const heard = new Set<string>();
  let listening = true;

  const name = () => fleet.namespace.name;
  const kubectl = (...args: string[]) => fleet.namespace.kubectl(args);
  const inOllama = (model: string, command: string) =>
    kubectl('exec', `deployment/ollama-${model}`, '--container', 'ollama', '--', 'sh', '-c', command);
  const podOf = async (model: string) => (await fleet.pods(`ollama-${model}`))[0];

  /** Process ids, as the node numbers them, of the Ollama server of a pod. */
  const ollamaOf = async (model: string): Promise<string> => {
    const { uid } = (await podOf(model)).metadata;
    const find = `for p in $(grep -ls "${uid}" /proc/[0-9]*/cgroup); do p=\${p%/cgroup}; tr '\\0' ' ' <$p/cmdline | grep -q '^/bin/ollama serve' && echo \${p#/proc/}; done; true`;
    return (await runInNode(fleet.namespace.cluster.node, ['sh', '-c', find])).trim();
  };
  const signal = async (model: string, which: string) =>
    runInNode(fleet.namespace.cluster.node, ['kill', `-${which}`, await ollamaOf(model)]);

  /** Asks so many at a time until told to stop. */
  function load(model: string, clients: number): { stop(): Promise<void> } {
    let going = true;
    const client = async () => {
      while (going) await fleet.chat(model).catch(() => sleep(50));
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
    const { hostAddress, nodeAddress } = cluster.node.layout;
    process.stdout.write(`${nodeAddress}\n`);
    // As an administrator tells of a device that no plugin does: nothing is behind it, and Ollama finds no GPU.
    const capacity = [{ op: 'add', path: '/status/capacity/nvidia.com~1gpu', value: '1' }];
    await cluster.kubectl([
      'patch',
      'node',
      'node-1',
      '--subresource=status',
      '--type=json',
      '--patch',
      JSON.stringify(capacity),
    ]);
    stack.defer(async () => {
      const patch = JSON.stringify([{ op: 'remove', path: '/status/capacity/nvidia.com~1gpu' }]);
      await cluster.kubectl(['patch', 'node', 'node-1', '--subresource=status', '--type=json', '--patch', patch]);
    });
    receiver = stack.use(await startReceiver(hostAddress));
    exporter = stack.use(await startFakeExporter(hostAddress, {}));
    await fleet.deploy(values);
    const rules = await fleet.namespace.get('configmap', 'model-management-rules');
    monitoring = stack.use(
      await startMonitoring(cluster, {
        rules: Object.fromEntries(
          Object.entries(rules.data as Record<string, string>).map(([file, text]) => [file, hurried(text)]),
        ),
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

  it('has targets that answer, with the labels of release and server', async () => {
    const up = await fleet.namespace.until('all targets but the pod that downloads', 60, async () => {
      const found = await monitoring.query('up');
      const silent = found.filter(({ value }) => value[1] === '0').length;
      return silent <= 1 && found.length > 10 ? found : undefined;
    });
    const jobs = new Set(up.map(({ metric }) => metric.job));
    expect([...jobs].toSorted()).toEqual([
      'fake-exporter',
      'kube-state-metrics',
      'kubelet',
      'kubelet-cadvisor',
      'kubelet-probes',
      'pods',
    ]);
    const info = await monitoring.query('pod:server:info');
    const servers = info.map(({ metric }) => [metric.namespace, metric.release, metric.component, metric.server ?? '']);
    expect(servers.toSorted()).toEqual(
      [
        [name(), 'fleet', 'gateway', ''],
        ...[...ready, 'missing'].map((model) => [name(), 'fleet', 'server', `ollama-${model}`]),
      ].toSorted(),
    );
  });

  it('has runbooks whose commands run and whose questions are sound', async () => {
    const books = [...new Set(alerts.flatMap(({ rules }) => rules.map(({ alert }) => runbookOf(alert))))].map((book) =>
      readFileSync(path.join(root, `docs/runbooks/${book}.md`), 'utf8'),
    );
    const blocks = (language: string) => [
      ...new Set(
        books.flatMap((text) =>
          [...text.matchAll(new RegExp(`\`\`\`${language}\\n(.*?)\`\`\``, 'gs'))].flatMap(([, block]) =>
            block!.trim().split('\n'),
          ),
        ),
      ),
    ];
    const { env } = fleet.namespace.cluster;
    const here = (command: string) =>
      command.replaceAll('-n model-management ', `-n ${name()} `).replaceAll('ollama-llama', 'ollama-busy');
    const PATH = `${path.dirname(await tool('kubectl'))}:${env.PATH}`;
    for (const command of blocks('sh')) {
      const { status, stderr } = await output('sh', ['-c', here(command)], { env: { ...env, PATH } });
      expect({ command, status, stderr: status === 0 ? '' : stderr }).toEqual({ command, status: 0, stderr: '' });
    }
    for (const query of blocks('promql')) await monitoring.query(query);
  });

  it('fires every alert for its fault, and Alertmanager hears of it', async () => {
    const node = fleet.namespace.cluster.node;
    const stamp = (what: string) => process.stdout.write(`${new Date().toISOString()} ${what}\n`);
    stamp('faults');
    const busy = load('busy', 24);
    await kubectl('scale', 'deployment/ollama-down', '--replicas=0');
    await inOllama('ill', 'dd if=/dev/zero of=/models/fill bs=1M count=56 2>/dev/null');
    const [gateway] = await fleet.namespace.list('pods', 'app.kubernetes.io/component=gateway');
    const ill = (await podOf('ill')).status.podIP;
    // The kubelet gets through to it, the gateway does not.
    const chain = 'add table ip faults; add chain ip faults way { type filter hook forward priority 0; };';
    const rule = `add rule ip faults way ip saddr ${gateway.status.podIP} ip daddr ${ill} tcp dport 8080 reject with tcp reset`;
    await runInNode(node, ['nft', `${chain} ${rule}`]);
    const illLoad = load('ill', 2);
    Object.assign(exporter.samples, certificateOf(name(), 10));
    Object.assign(exporter.samples, gpuExporter(name(), (await podOf('gpu')).metadata.name, 97));

    const broken = (async () => {
      // Six hundred million bytes of seven, for a while.
      const hog = inOllama('broken', 'head -c 600000000 /dev/zero | tail -c 600000000 | sleep 40').catch(() => '');
      await untilFiring(60, 'ContainerMemoryHigh warning');
      await runInNode(node, ['sh', '-c', `echo 1000 > /proc/${await ollamaOf('broken')}/oom_score_adj`]);
      await inOllama('broken', 'tail /dev/zero').catch(() => '');
      await hog;
      await untilFiring(60, 'ContainerOutOfMemory warning');
      await fleet.untilReady('ollama-broken');
      await signal('broken', 'KILL');
      await untilFiring(60, 'ContainerRestarting warning');
    })();
    const stuck = (async () => {
      await sleep(60_000 - process.uptime() * 0);
      await signal('stuck', 'STOP');
      const asked = fleet.chat('stuck');
      await sleep(8500);
      await signal('stuck', 'CONT');
      await asked;
      await untilFiring(30, 'ModelLoadSlow warning');
      await inOllama('stuck', 'mv /models/blobs /models/away');
      await signal('stuck', 'KILL');
      await untilFiring(60, 'ModelLoadFailing warning', 'ModelNotLoaded warning');
      await inOllama('stuck', 'mv /models/away /models/blobs');
    })();
    await untilFiring(
      120,
      'ModelRequestsRejected warning',
      'ModelQueueWaitHigh warning',
      'ModelServerAtMaximum warning',
    );
    stamp('busy');
    await untilFiring(120, 'ModelServerDown critical', 'ModelReplicaEjected warning', 'ModelVolumeFilling warning');
    stamp('down, ejected, filling');
    await inOllama('ill', 'dd if=/dev/zero of=/models/more bs=1M 2>/dev/null; true');
    await kubectl('annotate', 'pod', (await podOf('ill')).metadata.name, 'prometheus.io/scrape-');
    Object.assign(exporter.samples, certificateOf(name(), 2));
    await untilFiring(60, 'ModelVolumeFilling critical', 'ModelServerMetricsMissing warning');
    stamp('full, missing');
    await Promise.all([broken, stuck]);
    stamp('broken, stuck');
    await signal('broken', 'STOP');
    await untilFiring(90, 'HealthChecksFailing warning');
    await signal('broken', 'CONT');
    stamp('health');
    await untilFiring(60, 'GpuUtilizationHigh warning', 'ModelOutsideGpu warning', 'ModelDownloadFailing warning');
    await untilFiring(60, 'GatewayCertificateExpiring warning', 'GatewayCertificateExpiring critical');
    await untilFiring(60, 'ModelErrorBudgetBurnsFast critical', 'ModelErrorBudgetBurnsSlowly warning');
    stamp('all');
    await Promise.all([busy.stop(), illLoad.stop()]);
  });

  it('records what every rule says', async () => {
    const records = [...new Set(recording.flatMap(({ rules }) => rules.map(({ record }) => record)))];
    const missing: string[] = [];
    for (const record of records) {
      const found = await monitoring.query(`count(last_over_time({__name__="${record}"}[10m]))`);
      if (found.length === 0) missing.push(record);
    }
    expect(missing).toEqual([]);
    const groups = (await monitoring.api('rules')).groups as {
      rules: { name: string; health: string; lastError?: string }[];
    }[];
    const unhealthy = groups.flatMap(({ rules }) => rules).filter(({ health }) => health !== 'ok');
    expect(unhealthy.map(({ name, lastError }) => `${name}: ${lastError}`)).toEqual([]);
  });

  it('resolves every alert when its fault is gone', async () => {
    const node = fleet.namespace.cluster.node;
    await runInNode(node, ['nft', 'delete table ip faults']);
    await inOllama('ill', 'rm -f /models/fill /models/more');
    await kubectl('annotate', 'pod', (await podOf('ill')).metadata.name, 'prometheus.io/scrape=true');
    await kubectl('scale', 'deployment/ollama-down', '--replicas=1');
    await kubectl('delete', 'deployment', 'ollama-gpu', 'ollama-missing', '--wait=false');
    Object.assign(exporter.samples, certificateOf(name(), 60));
    const good = load('busy', 1);
    const left = async () => [...(await firing())];
    await fleet.namespace.until('nothing to fire', 240, async () => (await left()).length === 0);
    await good.stop();
  });

  it('fires and resolves when no gateway is scraped', async () => {
    const [gateway] = await fleet.namespace.list('pods', 'app.kubernetes.io/component=gateway');
    await kubectl('annotate', 'pod', gateway.metadata.name, 'prometheus.io/scrape-');
    await untilFiring(30, 'GatewayMetricsMissing critical');
    await kubectl('annotate', 'pod', gateway.metadata.name, 'prometheus.io/scrape=true');
    await fleet.namespace.until('it to resolve', 30, async () => (await firing()).size === 0);
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
    expect([...told('resolved')]).toEqual(expect.arrayContaining(loud));
  });
});
