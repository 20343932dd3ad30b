import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Cluster } from '../../ci/cluster/cluster.ts';
import type { ExternalMetrics } from '../../ci/cluster/external-metrics.ts';
import { type FakeExporter, startFakeExporter } from '../../ci/cluster/fake-exporters.ts';
import { type Monitoring, prometheusUrl, startMonitoring } from '../../ci/cluster/monitoring.ts';
import { type Resource, testCluster } from '../../ci/cluster/testing.ts';
import { mergedValues, mergeValues, type ValuesOverrides } from '../../generator/environment.ts';
import { type Fleet, testFleet, tinyServer } from './fleet.ts';
import { hurriedFiles } from './rules/hurried.ts';

const scaled = { enabled: true };

/** Time of the day in UTC. */
const timeOf = (at: number) => new Date(at).toISOString().slice(11, 16);
const dayOf = (at: number) => (['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'] as const)[new Date(at).getUTCDay()]!;

/** The first full minute that is at least so many seconds away. */
const minuteAfter = (seconds: number) => Math.ceil((Date.now() + seconds * 1000) / 60_000) * 60_000;

const began = Date.now();
const seconds = (from: number, to = Date.now()) => ((to - from) / 1000).toFixed(1);
const say = (words: string) => console.log(`[${seconds(began)} s] ${words}`);

/** Paces as autoscaling/v2 has them, for those who take pods away at once. */
export const hasty = {
  scaleDown: { stabilizationWindowSeconds: 10, policies: [{ type: 'Percent', value: 100, periodSeconds: 5 }] },
};

/** Who brings what Prometheus records to autoscalers. */
export interface Engine {
  /** Values of the release, with the address of Prometheus. */
  values(prometheus: string): ValuesOverrides['autoscaling'];
  /** What there has to be before the release. */
  prepare?(cluster: Cluster): Promise<AsyncDisposable>;
  start(cluster: Cluster, prometheus: string): Promise<ExternalMetrics>;
  /** How the autoscaler of a server is called. */
  autoscaler(server: string): string;
  /** What to change, and how, for a server to lose pods within seconds. */
  hasten: { kind: string; spec: object };
}

/**
 * Tests of real autoscalers with a real Prometheus and Ollama, the same whoever brings the metrics. What takes minutes takes seconds
 * here: times in rules are a sixtieth, and autoscalers wait for ten seconds instead of five minutes before they take pods away.
 */
