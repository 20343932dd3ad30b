import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Past, pastServer, recordPast } from '../../bench/autoscaling/past.ts';
import type { ForecasterConfig } from '../../schema/config.ts';
import { createLogger } from '../shared/logging.ts';
import { until } from '../testing/client.ts';
import { fakeDays } from '../testing/fake-demand.ts';
import { Forecaster } from './forecaster.ts';
import { Forecasts } from './forecasts.ts';
import { binsAtATime } from './history.ts';
import { ForecasterMetrics } from './metrics.ts';
import { Prometheus } from './prometheus.ts';
import { historyBins, settingsOf } from './server.ts';

const binsPerDay = 144;
const binSeconds = 600;
const days = 9;
/** The last hours have not come yet when a test begins. */
const later = 30;
const demand = fakeDays({ days, binsPerDay, seed: 3 }).map((requests) => requests / 10);
// On the second day nothing was known for two hours.
demand.fill(Number.NaN, 200, 212);
const known = demand.slice(0, -later);

const quantile = 0.9;
const target = 0.7;

/** What the code says that is given the same demand without a Prometheus. */
function fastPath(values: readonly number[], startSeconds: number) {
  const forecaster = new Forecaster(settingsOf({ binSeconds, quantile }, target, startSeconds));
  // Of the days before the first nothing is known.
  const before = new Array<number>(historyBins({ binSeconds, quantile }) - known.length).fill(Number.NaN);
  return [...before, ...values].map((value) => forecaster.push(value)).at(-1)!;
}

