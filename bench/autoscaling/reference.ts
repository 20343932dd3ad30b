import { firstRow, fit, predict, type Regression } from '../../service/forecaster/ridge.ts';

/**
 * The forecast of the experiment that this one has to beat: a fixed penalty, lags up to 80 minutes in bins of ten, fitted anew
 * every six hours on all that was, and persistence before the third day. It knows the trace's peak, which nobody does.
 */
export function referenceRidge(demand: readonly number[], horizon: number, binsPerDay = 144): number[] {
  const regression: Regression = { horizon, binsPerDay, lags: [0, 1, 2, 3, 5, 8], penalty: 1e-2 };
  const scale = Math.max(...demand);
  const from = firstRow(regression) + 2;
  let coefficients: Float64Array | undefined;
  return demand.map((now, t) => {
    if (t < from + binsPerDay) return now;
    if (!coefficients || t % 36 === 0) coefficients = fit(demand, regression, { from, until: t, scale });
    return (coefficients && predict(demand, regression, coefficients, { t, scale })) ?? now;
  });
}
