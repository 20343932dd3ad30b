import { expect, test } from 'vitest';
import { randomFrom } from '../testing/fake-demand.ts';
import { firstRow, fit, predict, type Regression } from './ridge.ts';

const regression: Regression = { horizon: 1, binsPerDay: 8, lags: [0, 1], penalty: 1e-9 };

test('the fit finds what makes the next bin, to what the penalty takes', () => {
  const random = randomFrom(1);
  const demand = [1, 2];
  // What comes depends on the last bin and that before it, and on a little that nobody can know.
  while (demand.length < 400) demand.push(0.2 + 0.5 * demand.at(-1)! + 0.4 * demand.at(-2)! + 0.1 * random());
  const coefficients = fit(demand, regression, { from: 8, until: demand.length, scale: 1 })!;
  expect(coefficients[1]).toBeCloseTo(-0.5, 0);
  const t = demand.length - 1;
  const next = 0.25 + 0.5 * demand[t]! + 0.4 * demand[t - 1]!;
  expect(predict(demand, regression, coefficients, { t, scale: 1 })).toBeCloseTo(next, 1);
});

test('the fit uses nothing from the bin `until` on', () => {
  const random = randomFrom(2);
  const demand = Array.from({ length: 200 }, random);
  const until = 150;
  const spoilt = demand.map((value, t) => (t < until ? value : 1e6));
  const range = { from: 8, until, scale: 1 };
  expect(fit(spoilt, regression, range)).toEqual(fit(demand, regression, range));
});

test('the fit leaves out rows with a gap, and there is none of too few rows or of nothing', () => {
  const random = randomFrom(3);
  const demand = Array.from({ length: 200 }, random);
  const gaps = demand.map((value, t) => (t % 50 === 0 ? Number.NaN : value));
  const all = { from: firstRow(regression), until: 200, scale: 1 };
  expect(fit(gaps, regression, all)!.every(Number.isFinite)).toBe(true);
  expect(fit(demand, regression, { ...all, until: 14 })).toBeUndefined();
  expect(
    fit(
      demand.map(() => Number.NaN),
      regression,
      all,
    ),
  ).toBeUndefined();
  expect(
    fit(
      demand.map(() => 0),
      regression,
      { ...all, scale: 0 },
    ),
  ).toBeUndefined();
});

test('there is no forecast where a bin that it looks at is missing, and none below nothing', () => {
  const coefficients = Float64Array.from([-5, 0, 0, 0, 0, 0, 0]);
  const demand = new Array(20).fill(1);
  expect(predict(demand, regression, coefficients, { t: 19, scale: 1 })).toBe(0);
  demand[18] = Number.NaN;
  expect(predict(demand, regression, coefficients, { t: 19, scale: 1 })).toBeUndefined();
  expect(predict(demand, regression, coefficients, { t: 7, scale: 1 })).toBeUndefined();
});