describe('forecasts from what a real Prometheus recorded by the rules of the chart', () => {
  let past: Past;
  let config: ForecasterConfig;
  let end: number;

  beforeAll(async () => {
    past = await recordPast(demand, binSeconds);

    end = past.end - later * binSeconds;
    const server = { deployment: `x-${pastServer}`, target, startSeconds: 1100 };
    config = {
      ...past.of,
      ...{ prometheusUrl: past.prometheus.url, quantile, tolerance: 0.1, logLevel: 'error' },
      servers: { [pastServer]: server, unknown: { ...server, deployment: 'x-unknown' } },
    };
  }, 240_000);
  afterAll(() => past[Symbol.asyncDispose]());

  /** Forecasts under a clock of the test's own, which looks at it all the time. */
  function forecasts(now: () => number, of = config): Forecasts & Disposable {
    const timing = { now, sleep: (_: number, signal: AbortSignal) => sleep(10, undefined, { signal }) };
    const all = new Forecasts(of, createLogger('test', 'error'), { ...timing, retry: { firstMs: 1, longestMs: 1 } });
    return Object.assign(all, { [Symbol.dispose]: () => all.close() });
  }
  const stateOf = (all: Forecasts, server: string) => all.states().find((state) => state.server === server)!;

  it('read demand in the bins that it was in, and none where there was none', async () => {
    expect(demand.length).toBeGreaterThan(2 * binsAtATime);
    const bins = await past.read();
    expect(bins).toHaveLength(demand.length);
    const rounded = (pods: number) => Number(pods.toFixed(9));
    expect(bins.map(rounded)).toEqual(demand.map(rounded));
  });

  it('agree with the code that is given the demand itself, at the start and bin by bin from then on', async () => {
    let seconds = end + 15;
    using all = forecasts(() => seconds);
    await until(() => all.lastBin === end, 30_000);
    for (let bin = 0; bin < later; bin++) {
      const fast = fastPath(demand.slice(0, known.length + bin), 1100);
      const { replicas, expected, silent, loss } = stateOf(all, pastServer);
      expect(silent).toBe(fast.silent);
      expect(expected).toBeCloseTo(fast.expected!, 9);
      // More by what autoscalers tolerate.
      expect(replicas).toBeCloseTo(1.1 * fast.demand!, 9);
      expect(loss.forecast).toBeCloseTo(fast.loss.forecast, 9);
      expect(loss.reactive).toBeCloseTo(fast.loss.reactive, 9);
      seconds += binSeconds;
      await until(() => all.lastBin === end + (bin + 1) * binSeconds);
    }
    expect(stateOf(all, 'unknown')).toMatchObject({ replicas: undefined, silent: 'demand is unknown' });
  });

  it('look ahead as far as starts of pods take that were measured, and as far as the budget where none was', async () => {
    using all = forecasts(() => end + 15);
    await until(() => all.lastBin === end, 30_000);
    expect(stateOf(all, pastServer)).toMatchObject({
      horizonSeconds: 3 * binSeconds,
      start: { seconds: 1100, measured: false },
    });
    const { namespace, release } = past.of;
    const starts = Array.from({ length: 11 }, (_, i) => {
      const labels = { namespace, release, server: pastServer, pod: `pod-${i}` };
      // One was not ready for a while, and one took longer than the others.
      const took = i === 10 ? [5000, 5000] : i === 9 ? [400, 6000] : [400, 400];
      const samples = took.map((seconds, hour) => [end - 7200 + 3600 * hour, seconds] as const);
      return { name: 'pod:start:seconds', labels, samples };
    });
    await past.prometheus.backFill(starts);
    using measured = forecasts(() => end + 15);
    await until(() => measured.lastBin === end, 30_000);
    const { horizonSeconds, start, replicas } = stateOf(measured, pastServer);
    expect(start).toEqual({ seconds: 400, measured: true });
    expect(horizonSeconds).toBe(2 * binSeconds);
    expect(replicas).toBeCloseTo(1.1 * fastPath(known, 400).demand!, 9);
  });

  it('say nothing any more while Prometheus is away, and go on by themselves when it is back', async () => {
    let seconds = end + 15;
    using all = forecasts(() => seconds);
    const metrics = new ForecasterMetrics(all);
    const said = async () =>
      (await metrics.registry.metrics()).split('\n').filter((line) => /^(server_|forecaster_)/.test(line));
    await until(() => all.lastBin === end, 30_000);
    const of = (metric: string) => new RegExp(`^${metric}\\{server="${pastServer}"\\} `);
    const value = (lines: string[], metric: string) =>
      Number(
        lines
          .find((line) => of(metric).test(line))
          ?.split(' ')
          .at(-1),
      );
    const lines = await said();
    expect(value(lines, 'server_forecast_trusted')).toBe(1);
    expect(value(lines, 'server_forecast_replicas')).toBeCloseTo(
      1.1 * fastPath(known, all.states()[0]!.start.seconds).demand!,
      9,
    );
    expect(lines.filter((line) => line.startsWith('server_forecast_loss_replicas'))).toHaveLength(2);
    expect(lines).toContain('server_forecast_trusted{server="unknown"} 0');
    expect(lines).toContain('server_forecast_silent{server="unknown",reason="demand is unknown"} 1');
    expect(lines).toContain(`forecaster_last_bin_timestamp_seconds ${end}`);

    expect(all.status().servers).toEqual({
      [`x-${pastServer}`]: { replicas: stateOf(all, pastServer).replicas, horizonSeconds: expect.any(Number) },
      'x-unknown': { silent: 'demand is unknown' },
    });

    await past.prometheus.stop();
    seconds += binSeconds;
    await until(() => all.problem !== '');
    // What it said holds a minute longer than its bin.
    expect(value(await said(), 'server_forecast_trusted')).toBe(1);
    seconds += 60;
    const stale = await said();
    expect(value(stale, 'server_forecast_trusted')).toBe(0);
    expect(stale.filter((line) => /^server_forecast_(expected_)?replicas/.test(line))).toEqual([]);
    expect(stale).toContain(`server_forecast_silent{server="${pastServer}",reason="Prometheus does not answer"} 1`);
    expect(all.problem).toContain(`${past.prometheus.url}: `);

    seconds += 2 * binSeconds;
    await past.prometheus.resume();
    await until(() => all.lastBin === end + 3 * binSeconds, 30_000);
    expect(all.problem).toBe('');
    const { expected } = stateOf(all, pastServer);
    const { seconds: start } = stateOf(all, pastServer).start;
    expect(expected).toBeCloseTo(fastPath(demand.slice(0, known.length + 3), start).expected!, 9);
  });

  it('keep what they said under another configuration until history was read anew', async () => {
    const seconds = end + 15;
    using all = forecasts(() => seconds);
    await until(() => all.lastBin === end, 30_000);
    const before = stateOf(all, pastServer).replicas!;
    await past.prometheus.stop();
    all.configure({ ...config, tolerance: 0 });
    await until(() => all.problem !== '');
    expect(stateOf(all, pastServer).replicas).toBe(before);
    await past.prometheus.resume();
    await until(() => stateOf(all, pastServer).replicas !== before, 30_000);
    expect(stateOf(all, pastServer).replicas).toBeCloseTo(before / 1.1, 9);
  });

  it('say in one line that what answers is no Prometheus', async () => {
    const nowhere = new Prometheus(`${past.prometheus.url}/nowhere`);
    await expect(nowhere.at('1', end)).rejects.toThrow(/nowhere: status 404, and no JSON: is it the address/);
    nowhere.close();
    const there = new Prometheus(past.prometheus.url);
    await expect(there.at('1 +', end)).rejects.toThrow(/: status 400: .*parse error/);
    there.close();
  });
});
