import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startFakeExporter } from '../../ci/cluster/fake-exporters.ts';
import { offerFakeGpus } from '../../ci/cluster/fake-gpus.ts';
import { nodeName } from '../../ci/cluster/layout.ts';
import { type Monitoring, startMonitoring } from '../../ci/cluster/monitoring.ts';
import { chartFolder } from '../../ci/testing/chart.ts';
import { root } from '../../ci/tools/paths.ts';
import { output } from '../../ci/tools/run.ts';
import { tool } from '../../ci/tools/tools.ts';
import { mergedValues, mergeValues, type ValuesOverrides } from '../../generator/environment.ts';
import { alerts } from '../../generator/monitoring/alerts.ts';
import { labelOfMetric, spotLabels } from '../../generator/monitoring/nodes.ts';
import { recording } from '../../generator/monitoring/recording.ts';
import { runbookOf } from '../../generator/monitoring/rules.ts';
import { type Fleet, testFleet, tinyServer } from './fleet.ts';
import { hurriedFiles } from './rules/hurried.ts';

const servers = ['plain', 'gpu'];
const values = mergedValues(
  tinyServer('plain', { costPerHour: 0.2 }),
  // Unloaded at once, so that there are loads and unloads to tell of.
  mergeValues(
    tinyServer('gpu', { resources: { gpu: 1, gpuMemoryMiB: 1000 }, costPerHour: 0.8, startup: { loadSeconds: 10 } }),
    {
      models: { gpu: { keepAlive: '0' } },
    },
  ) as ValuesOverrides,
  {
    // Volumes of another class have the room that the disk of this machine has, which may fill up meanwhile.
    serverDefaults: { cache: { storageClass: 'sized' } },
    monitoring: { rules: { delivery: 'configMap' }, plannedCost: { onDemand: { minimum: 1 }, spot: { minimum: 0.5 } } },
    // It never runs: what it would tell is told below.
    backup: { enabled: true, existingSecret: 'none', schedule: '@yearly' },
  } satisfies ValuesOverrides,
);

/** What has nothing to say of a fleet that is well: nothing was refused or unloaded. */
const silentWhenWell = {
  records: [
    'model_reason:rejections:rate5m',
    'model:rejections:ratio_increase5m',
    // No server is scaled on demand.
    'server:schedule:replicas',
  ],
  panels: [
    'Rejected requests',
    'Loads and unloads: unload, {{reason}}',
    'Alerts',
    'Replicas against demand and forecast: scheduled',
  ],
};

