import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startExternalMetrics } from '../../ci/cluster/external-metrics.ts';
import { type Monitoring, startMonitoring } from '../../ci/cluster/monitoring.ts';
import { isReady } from '../../ci/cluster/testing.ts';
import type { PastSeries } from '../../ci/testing/prometheus.ts';
import { mergedValues, type ValuesOverrides } from '../../generator/environment.ts';
import type { FleetEvent } from '../../service/gateway/status/view.ts';
import { randomFrom } from '../../service/testing/fake-demand.ts';
import { type Fleet, testFleet, tinyServer } from './fleet.ts';
import { hurriedFiles } from './rules/hurried.ts';

const server = 'ollama-elastic';
const minute = 60;
const day = 86_400;

/** Days of which Prometheus has recorded demand in bins of a minute: next to nothing, and a peak that begins at the same time each day. */
function dailyPeaks(labels: Record<string, string>, until: number, peakAt: number): PastSeries {
  const random = randomFrom(1);
  const days = 4;
  const end = Math.floor(until / minute) * minute;
  const samples = Array.from({ length: (days * day) / minute }, (_, index) => {
    const at = end - days * day + index * minute;
    const sincePeak = (((at - peakAt) % day) + day) % day;
    return [at + 30, (sincePeak < 40 * minute ? 1.8 : 0.1) + 0.05 * random()] as const;
  });
  // The minute that has begun is known from then on by what is scraped.
  return { name: 'server:demand:replicas', labels, samples: samples.filter(([at]) => at < until) };
}

const began = Date.now();
const say = (words: string) => console.log(`[${((Date.now() - began) / 1000).toFixed(1)} s] ${words}`);

/** A real forecaster on a real Prometheus with a history that was written down for it, and a real autoscaler that gets what it says. */
describe('a forecaster', () => {
  const stack = new AsyncDisposableStack();
  let fleet: Fleet;
  let monitoring: Monitoring;
  /** When the peak is due, in Unix seconds. */
  let peakAt: number;

  const until = (what: string, time: number, check: () => Promise<unknown>) => fleet.namespace.until(what, time, check);
  const replicas = async (): Promise<number> => (await fleet.namespace.get('deployment', server)).spec.replicas;
  const value = async (expr: string) => {
    const [sample] = await monitoring.query(expr);
    return sample && Number(sample.value[1]);
  };
  const recorded = (signal: string) => value(`server:${signal}:replicas{server="${server}"}`);

  beforeAll(async () => {
    fleet = stack.use(await testFleet());
    const { namespace } = fleet;
    const { layout } = namespace.cluster.node;
    const values = mergedValues(
      tinyServer('elastic', {
        replicas: { min: 1, max: 2 },
        ollama: { parallel: 2 },
        autoscaling: { enabled: true },
        startup: { downloadSeconds: 60, loadSeconds: 60 },
      }),
      {
        autoscaling: { signals: 'demand', prometheusUrl: `http://${layout.nodeAddress}:9090` },
        forecaster: { enabled: true, binMinutes: 1, resources: { cpu: '20m', memory: '192Mi' } },
        monitoring: { rules: { delivery: 'configMap' } },
      } satisfies ValuesOverrides,
    );
    await fleet.deploy(values);
    const scaleDown = { stabilizationWindowSeconds: 10, policies: [{ type: 'Percent', value: 100, periodSeconds: 5 }] };
    const patch = JSON.stringify({ spec: { behavior: { scaleDown } } });
    await namespace.kubectl(['patch', 'hpa', server, '--type=merge', `--patch=${patch}`]);
    await Promise.all([fleet.untilReady(server, 1, 180), fleet.untilGateway()]);
    const rules = await namespace.get('configmap', 'model-management-rules');
    const now = Date.now() / 1000;
    peakAt = Math.ceil((now + 170) / minute) * minute;
    const labels = { namespace: namespace.name, release: 'fleet', server };
    monitoring = stack.use(
      await startMonitoring(namespace.cluster, {
        rules: hurriedFiles(rules.data),
        namespaces: [namespace.name],
        seconds: 1,
        past: [dailyPeaks(labels, now, peakAt)],
      }),
    );
    await until('what is recorded', 60, async () => (await recorded('load')) !== undefined);
    stack.use(await startExternalMetrics(namespace.cluster, monitoring.prometheus));
    say(`ready, ${(peakAt - Date.now() / 1000).toFixed(0)} s before the peak`);
  });
  afterAll(() => stack.disposeAsync());

  const forecaster = async () =>
    (await fleet.namespace.list('pods', 'app.kubernetes.io/component=forecaster')).filter(
      (pod) => !pod.metadata.deletionTimestamp,
    );

  it('that is trusted has pods started before the peak of every day begins, while nobody asks', async () => {
    await until('the history to be read', 60, async () => (await forecaster()).every(isReady));
    const of = `{server="${server}"}`;
    await until('trust', 90, async () => (await value(`server_forecast_trusted${of}`)) === 1);
    await until('a measured start', 120, async () =>
      value(`server_forecast_start_seconds{server="${server}",source="measured"}`),
    );
    const horizon = await value(`server_forecast_horizon_seconds${of}`);
    say(`trusted, with a horizon of ${horizon} s`);
    await until('more pods', 300, async () => (await replicas()) === 2);
    const ahead = peakAt - Date.now() / 1000;
    say(`two pods wanted ${ahead.toFixed(1)} s before the peak`);
    expect(ahead).toBeGreaterThan(0);
    // It was the forecast, and it did not say so all the time.
    expect(await recorded('load')).toBeLessThan(1);
    expect(await recorded('forecast')).toBeGreaterThan(1);
    expect(await value(`min_over_time(server_forecast_replicas${of}[10m])`)).toBeLessThan(1);
    const page = (await (await fetch(`${await fleet.address()}/ui/data/fleet`)).json()) as FleetEvent;
    expect(page.servers[0]!.forecast).toMatchObject({ minutes: horizon! / 60, replicas: expect.any(Number) });
    await fleet.untilReady(server, 2, 120);
    const left = peakAt - Date.now() / 1000;
    say(`two pods ready ${left.toFixed(1)} s before the peak`);
  });

  it('that is gone leaves what is scaled to the load, and no request is lost by it', async () => {
    const failures: string[] = [];
    let answered = 0;
    let on = true;
    const client = async () => {
      while (on) {
        await fleet.chat('elastic').then(
          () => answered++,
          (error: Error) => failures.push(error.message),
        );
      }
    };
    const clients = Promise.all(Array.from({ length: 6 }, client));
    await until('the load', 60, async () => ((await recorded('load')) ?? 0) > 1);
    await fleet.namespace.kubectl(['scale', 'deployment', 'model-management-forecaster', '--replicas=0']);
    await until('the forecast to be gone', 60, async () => (await recorded('forecast')) === 0);
    const seen = new Set<number>();
    for (const deadline = Date.now() + 20_000; Date.now() < deadline; await sleep(1000)) seen.add(await replicas());
    expect([...seen]).toEqual([2]);
    on = false;
    await clients;
    await until('one pod again', 90, async () => (await replicas()) === 1);
    say(`${answered} requests answered, ${failures.length} failed`);
    expect(answered).toBeGreaterThan(10);
    expect(failures).toEqual([]);
  });
});