export function scalesOnDemand(engine: Engine): void {
  const stack = new AsyncDisposableStack();
  let fleet: Fleet;
  let monitoring: Monitoring;
  let metrics: ExternalMetrics;
  /** Stands for a forecaster. */
  let exporter: FakeExporter;
  const failures: string[] = [];
  let answered = 0;

  const ask = async (model: string) => {
    try {
      await fleet.chat(model);
      answered++;
    } catch (error) {
      failures.push(`${model}: ${(error as Error).message}`);
    }
  };

  /** Asks with so many clients at a time until it is told to stop. */
  function burst(model: string, clients: number): { stop(): Promise<void> } {
    let on = true;
    const client = async () => {
      while (on) await ask(model);
    };
    const all = Promise.all(Array.from({ length: clients }, client));
    return {
      stop: async () => {
        on = false;
        await all;
      },
    };
  }

  const deployment = (server: string) => fleet.namespace.get('deployment', server);
  const replicas = async (server: string): Promise<number> => (await deployment(server)).spec.replicas;
  const wanted = async (signal: string, server: string) => {
    const [sample] = await monitoring.query(`server:${signal}:replicas{server="${server}"}`);
    return sample && Number(sample.value[1]);
  };
  const until = (what: string, time: number, check: () => Promise<unknown>) => fleet.namespace.until(what, time, check);
  const untilReplicas = (server: string, count: number, time: number) =>
    until(`${server} to have ${count} pods`, time, async () => (await replicas(server)) === count);
  const condition = async (server: string, type: string): Promise<Resource> =>
    (await fleet.namespace.get('hpa', engine.autoscaler(server))).status?.conditions?.find(
      (one: Resource) => one.type === type,
    );

  /** Requests that a pod has answered. */
  const answeredBy = async (pod: Resource) => {
    const text = await (await fetch(`http://${pod.status.podIP}:9090/metrics`)).text();
    const counts = [...text.matchAll(/^model_request_total\{.*status="2xx".*\} (\d+)$/gm)];
    return counts.reduce((sum, [, count]) => sum + Number(count), 0);
  };

  const edge = minuteAfter(120);
  const values = mergedValues(
    tinyServer('elastic', { replicas: { min: 1, max: 3 }, ollama: { parallel: 2 }, autoscaling: scaled }),
    tinyServer('zero', { replicas: { min: 0, max: 1 }, autoscaling: scaled }),
    tinyServer('timed', {
      replicas: { min: 1, max: 2 },
      autoscaling: {
        ...scaled,
        schedule: { soon: { days: [dayOf(edge)], from: timeOf(edge), to: timeOf(edge + 3_600_000), min: 2 } },
      },
    }),
    { autoscaling: { signals: 'demand' }, monitoring: { rules: { delivery: 'configMap' } } } satisfies ValuesOverrides,
  );
  const servers = ['ollama-elastic', 'ollama-zero', 'ollama-timed'];

  /** When the floor of `timed` was seen to move. */
  let moved: Promise<number>;

  beforeAll(async () => {
    const cluster = await testCluster();
    if (engine.prepare) stack.use(await engine.prepare(cluster));
    fleet = stack.use(await testFleet());
    const { namespace } = fleet;
    const autoscaling = engine.values(prometheusUrl(cluster.node.layout));
    await fleet.deploy(mergeValues(values, { autoscaling }) as ValuesOverrides);
    const { kind, spec } = engine.hasten;
    for (const server of servers) {
      await namespace.kubectl(['patch', kind, server, '--type=merge', `--patch=${JSON.stringify({ spec })}`]);
    }
    exporter = stack.use(await startFakeExporter(namespace.cluster.node.layout.hostAddress, {}));
    const rules = await namespace.get('configmap', 'model-management-rules');
    monitoring = stack.use(
      await startMonitoring(namespace.cluster, {
        rules: hurriedFiles(rules.data),
        namespaces: [namespace.name],
        targets: { 'fake-forecaster': exporter.target },
        seconds: 1,
      }),
    );
    await fleet.untilGateway();
    await until('what is recorded of all servers', 60, async () => (await wanted('load', 'ollama-zero')) !== undefined);
    metrics = stack.use(await engine.start(namespace.cluster, monitoring.prometheus));
    await Promise.all(['ollama-elastic', 'ollama-timed'].map((server) => fleet.untilReady(server, 1, 180)));
    say(`ready, ${seconds(Date.now(), edge)} s before the edge of the schedule`);
    expect([await replicas('ollama-timed'), await wanted('schedule', 'ollama-timed')]).toEqual([1, 1]);
    moved = until(
      'the floor to move',
      300,
      async () => (await replicas('ollama-timed')) === 2 && Date.now(),
    ) as Promise<number>;
    moved.catch(() => {});
  });
  afterAll(() => stack.disposeAsync());

  it('have more pods within 30 seconds of a burst, which take requests, and fewer when it is over', async () => {
    const start = Date.now();
    const load = burst('elastic', 8);
    await until('the signal', 30, async () => ((await wanted('load', 'ollama-elastic')) ?? 0) > 1);
    const signal = Date.now();
    await until('more pods', 60, async () => (await replicas('ollama-elastic')) > 1);
    const raised = Date.now();
    say(`burst: signal after ${seconds(start, signal)} s, more pods ${seconds(signal, raised)} s later`);
    expect(raised - signal).toBeLessThan(30_000);
    const pods = await fleet.untilReady('ollama-elastic', 3, 120);
    say(`burst: three pods ready ${seconds(signal)} s after the signal`);
    await until('each pod to answer', 60, async () => {
      const counts = await Promise.all(pods.map(answeredBy));
      return counts.every((count) => count > 0);
    });
    say(`burst: each has answered ${seconds(signal)} s after the signal`);
    await load.stop();
    const over = Date.now();
    await untilReplicas('ollama-elastic', 1, 120);
    say(`burst: one pod again ${seconds(over)} s after its end`);
    expect(failures).toEqual([]);
  });

  it('have no pod while nobody asks, where they may, and one for the first request, which is answered', async () => {
    await untilReplicas('ollama-zero', 0, 120);
    await until('no pod', 60, async () => (await fleet.pods('ollama-zero')).length === 0);
    const start = Date.now();
    await ask('zero');
    say(`zero: the first request was answered after ${seconds(start)} s`);
    expect(await replicas('ollama-zero')).toBe(1);
    const over = Date.now();
    await untilReplicas('ollama-zero', 0, 120);
    say(`zero: no pod again ${seconds(over)} s later`);
    expect(failures).toEqual([]);
  });

  it('have the pods that a forecast asks for before anybody does, as long as it is trusted', async () => {
    const of = `{namespace="${fleet.namespace.name}",release="fleet",component="forecaster",server="ollama-elastic"}`;
    const forecast = (trusted: number) =>
      Object.assign(exporter.samples, {
        [`server_forecast_replicas${of}`]: 2,
        [`server_forecast_trusted${of}`]: trusted,
      });
    forecast(1);
    const start = Date.now();
    await untilReplicas('ollama-elastic', 2, 30);
    say(`forecast: two pods wanted ${seconds(start)} s after it`);
    forecast(0);
    const over = Date.now();
    await untilReplicas('ollama-elastic', 1, 60);
    say(`forecast: one pod again ${seconds(over)} s after it was trusted no more`);
  });

  it('have the pods that their schedule asks for, from its edge on', async () => {
    const late = ((await moved) - edge) / 1000;
    say(`schedule: the floor moved ${late.toFixed(1)} s after the edge`);
    expect(late).toBeGreaterThan(0);
    expect(late).toBeLessThan(30);
    await fleet.untilReady('ollama-timed', 2, 120);
    expect(await wanted('schedule', 'ollama-timed')).toBe(2);
  });

  it('are no fault for as long as all goes well, also where they have no pod', async () => {
    expect(await replicas('ollama-zero')).toBe(0);
    expect(await monitoring.query('ALERTS{alertname="AutoscalingMetricsMissing"}')).toEqual([]);
  });

  it.each([
    ['what brings the metrics', () => metrics.end()],
    ['Prometheus', () => monitoring.endPrometheus()],
  ])('keep their pods when %s ends in the middle of a burst', async (what, end) => {
    const load = burst('elastic', 8);
    await fleet.untilReady('ollama-elastic', 3, 180);
    await end();
    await until('the autoscaler to notice', 60, async () => {
      return (await condition('ollama-elastic', 'ScalingActive'))?.status === 'False';
    });
    await load.stop();
    // Twice as long as they take to go otherwise.
    const seen = new Set<number>();
    for (const deadline = Date.now() + 30_000; Date.now() < deadline; await sleep(1000)) {
      seen.add(await replicas('ollama-elastic'));
    }
    expect([...seen]).toEqual([3]);
    say(
      `hold: without ${what} three pods stayed for half a minute: ${(await condition('ollama-elastic', 'ScalingActive')).reason}`,
    );
    if (what !== 'Prometheus') {
      const alert = 'ALERTS{alertname="AutoscalingMetricsMissing",alertstate="firing",server="ollama-elastic"}';
      expect(await monitoring.query(alert)).toHaveLength(1);
      metrics = stack.use(await engine.start(fleet.namespace.cluster, monitoring.prometheus));
      await untilReplicas('ollama-elastic', 1, 120);
    }
    expect(failures).toEqual([]);
    say(`${answered} requests answered so far, ${failures.length} failed`);
  });
}