describe('on a real Prometheus, with rules in a hurry', () => {
  const stack = new AsyncDisposableStack();
  let fleet: Fleet;
  let monitoring: Monitoring;
  const name = () => fleet.namespace.name;

  const stream = async (model: string) => {
    const body = JSON.stringify({ model, messages: [{ role: 'user', content: 'hello' }], options: { num_predict: 8 } });
    const answer = await fetch(`${await fleet.address()}/api/chat`, { method: 'POST', body });
    await answer.text();
  };

  beforeAll(async () => {
    fleet = stack.use(await testFleet());
    const { cluster } = fleet.namespace;
    stack.use(await offerFakeGpus(cluster, 1));
    const labelNode = (labels: string[]) => cluster.kubectl(['label', 'node', nodeName, ...labels]);
    await labelNode(Object.entries(spotLabels).map(([label, value]) => `${label}=${value}`));
    stack.defer(async () => {
      await labelNode(Object.keys(spotLabels).map((label) => `${label}-`));
    });
    const exporter = stack.use(await startFakeExporter(cluster.node.layout.hostAddress, {}));
    await fleet.deploy(values);
    const status = { succeeded: Math.floor(Date.now() / 1000), bytes: 1000, copies: 1 };
    const patch = JSON.stringify({ data: { 'status.json': JSON.stringify(status) } });
    await fleet.namespace.kubectl(['patch', 'configmap', 'model-management-backup-status', '--patch', patch]);
    await Promise.all([...servers.map((model) => fleet.untilReady(`ollama-${model}`, 1, 180)), fleet.untilGateway()]);
    const [pod] = await fleet.pods('ollama-gpu');
    const of = `namespace="${name()}",pod="${pod.metadata.name}"`;
    const shares = `{${of},container="ollama",node="node-1"}`;
    exporter.samples = {
      [`DCGM_FI_DEV_GPU_UTIL{${of},gpu="0"}`]: 40,
      [`container_cpu_allocation${shares}`]: 0.2,
      [`container_memory_allocation_bytes${shares}`]: 2 ** 30,
      [`container_gpu_allocation${shares}`]: 1,
      'node_cpu_hourly_cost{node="node-1"}': 0.03,
      'node_ram_hourly_cost{node="node-1"}': 0.004,
      'node_gpu_hourly_cost{node="node-1"}': 0.5,
    };
    // One that has something to say has been learning for days.
    const forecast = `namespace="${name()}",release="fleet",component="forecaster",server="ollama-gpu"`;
    Object.assign(exporter.samples, {
      [`server_forecast_replicas{${forecast}}`]: 0.8,
      [`server_forecast_expected_replicas{${forecast}}`]: 0.6,
      [`server_forecast_trusted{${forecast}}`]: 1,
      [`server_forecast_loss_replicas{${forecast},by="forecast"}`]: 0.01,
      [`server_forecast_loss_replicas{${forecast},by="reactive"}`]: 0.02,
      [`server_forecast_horizon_seconds{${forecast}}`]: 1200,
      [`server_forecast_start_seconds{${forecast},source="budget"}`]: 300,
    });
    const rules = await fleet.namespace.get('configmap', 'model-management-rules');
    monitoring = stack.use(
      await startMonitoring(cluster, {
        rules: hurriedFiles(rules.data),
        namespaces: [name()],
        targets: { 'fake-exporter': exporter.target },
        seconds: 1,
      }),
    );
    const end = Date.now() + 90_000;
    const client = async (pause: number, ask: () => Promise<unknown>) => {
      while (Date.now() < end) await ask().then(() => sleep(pause));
    };
    await Promise.all([
      client(300, () => fleet.chat('plain')),
      // It is unloaded after a second without requests.
      client(2500, () => fleet.chat('gpu').then(() => stream('gpu'))),
    ]);
  });
  afterAll(() => stack.disposeAsync());

  it('has targets that answer, with the labels of release and server', async () => {
    const up = await fleet.namespace.until('all targets', 60, async () => {
      const found = await monitoring.query('up');
      return found.length >= 8 && found.every(({ value }) => value[1] === '1') ? found : undefined;
    });
    expect([...new Set(up.map(({ metric }) => metric.job))].toSorted()).toEqual([
      'fake-exporter',
      'kube-state-metrics',
      'kubelet',
      'kubelet-cadvisor',
      'kubelet-probes',
      'pods',
    ]);
    const info = await monitoring.query('pod:server:info');
    expect(
      info.map(({ metric }) => [metric.namespace, metric.release, metric.component, metric.server ?? '']).toSorted(),
    ).toEqual(
      [
        [name(), 'fleet', 'gateway', ''],
        ...servers.map((model) => [name(), 'fleet', 'server', `ollama-${model}`]),
      ].toSorted(),
    );
  });

  it('can evaluate every rule, and none of the alerts fires for a fleet that is well', async () => {
    const groups = (await monitoring.api('rules')).groups as {
      rules: { name: string; type: string; health: string; lastError?: string }[];
    }[];
    const rules = groups.flatMap(({ rules }) => rules);
    const count = (all: readonly { rules: readonly unknown[] }[]) => all.flatMap((group) => group.rules).length;
    expect(rules.filter(({ type }) => type === 'alerting')).toHaveLength(count(alerts));
    expect(rules.filter(({ health }) => health !== 'ok').map(({ name, lastError }) => `${name}: ${lastError}`)).toEqual(
      [],
    );
    const firing = await monitoring.query('ALERTS{alertstate="firing"}');
    // Its GPU is a fake: what is said to run on one runs on the CPU.
    expect(firing.map(({ metric }) => metric.alertname).filter((alert) => alert !== 'ModelOutsideGpu')).toEqual([]);
  });

  it('has something to say by every recording rule', async () => {
    const records = new Set(recording.flatMap(({ rules }) => rules.map(({ record }) => record)));
    const silent: string[] = [];
    for (const record of records) {
      if ((await monitoring.query(`last_over_time(${record}[5m])`)).length === 0) silent.push(record);
    }
    expect(silent.filter((record) => !silentWhenWell.records.includes(record))).toEqual([]);
  });

  it('knows spot nodes by the labels of every cloud', async () => {
    const [node] = await monitoring.query('kube_node_labels');
    expect(node!.metric).toMatchObject(
      Object.fromEntries(Object.entries(spotLabels).map(([label, value]) => [labelOfMetric(label), value])),
    );
    const shares = await monitoring.query('server:pods_on_spot:ratio');
    expect(shares.map(({ metric, value }) => [metric.server, value[1]]).toSorted()).toEqual(
      servers.map((model) => [`ollama-${model}`, '1']).toSorted(),
    );
  });

  it('answers what every panel of the dashboards asks', async () => {
    const folder = path.join(chartFolder, 'files/dashboards');
    const silent: string[] = [];
    for (const file of readdirSync(folder)) {
      const { panels } = JSON.parse(readFileSync(path.join(folder, file), 'utf8'));
      for (const { title, targets = [] } of panels) {
        for (const { expr, legendFormat } of targets) {
          const asked = expr
            .replaceAll('$namespace', name())
            .replaceAll('$release', 'fleet')
            .replaceAll('$model', 'gpu')
            .replaceAll('$server', '.+');
          // What it has shown since the load began.
          if ((await monitoring.query(`last_over_time((${asked})[3m:1s])`)).length === 0)
            silent.push(`${title}: ${legendFormat ?? ''}`);
        }
      }
    }
    expect(silent.filter((panel) => !silentWhenWell.panels.some((known) => panel.startsWith(known)))).toEqual([]);
  });

  it('has runbooks, and a page of operations, whose commands run and whose questions are sound', async () => {
    const runbooks = new Set(alerts.flatMap(({ rules }) => rules.map(({ alert }) => `runbooks/${runbookOf(alert)}`)));
    const books = [...runbooks, 'operations'].map((book) => readFileSync(path.join(root, `docs/${book}.md`), 'utf8'));
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
      command.replaceAll('-n model-management ', `-n ${name()} `).replaceAll('ollama-llama', 'ollama-plain');
    const PATH = `${path.dirname(await tool('kubectl'))}:${env.PATH}`;
    const commands = blocks('sh').filter((command) => command.startsWith('kubectl '));
    expect(commands.length).toBeGreaterThan(30);
    for (const command of commands) {
      const { status, stderr } = await output('sh', ['-c', here(command)], { env: { ...env, PATH } });
      expect({ command, status, stderr: status === 0 ? '' : stderr }).toEqual({ command, status: 0, stderr: '' });
    }
    for (const query of blocks('promql')) await monitoring.query(query);
  });
});
