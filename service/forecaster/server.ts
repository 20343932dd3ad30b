import type { ForecasterConfig, ForecastServer } from '../../schema/config.ts';
import { type Forecast, Forecaster, type ForecasterSettings, settingsFor } from './forecaster.ts';
import { remembered } from './horizon.ts';

const secondsOfDay = 86_400;

/** What all servers have in common. */
export type Common = Pick<ForecasterConfig, 'binSeconds' | 'quantile'>;

/** The settings of a server whose pods take so long to start: demand is looked at to the end of the bin in which one first serves. */
export function settingsOf({ binSeconds, quantile }: Common, target: number, startSeconds: number): ForecasterSettings {
  const binsPerDay = secondsOfDay / binSeconds;
  // Beyond a day it would know nothing of the same time of a day before.
  const horizon = Math.min(binsPerDay - 2, Math.ceil(startSeconds / binSeconds) + 1);
  return settingsFor({ horizon, binsPerDay }, { quantile, target });
}

/** Bins of history that a forecaster makes use of. */
export const historyBins = (common: Common): number => remembered(settingsOf(common, 1, 1));

/** The forecast of one server, whose horizon follows how long its pods take to start. */
export class ServerForecast {
  readonly #common: Common;
  readonly #server: ForecastServer;
  /** How many bins are worth keeping. */
  readonly #history: number;
  /** What it was told, oldest first, for another horizon has to be learnt anew. */
  readonly #demand: number[] = [];
  #measured: number | undefined;
  #settings: ForecasterSettings;
  #forecaster: Forecaster;
  #said: Forecast | undefined;

  constructor(common: Common, server: ForecastServer) {
    this.#common = common;
    this.#server = server;
    this.#history = historyBins(common);
    this.#settings = settingsOf(common, server.target, server.startSeconds);
    this.#forecaster = new Forecaster(this.#settings);
  }

  /** What it said at the end of the last bin; undefined before the first. */
  get said(): Forecast | undefined {
    return this.#said;
  }

  /** How long its pods take to start, in seconds, and whether that was measured. */
  get start(): { seconds: number; measured: boolean } {
    return { seconds: this.#measured ?? this.#server.startSeconds, measured: this.#measured !== undefined };
  }

  /** How far it looks ahead, in seconds. */
  get horizonSeconds(): number {
    return this.#settings.horizon * this.#common.binSeconds;
  }

  /** Takes in the demand of the next bin, NaN where it is not known. */
  push(demand: number): void {
    this.#demand.push(demand);
    if (this.#demand.length > 2 * this.#history) this.#demand.splice(0, this.#demand.length - this.#history);
    this.#said = this.#forecaster.push(demand);
  }

  /** Takes how long starts took, in seconds; whatever is no number above 0 counts as not measured. */
  measured(seconds: number | undefined): void {
    this.#measured = seconds !== undefined && seconds > 0 && seconds < Number.POSITIVE_INFINITY ? seconds : undefined;
    const settings = settingsOf(this.#common, this.#server.target, this.start.seconds);
    if (settings.horizon === this.#settings.horizon) return;
    this.#settings = settings;
    this.#forecaster = new Forecaster(settings);
    for (const demand of this.#demand.slice(-this.#history)) this.#said = this.#forecaster.push(demand);
  }
}
