/** A sample of Prometheus' text format. */
interface Sample {
  name: string;
  labels: Record<string, string>;
  value: number;
}

type Labels = Record<string, string>;

/** The metrics of one process, or of several added up. */
export class Metrics {
  readonly samples: Sample[];

  constructor(samples: Sample[]) {
    this.samples = samples;
  }

  static parse(text: string): Metrics {
    const samples = text.split('\n').flatMap((line): Sample[] => {
      const [, name, labels = '', value] = /^([A-Za-z_:][\w:]*)(?:\{(.*)\})? (\S+)/.exec(line) ?? [];
      if (name === undefined) return [];
      const pairs = [...labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, key, text]) => [key!, text!]);
      return [
        { name, labels: Object.fromEntries(pairs), value: value === '+Inf' ? Number.POSITIVE_INFINITY : Number(value) },
      ];
    });
    return new Metrics(samples);
  }

  /** All samples of some processes together. */
  static all(of: readonly Metrics[]): Metrics {
    return new Metrics(of.flatMap(({ samples }) => samples));
  }

  #of(name: string, labels: Labels): Sample[] {
    return this.samples.filter(
      (sample) => sample.name === name && Object.entries(labels).every(([key, value]) => sample.labels[key] === value),
    );
  }

  /** The sum of all samples of that name with these labels; 0 where there is none. */
  sum(name: string, labels: Labels = {}): number {
    return this.#of(name, labels).reduce((sum, { value }) => sum + value, 0);
  }

  /** The sums by the values of a label. */
  by(name: string, label: string, labels: Labels = {}): Map<string, number> {
    const sums = new Map<string, number>();
    for (const sample of this.#of(name, labels)) {
      const key = sample.labels[label] ?? '';
      sums.set(key, (sums.get(key) ?? 0) + sample.value);
    }
    return sums;
  }

  /**
   * How many observations a histogram has, and the bound under which so large a share of them lies (`Infinity` above the
   * last). A bound, not a guess within its bucket: what is said is true.
   */
  quantile(name: string, share: number, labels: Labels = {}): { count: number; within: number } {
    const buckets = [...this.by(`${name}_bucket`, 'le', labels)]
      .map(([le, count]) => ({ within: le === '+Inf' ? Number.POSITIVE_INFINITY : Number(le), count }))
      .sort((one, other) => one.within - other.within);
    const count = buckets.at(-1)?.count ?? 0;
    return { count, within: buckets.find((bucket) => bucket.count >= share * count)?.within ?? 0 };
  }
}
