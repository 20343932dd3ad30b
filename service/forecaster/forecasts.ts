import { setImmediate as breathe, setTimeout as sleep } from 'node:timers/promises';
import type { ForecasterConfig } from '../../schema/config.ts';
import { type Backoff, waitMs } from '../shared/backoff.ts';
import type { Logger } from '../shared/logging.ts';
import type { ForecasterStatus, ForecastStatus } from '../shared/status.ts';
import type { Forecast } from './forecaster.ts';
import { History } from './history.ts';
import { Prometheus } from './prometheus.ts';
import { historyBins, ServerForecast } from './server.ts';

export interface Timing {
  /** A bin is read so many seconds after its end, when what belongs to it has been recorded. */
  settleSeconds: number;
  /** So many seconds after a bin should have been read, what the one before it said holds no more. */
  graceSeconds: number;
  retry: Backoff;
  /** Unix time in seconds. */
  now(): number;
  /** Rejects when it is given up. */
  sleep(ms: number, signal: AbortSignal): Promise<unknown>;
}

const usual: Timing = {
  settleSeconds: 10,
  graceSeconds: 60,
  retry: { firstMs: 1000, longestMs: 15_000 },
  now: () => Date.now() / 1000,
  sleep: (ms, signal) => sleep(ms, undefined, { signal, ref: false }),
};

/** How often the log tells how far the history is read, in ms. */
const progressMs = 5000;

/** What is known of a server at a moment. */
export interface ServerState {
  server: string;
  /** Pods that autoscalers are to get; undefined while nothing is to be said. */
  replicas: number | undefined;
  /** Pods that are expected to be needed, without headroom; undefined while nothing is expected. */
  expected: number | undefined;
  /** Why nothing is said; undefined while something is. */
  silent: NonNullable<Forecast['silent']> | 'Prometheus does not answer' | undefined;
  /** Mean loss of the last two days, of its own answers and of reactive scaling's; NaN where there are none. */
  loss: Forecast['loss'];
  horizonSeconds: number;
  start: { seconds: number; measured: boolean };
}

/** Forecasts of all servers under one configuration, up to a bin. */
interface Fleet {
  config: ForecasterConfig;
  servers: Map<string, ServerForecast>;
  /** End of the last bin that was taken in, in Unix seconds. */
  end: number;
}

/** Where the demand comes from under one configuration. */
interface Source {
  config: ForecasterConfig;
  prometheus: Prometheus;
  history: History;
}

/**
 * Keeps the forecasts of all servers: reads history from Prometheus, and each bin as it ends. Whatever goes wrong, it tries
 * again; what it has is said for as long as it is fresh, and not a minute longer.
 */
export class Forecasts {
  readonly #log: Logger;
  readonly #timing: Timing;
  #config: ForecasterConfig;
  #source: Source;
  #fleet: Fleet | undefined;
  #problem = '';
  #reads = { success: 0, failure: 0 };
  #ended = false;
  #nap = new AbortController();

  constructor(config: ForecasterConfig, log: Logger, timing: Partial<Timing> = {}) {
    this.#config = config;
    this.#log = log;
    this.#timing = { ...usual, ...timing };
    this.#source = sourceOf(config);
    void this.#run();
  }

  /** End of the last bin that was taken in, in Unix seconds; undefined before the history was read. */
  get lastBin(): number | undefined {
    return this.#fleet?.end;
  }

  /** Why Prometheus was of no use when it was asked last; empty where it was. */
  get problem(): string {
    return this.#problem;
  }

  /** How often Prometheus was asked. */
  get reads(): Readonly<{ success: number; failure: number }> {
    return this.#reads;
  }

