import { CholeskyDecomposition, Matrix } from 'ml-matrix';

/** What a regression looks at and how far it looks ahead; all in bins of equal length. */
export interface Regression {
  /** Bins ahead. */
  horizon: number;
  binsPerDay: number;
  /** How far back the lags of the last hour and a half are, 0 first, which is persistence. */
  lags: readonly number[];
  /** Weight of the penalty in hundredths of the number of rows, on demand as a share of its peak. */
  penalty: number;
}

/** Demand on each bin, oldest first: never negative, NaN where it is not known. */
export type Demand = ArrayLike<number>;

/** Offsets into the past, in bins: the last hour and a half, and yesterday around the time that is forecast. */
const offsets = ({ horizon, binsPerDay, lags }: Regression): number[] => {
  const around = [-1, 0, 1].map((step) => binsPerDay - horizon - step).toReversed();
  return [...lags, ...around, binsPerDay];
};

/** The first bin from which a regression knows all that it looks at. */
export const firstRow = (regression: Regression): number => Math.max(...offsets(regression));

/** What is known at the end of bin `t` as shares of `scale`: 1, then the lags. Undefined where a bin is missing. */
function row(demand: Demand, t: number, scale: number, at: readonly number[]): number[] | undefined {
  const values = [1];
  for (const offset of at) {
    const value = demand[t - offset];
    if (value === undefined || !Number.isFinite(value)) return undefined;
    values.push(value / scale);
  }
  return values;
}

/**
 * Coefficients of a ridge regression that corrects persistence: (demand in `horizon` bins − demand now) ÷ scale on what is
 * known now, from the bins `from` to `until` − 1 and no later one. Rows with a missing bin are left out. Undefined where
 * fewer rows are left than coefficients, or demand is nothing at all. Normal equations, solved by Cholesky: the
 * penalty makes them positive definite.
 */
export function fit(
  demand: Demand,
  regression: Regression,
  { from, until, scale }: { from: number; until: number; scale: number },
): Float64Array | undefined {
  if (!(scale > 0)) return undefined;
  const { horizon, penalty } = regression;
  const at = offsets(regression);
  const width = at.length + 1;
  const squares = new Float64Array(width * width);
  const products = new Float64Array(width);
  let rows = 0;
  for (let t = Math.max(from, 0); t + horizon < until; t++) {
    const later = demand[t + horizon];
    if (later === undefined || !Number.isFinite(later)) continue;
    const x = row(demand, t, scale, at);
    if (!x) continue;
    rows++;
    const y = later / scale - x[1]!;
    for (let i = 0; i < width; i++) {
      products[i]! += x[i]! * y;
      for (let j = 0; j <= i; j++) squares[i * width + j]! += x[i]! * x[j]!;
    }
  }
  if (rows <= width) return undefined;
  const left = Matrix.zeros(width, width);
  for (let i = 0; i < width; i++) {
    for (let j = 0; j <= i; j++) {
      const sum = squares[i * width + j]! + (i === j ? (penalty * rows) / 100 : 0);
      left.set(i, j, sum).set(j, i, sum);
    }
  }
  const solved = new CholeskyDecomposition(left).solve(Matrix.columnVector(Array.from(products)));
  return Float64Array.from(solved.getColumn(0));
}

/** Demand `horizon` bins after `t`, never below 0; undefined where a bin that it takes is missing. */
export function predict(
  demand: Demand,
  regression: Regression,
  coefficients: Float64Array,
  { t, scale }: { t: number; scale: number },
): number | undefined {
  const x = row(demand, t, scale, offsets(regression));
  if (!x) return undefined;
  const correction = x.reduce((sum, value, index) => sum + value * coefficients[index]!, 0);
  return Math.max(0, (x[1]! + correction) * scale);
}
