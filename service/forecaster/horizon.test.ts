import { expect, test } from 'vitest';
import { fakeDays } from '../testing/fake-demand.ts';
import { settingsFor } from './forecaster.ts';
import { HorizonForecast } from './horizon.ts';

const binsPerDay = 144;
const horizon = 3;
const settings = settingsFor({ horizon, binsPerDay }, { quantile: 0.9, target: 0.7 });
const demand = fakeDays({ days: 8, binsPerDay, seed: 6 });

function advanced(): HorizonForecast {
  const forecast = new HorizonForecast(settings);
  for (const t of demand.keys()) forecast.advance(demand, t);
  return forecast;
}

test('an error is demand less what was forecast for its bin a horizon before', () => {
  const { forecasts, errors } = advanced();
  for (let t = 4 * binsPerDay; t < demand.length; t++) expect(errors[t]).toBe(demand[t]! - forecasts[t - horizon]!);
});

test('headroom is from the errors of the last half day, and of five days within 50 minutes of the time that is forecast', () => {
  const forecast = advanced();
  const t = demand.length - 1;
  const counts = (bin: number) => {
    forecast.errors.fill(0);
    forecast.errors[bin] = 1;
    return forecast.headroom(t, 1) === 1;
  };
  const counted = [...demand.keys()].filter(counts);
  const expected = [...demand.keys()].filter((bin) => {
    const daysAgo = (t + horizon - bin) / binsPerDay;
    const nearest = Math.round(daysAgo);
    const sameTime = nearest >= 1 && nearest <= 5 && Math.abs(daysAgo - nearest) * binsPerDay <= 5.001;
    return sameTime || bin >= t - 72;
  });
  expect(counted).toEqual(expected);
});