  /** Whether what is known is as new as can be. */
  get fresh(): boolean {
    if (!this.#fleet) return false;
    const { settleSeconds, graceSeconds, now } = this.#timing;
    return now() < this.#fleet.end + this.#fleet.config.binSeconds + settleSeconds + graceSeconds;
  }

  /** All servers of the configuration; before the history was read, none. */
  states(): ServerState[] {
    if (!this.#fleet) return [];
    const { config, servers } = this.#fleet;
    const { fresh } = this;
    return [...servers].map(([server, forecast]) => {
      const { demand, expected, silent, loss } = forecast.said ?? { loss: noLoss };
      return {
        server,
        // Autoscalers leave alone what is over by less than their tolerance.
        replicas: fresh && demand !== undefined ? demand * (1 + config.tolerance) : undefined,
        expected: fresh ? expected : undefined,
        silent: fresh ? silent : 'Prometheus does not answer',
        loss,
        horizonSeconds: forecast.horizonSeconds,
        start: forecast.start,
      };
    });
  }

  /** What it tells gateways, for their status pages. */
  status(): ForecasterStatus {
    const known = new Map(this.states().map((state) => [state.server, state]));
    const silent = this.#problem ? 'Prometheus does not answer' : 'the history is being read';
    const servers = Object.entries(this.#config.servers).map(([key, { deployment }]): [string, ForecastStatus] => {
      const state = known.get(key);
      if (state?.replicas === undefined) return [deployment, { silent: state?.silent ?? silent }];
      return [deployment, { replicas: state.replicas, horizonSeconds: state.horizonSeconds }];
    });
    return { servers: Object.fromEntries(servers) };
  }

  /** Goes on with another configuration, once history was read anew; until then, what was said holds. */
  configure(config: ForecasterConfig): void {
    this.#config = config;
    this.#source.prometheus.close();
    this.#nap.abort();
  }

  close(): void {
    this.#ended = true;
    this.#source.prometheus.close();
    this.#nap.abort();
  }

  async #run(): Promise<void> {
    for (let failures = 0; !this.#ended; ) {
      const config = this.#config;
      if (this.#source.config !== config) this.#source = sourceOf(config);
      let waitFor: number;
      try {
        waitFor = await this.#advance(this.#source);
        failures = 0;
        this.#answers();
      } catch (error) {
        // What was given up for another configuration, or for the end, is no failure.
        if (this.#ended || this.#config !== config) continue;
        this.#isAway((error as Error).message);
        waitFor = waitMs(this.#timing.retry, failures++);
      }
      if (this.#config === config) await this.#sleep(waitFor);
    }
  }

  /** Takes in what has ended since; gives back in how many ms the next bin is due. */
  async #advance(source: Source): Promise<number> {
    const { config, history } = source;
    const { settleSeconds, now } = this.#timing;
    const last = history.lastBin(now() - settleSeconds);
    const before = last - historyBins(config) * config.binSeconds;
    const current = this.#fleet;
    const isNew = !current || current.config !== config || current.end < before;
    const fleet = isNew ? newFleet(config, before) : current;
    if (last > fleet.end) {
      const starts = await history.starts(last);
      const began = performance.now();
      const demand = await history.demand(fleet.end, last, isNew ? this.#progress(config) : undefined);
      const bins = Math.round((last - fleet.end) / config.binSeconds);
      for (const [server, forecast] of fleet.servers) {
        // First, so that a new history is gone through once.
        forecast.measured(starts.get(server));
        const known = demand.get(server) ?? [];
        for (let bin = 0; bin < bins; bin++) forecast.push(known[bin] ?? Number.NaN);
        // Health checks are answered in between.
        await breathe();
      }
      fleet.end = last;
      if (isNew) {
        const seconds = Number(((performance.now() - began) / 1000).toFixed(1));
        this.#log.info({ servers: fleet.servers.size, withHistory: demand.size, bins, seconds }, 'history read');
      }
    }
    this.#fleet = fleet;
    return Math.max(0, fleet.end + config.binSeconds + settleSeconds - now()) * 1000;
  }

  #progress(config: ForecasterConfig): (part: number) => void {
    this.#log.info({ prometheusUrl: config.prometheusUrl, bins: historyBins(config) }, 'reading history');
    let toldAt = performance.now();
    return (part) => {
      if (performance.now() - toldAt < progressMs) return;
      toldAt = performance.now();
      this.#log.info({ percent: Math.round(100 * part) }, 'reading history');
    };
  }

  async #sleep(ms: number): Promise<void> {
    if (this.#ended) return;
    this.#nap = new AbortController();
    await this.#timing.sleep(ms, this.#nap.signal).catch(() => {});
  }

  #answers(): void {
    this.#reads.success++;
    if (this.#problem) this.#log.info('Prometheus answers again');
    this.#problem = '';
  }

  #isAway(problem: string): void {
    this.#reads.failure++;
    this.#log[this.#problem ? 'debug' : 'warn'](
      { problem },
      'Prometheus is of no use: see that it answers at prometheusUrl; until then nothing is forecast, and what is scales on its load',
    );
    this.#problem = problem;
  }
}

const noLoss: Forecast['loss'] = { forecast: Number.NaN, reactive: Number.NaN };

function sourceOf(config: ForecasterConfig): Source {
  const prometheus = new Prometheus(config.prometheusUrl);
  return { config, prometheus, history: new History(prometheus, config) };
}

function newFleet(config: ForecasterConfig, end: number): Fleet {
  const servers = Object.entries(config.servers).map(
    ([key, server]) => [key, new ServerForecast(config, server)] as const,
  );
  return { config, servers: new Map(servers), end };
}
