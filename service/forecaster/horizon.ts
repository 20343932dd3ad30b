import { quantile } from './quantile.ts';
import { type Demand, firstRow, fit, predict, type Regression } from './ridge.ts';

/** How one horizon is forecast; times in bins. */
export interface HorizonSettings extends Regression {
  /** Bins between two fits. */
  refit: number;
  /** Bins of history that a fit looks at; older ones are forgotten. */
  memory: number;
  /** Days whose errors at the same time of day are looked at, and how far around it. */
  days: number;
  around: number;
  /** The latest bins, whose errors are looked at as well. */
  latest: number;
}

/** How many bins back it looks at the most: those of a fit, and what the first of these looks at. */
export const remembered = (settings: HorizonSettings): number => settings.memory + firstRow(settings) + 3;

/** Forecasts of one series at one horizon, a bin at a time, each from the past alone, and the errors that they made. */
export class HorizonForecast {
  readonly #settings: HorizonSettings;
  #coefficients: Float64Array | undefined;
  #scale = 0;
  #fitted = Number.NEGATIVE_INFINITY;
  /** By the bin at whose end it was made; NaN where there was none. */
  readonly forecasts: number[] = [];
  /** Demand less what was forecast for that bin; NaN where either is missing. */
  readonly errors: number[] = [];

  constructor(settings: HorizonSettings) {
    this.#settings = settings;
  }

  /** Whether there is a fit. */
  get fitted(): boolean {
    return this.#coefficients !== undefined;
  }

  /** Lets go of the oldest bins: what comes later is called by numbers that are less by so many. */
  forget(count: number): void {
    this.forecasts.splice(0, count);
    this.errors.splice(0, count);
    this.#fitted -= count;
  }

  /** Takes in that bin `t`, the one after the last, has ended; `demand` reaches up to it. */
  advance(demand: Demand, t: number): void {
    const { horizon, refit, memory, binsPerDay } = this.#settings;
    const first = firstRow(this.#settings) + 2;
    if (t >= first + binsPerDay && t - this.#fitted >= refit) this.#fit(demand, t, Math.max(first, t - memory));
    this.forecasts[t] = this.at(demand, t) ?? Number.NaN;
    this.errors[t] = t >= horizon ? demand[t]! - this.forecasts[t - horizon]! : Number.NaN;
  }

  #fit(demand: Demand, t: number, from: number): void {
    let peak = 0;
    for (let i = from; i <= t; i++) if (demand[i]! > peak) peak = demand[i]!;
    this.#coefficients = fit(demand, this.#settings, { from, until: t + 1, scale: peak });
    this.#scale = peak;
    this.#fitted = t;
  }

  /** The forecast made at the end of bin `t`; undefined while nothing was fitted or bins are missing. */
  at(demand: Demand, t: number): number | undefined {
    return this.#coefficients && predict(demand, this.#settings, this.#coefficients, { t, scale: this.#scale });
  }

  /**
   * The q-quantile of its errors at the time of day that a forecast made at the end of `t` is for, and of the latest ones;
   * NaN while there are none.
   */
  headroom(t: number, q: number): number {
    return quantile(this.#recentErrors(t), q);
  }

  #recentErrors(t: number): number[] {
    const { horizon, binsPerDay, days, around, latest } = this.#settings;
    const found: number[] = [];
    const take = (from: number, to: number) => {
      for (let i = Math.max(0, from); i <= Math.min(t, to); i++) {
        if (Number.isFinite(this.errors[i])) found.push(this.errors[i]!);
      }
    };
    for (let day = 1; day <= days; day++) {
      const same = t + horizon - day * binsPerDay;
      take(same - around, same + around);
    }
    take(t - latest, t);
    return found;
  }
}
