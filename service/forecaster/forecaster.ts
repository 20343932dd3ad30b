import { HorizonForecast, type HorizonSettings, remembered } from './horizon.ts';

/** All in bins, but for quantile and target; a bin is `1 / binsPerDay` of a day. */
export interface ForecasterSettings extends HorizonSettings {
  /** Which quantile of its own errors is added to a forecast, from 0 to 1. */
  quantile: number;
  /** The registry's target utilisation, which plain reactive scaling would have. */
  target: number;
  /** Bins of known demand before it says anything. */
  leastHistory: number;
  /** The latest bins over which it is compared with reactive scaling. */
  judged: number;
}

/**
 * What suits the start delay of a server. The figures were chosen on the second week of ServeGen's m-small, on bins of ten
 * minutes, and are given for bins of any length: docs/forecast.md.
 *
 * @param horizon bins from the end of a bin to that of the one in which a replica asked for now first serves
 */
export function settingsFor(
  { horizon, binsPerDay }: { horizon: number; binsPerDay: number },
  chosen: { quantile: number; target: number },
): ForecasterSettings {
  const minutes = (count: number) => Math.max(1, Math.round((count * binsPerDay) / 1440));
  return {
    horizon,
    binsPerDay,
    lags: [...new Set([0, 10, 20, 30, 50, 80, 120, 180].map((ago) => (ago === 0 ? 0 : minutes(ago))))],
    penalty: 1e-3,
    refit: minutes(360),
    memory: 14 * binsPerDay,
    days: 5,
    around: minutes(50),
    latest: minutes(720),
    leastHistory: 3 * binsPerDay,
    judged: 2 * binsPerDay,
    ...chosen,
  };
}

/** What it says at the end of a bin; demand is in the unit of the series. */
export interface Forecast {
  /** Demand expected at the horizon, with headroom; never below demand now. Undefined while it is silent. */
  demand: number | undefined;
  /** Demand expected at the horizon, without headroom; undefined while nothing is. */
  expected: number | undefined;
  /** Why it is silent; undefined while it is not. */
  silent?:
    | 'history is short'
    | 'demand is unknown'
    | 'demand was unknown lately'
    | 'nothing was fitted'
    | 'too little to judge by'
    | 'reactive scaling did better';
  /** Mean loss of its own answers and of those of reactive scaling, over the bins judged; NaN while there are none. */
  loss: { forecast: number; reactive: number };
}

/**
 * What an answer costs once demand is known, at a quantile q: (1 − q) for each unit of demand too much, q for each too
 * little. The q-quantile of demand is the answer that costs least (Koenker and Bassett, Regression Quantiles, 1978).
 */
export const loss = (answer: number, demand: number, q: number): number =>
  demand > answer ? q * (demand - answer) : (1 - q) * (answer - demand);

/**
 * Forecasts one series, a bin at a time, from the past alone. A replay of the history by `push` brings a new one to
 * where another was; it keeps nothing else, and no bin for longer than it looks back.
 */
export class Forecaster {
  readonly #settings: ForecasterSettings;
  readonly #demand: number[] = [];
  readonly #horizon: HorizonForecast;
  /** What it would have said if it never were silent, and loss of that and of reactive scaling, by bin. */
  readonly #answers: number[] = [];
  readonly #losses = { forecast: [] as number[], reactive: [] as number[] };
  #known = 0;

  constructor(settings: ForecasterSettings) {
    this.#settings = settings;
    this.#horizon = new HorizonForecast(settings);
  }

  /** How many bins it keeps; a day more than it looks back at the most. */
  get kept(): number {
    return this.#demand.length;
  }

  /** Takes in the demand of the next bin; whatever is no finite number from 0 on, such as a gap, counts as not known. */
  push(demand: number): Forecast {
    const { horizon, target, quantile: q } = this.#settings;
    this.#forget();
    const t = this.#demand.length;
    const known = Number.isFinite(demand) && demand >= 0;
    if (known) this.#known++;
    this.#demand.push(known ? demand : Number.NaN);
    this.#horizon.advance(this.#demand, t);
    const expected = this.#horizon.forecasts[t]!;
    this.#answers[t] = Math.max(expected + this.#horizon.headroom(t, q), this.#demand[t]!);
    const before = t - horizon;
    const answer = this.#answers[before] ?? Number.NaN;
    this.#losses.forecast[t] = loss(answer, demand, q);
    this.#losses.reactive[t] = loss((this.#demand[before] ?? Number.NaN) / target, demand, q);
    return this.#said(t);
  }

  /** Lets go of the oldest day once it is looked at no more. */
  #forget(): void {
    const { binsPerDay } = this.#settings;
    if (this.#demand.length < remembered(this.#settings) + binsPerDay) return;
    for (const list of [this.#demand, this.#answers, this.#losses.forecast, this.#losses.reactive]) {
      list.splice(0, binsPerDay);
    }
    this.#horizon.forget(binsPerDay);
  }

  #said(t: number): Forecast {
    const { leastHistory, judged } = this.#settings;
    const answer = this.#answers[t]!;
    const recent = this.#recentLoss(t);
    const expected = this.#horizon.forecasts[t]!;
    const silent = !Number.isFinite(this.#demand[t]!)
      ? 'demand is unknown'
      : this.#known < leastHistory
        ? 'history is short'
        : !Number.isFinite(expected)
          ? this.#horizon.fitted
            ? 'demand was unknown lately'
            : 'nothing was fitted'
          : recent.bins < judged / 4 || !Number.isFinite(answer)
            ? 'too little to judge by'
            : recent.forecast > recent.reactive
              ? 'reactive scaling did better'
              : undefined;
    return {
      demand: silent ? undefined : answer,
      expected: Number.isFinite(expected) ? expected : undefined,
      ...(silent && { silent }),
      loss: { forecast: recent.forecast, reactive: recent.reactive },
    };
  }

  /** Over bins for which both had an answer. */
  #recentLoss(t: number): { forecast: number; reactive: number; bins: number } {
    let [forecast, reactive, bins] = [0, 0, 0];
    for (let i = Math.max(0, t - this.#settings.judged + 1); i <= t; i++) {
      const [ours, theirs] = [this.#losses.forecast[i]!, this.#losses.reactive[i]!];
      if (!Number.isFinite(ours) || !Number.isFinite(theirs)) continue;
      forecast += ours;
      reactive += theirs;
      bins++;
    }
    return { forecast: forecast / bins, reactive: reactive / bins, bins };
  }
}
