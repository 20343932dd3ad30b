import { expect, test } from 'vitest';
import { fakeDays } from '../testing/fake-demand.ts';
import { historyBins, ServerForecast, settingsOf } from './server.ts';

const common = { binSeconds: 600, quantile: 0.9 };
const server = { deployment: 'x-small', target: 0.7, startSeconds: 601 };
const demand = fakeDays({ days: 6, binsPerDay: 144, seed: 2 });

test.each([
  [1, 2],
  [600, 2],
  [601, 3],
  [1800, 4],
  // A day ahead, nothing would be left of the day before.
  [200_000, 142],
])('a start of %d s is looked ahead of by %d bins of ten minutes', (startSeconds, horizon) => {
  expect(settingsOf(common, 0.7, startSeconds).horizon).toBe(horizon);
});

test('a day of history more than fits look at is made use of, which Prometheus keeps unless told otherwise', () => {
  const days = historyBins(common) / 144;
  expect(days).toBeGreaterThan(15);
  expect(days).toBeLessThan(15.1);
});

test('another time that starts take is learnt as if it had been known from the first', () => {
  const told = new ServerForecast(common, server);
  const knew = new ServerForecast(common, server);
  knew.measured(90);
  for (const value of demand) for (const one of [told, knew]) one.push(value);
  expect([told.horizonSeconds, knew.horizonSeconds]).toEqual([1800, 1200]);
  expect(told.said).not.toEqual(knew.said);
  told.measured(90);
  expect(told.said).toEqual(knew.said);
  expect(told.start).toEqual({ seconds: 90, measured: true });
});

test.each([undefined, Number.NaN, 0, -1, Number.POSITIVE_INFINITY])(
  'the budget holds while %d was measured',
  (seconds) => {
    const forecast = new ServerForecast(common, server);
    forecast.measured(90);
    forecast.measured(seconds);
    expect(forecast.start).toEqual({ seconds: 601, measured: false });
  },
);
