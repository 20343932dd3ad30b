/** What a series is where nothing was measured: no requests for a rate, nothing for a quantile. */
export type Absent = 0 | null;

/** Series as they are told: numbers in the order of their times. */
export type Told<Name extends string> = Record<Name, (number | null)[]>;

/**
 * The last values of several series for each of several keys, in memory of a fixed size: the oldest make way. A key takes
 * memory from the first time on that something is recorded for it; before, its series are as if nothing had been measured.
 */
export class History<Name extends string> {
  readonly #absent: Record<Name, Absent>;
  readonly #names: Name[];
  readonly #size: number;
  readonly #times: Float64Array;
  readonly #keys = new Map<string, Record<Name, Float32Array>>();
  /** Steps that were made in all. */
  #steps = 0;

  /** `size` is how many values are kept. */
  constructor(absent: Record<Name, Absent>, size: number) {
    this.#absent = absent;
    this.#names = Object.keys(absent) as Name[];
    this.#size = size;
    this.#times = new Float64Array(size);
  }

  /** Keeps a value of each series for each of these keys; what is not given is absent. `time` is in ms since 1970. */
  record(time: number, values: ReadonlyMap<string, Partial<Record<Name, number | undefined>>>): void {
    const at = this.#steps % this.#size;
    this.#times[at] = time;
    for (const key of values.keys()) if (!this.#keys.has(key)) this.#keys.set(key, this.#empty());
    for (const [key, series] of this.#keys) {
      const value = values.get(key);
      for (const name of this.#names) series[name][at] = value?.[name] ?? this.#absent[name] ?? Number.NaN;
    }
    this.#steps++;
  }

  /** Forgets the keys that are none any more. */
  keep(has: (key: string) => boolean): void {
    for (const key of this.#keys.keys()) if (!has(key)) this.#keys.delete(key);
  }

  /** When each value was recorded, in ms since 1970. */
  get times(): number[] {
    return this.#inOrder(this.#times);
  }

  of(key: string): Told<Name> {
    const series = this.#keys.get(key) ?? this.#empty();
    const told = this.#names.map((name) => [name, this.#inOrder(series[name]).map(shown)]);
    return Object.fromEntries(told);
  }

  /** The sums of the series of several keys. */
  sum<Some extends Name>(keys: Iterable<string>, names: readonly Some[]): Told<Some> {
    const sums = names.map((name) => [name, new Float64Array(this.#size)] as const);
    for (const key of keys) {
      const series = this.#keys.get(key);
      if (!series) continue;
      for (const [name, sum] of sums) {
        for (let at = 0; at < this.#size; at++) sum[at]! += series[name][at] || 0;
      }
    }
    return Object.fromEntries(sums.map(([name, sum]) => [name, this.#inOrder(sum).map(shown)])) as Told<Some>;
  }

  #empty(): Record<Name, Float32Array> {
    const series = this.#names.map((name) => [
      name,
      new Float32Array(this.#size).fill(this.#absent[name] ?? Number.NaN),
    ]);
    return Object.fromEntries(series);
  }

  #inOrder(values: Float32Array | Float64Array): number[] {
    const first = Math.max(0, this.#steps - this.#size);
    return Array.from({ length: this.#steps - first }, (_, index) => values[(first + index) % this.#size]!);
  }
}

/** A number in as many digits as anybody looks at. */
export const brief = (value: number) => Number(value.toPrecision(4));

const shown = (value: number) => (Number.isNaN(value) ? null : brief(value));
