/** One line of a benchmark's result. */
export interface Figure {
  what: string;
  value: number;
  /** Unit of the value, such as `s`; empty for a plain number. */
  unit: string;
  /** What was aimed at, in words, and whether it was met; figures without an aim are for information. */
  aim?: string;
  met?: boolean;
  /** The single measurements that the value is the median of. */
  runs?: number[];
}

export interface Benchmark {
  purpose: string;
  /** Measures; takes what else stands on the command line. */
  run(args: string[]): Promise<Figure[]>;
}

/** A figure that is to be at most this. */
export function atMost(limit: number, figure: Omit<Figure, 'aim' | 'met'>): Figure {
  return { ...figure, aim: `≤ ${limit}${figure.unit && ` ${figure.unit}`}`, met: figure.value <= limit };
}

/** A figure that is to be at least this. */
export function atLeast(limit: number, figure: Omit<Figure, 'aim' | 'met'>): Figure {
  return { ...figure, aim: `≥ ${limit}${figure.unit && ` ${figure.unit}`}`, met: figure.value >= limit };
}

export function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** Seconds that the work takes, several times over. The first run, which fills the caches of disk and system, is not counted. */
export async function seconds(work: () => Promise<unknown>, runs = 5): Promise<number[]> {
  const measured: number[] = [];
  for (let run = 0; run <= runs; run++) {
    const start = performance.now();
    await work();
    if (run > 0) measured.push((performance.now() - start) / 1000);
  }
  return measured;
}

/** The median of some runs as a figure. */
export function medianFigure(what: string, runs: number[], unit = 's'): Figure {
  const rounded = runs.map((value) => Number(value.toFixed(3)));
  return { what, value: median(rounded), unit, runs: rounded };
}

/** How a cost grows with a count, between two of them: 1 for linear growth, 2 for quadratic. */
export function growthExponent(from: { count: number; cost: number }, to: { count: number; cost: number }): number {
  return Number((Math.log(to.cost / from.cost) / Math.log(to.count / from.count)).toFixed(2));
}
