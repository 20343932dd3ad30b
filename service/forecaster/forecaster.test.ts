import { expect, test } from 'vitest';
import { fakeDays, randomFrom } from '../testing/fake-demand.ts';
import { type Forecast, Forecaster, loss, settingsFor } from './forecaster.ts';

const binsPerDay = 144;
const settings = settingsFor({ horizon: 2, binsPerDay }, { quantile: 0.9, target: 0.7 });
const days = (count: number, seed = 1) => fakeDays({ days: count, binsPerDay, seed });

function run(demand: readonly number[]): Forecast[] {
  const forecaster = new Forecaster(settings);
  return demand.map((value) => forecaster.push(value));
}

/** It says something sound or nothing, whatever it was told. */
function expectSound(said: Forecast[], demand: readonly number[]) {
  for (const [t, forecast] of said.entries()) {
    expect(forecast.demand === undefined).toBe(forecast.silent !== undefined);
    if (forecast.demand === undefined) continue;
    expect(forecast.demand).toBeLessThan(Number.POSITIVE_INFINITY);
    expect(forecast.demand).toBeGreaterThanOrEqual(demand[t]!);
  }
}

const share = (said: Forecast[]) => said.filter(({ silent }) => !silent).length / said.length;

test('the forecaster is silent while history is short, and speaks afterwards', () => {
  const demand = days(8);
  const said = run(demand);
  expectSound(said, demand);
  for (const { silent } of said.slice(0, settings.leastHistory - 1)) expect(silent).toBe('history is short');
  expect(share(said.slice(5 * binsPerDay))).toBeGreaterThan(0.95);
});

test('the forecaster loses less than reactive scaling on days that are alike', () => {
  const { forecast, reactive } = run(days(9)).at(-1)!.loss;
  expect(forecast).toBeLessThan(reactive);
});

test('the forecaster is never below demand now, and uses nothing that comes later', () => {
  const demand = days(8);
  const cut = 7 * binsPerDay;
  const other = [...demand.slice(0, cut), ...days(1, 99)];
  expect(run(other).slice(0, cut)).toEqual(run(demand).slice(0, cut));
});

test('the forecaster that is given the history again says what the one before would have', () => {
  const demand = days(7);
  const going = new Forecaster(settings);
  for (const value of demand) going.push(value);
  const anew = new Forecaster(settings);
  for (const value of demand) anew.push(value);
  expect(anew.push(50)).toEqual(going.push(50));
});

test('the forecaster that has been running for weeks says what one says that knows the last ones alone, and keeps no more', () => {
  // Fits look at four days, so that a run of four weeks forgets some twenty.
  const short = { ...settings, memory: 4 * binsPerDay };
  const demand = days(28);
  const going = new Forecaster(short);
  const anew = new Forecaster(short);
  const from = 12 * binsPerDay;
  let most = 0;
  for (const [t, value] of demand.entries()) {
    const said = going.push(value);
    most = Math.max(most, going.kept);
    if (t < from) continue;
    const other = anew.push(value);
    // What it fitted, the errors of five days, and the loss of two.
    if (t >= from + 14 * binsPerDay) expect(said).toEqual(other);
  }
  expect(most).toBeLessThan(6.1 * binsPerDay);
});

test.each([
  ['a gap', Number.NaN],
  ['a counter that was reset', -3],
  ['an infinite value', Number.POSITIVE_INFINITY],
])('the forecaster is silent at %s and speaks again once its lags are known', (_, odd) => {
  const demand = days(9);
  const gap = 7 * binsPerDay;
  for (let t = gap; t < gap + 6; t++) demand[t] = odd;
  const said = run(demand);
  expectSound(said, demand);
  expect(said[gap]!.silent).toBe('demand is unknown');
  expect(said[gap + 6]!.silent).toBe('demand was unknown lately');
  // It looks back three hours; and a day later at what is missing there, for as long as that was missing and an hour more.
  expect(share(said.slice(gap + 6 + 19, gap + 130))).toBe(1);
  expect(share(said.slice(gap + 158))).toBe(1);
});

test('the forecaster is silent on nothing at all, and on no data', () => {
  for (const value of [0, Number.NaN]) {
    const said = run(new Array(8 * binsPerDay).fill(value));
    expect(share(said)).toBe(0);
  }
});

test('the forecaster stays at a demand that never changes', () => {
  const said = run(new Array(8 * binsPerDay).fill(10)).at(-1)!;
  expect(said.expected).toBeCloseTo(10, 2);
  expect(said.demand).toBeCloseTo(10, 2);
});

test('the forecaster follows a sudden change of level, and knows it for its own within two days', () => {
  const demand = days(10);
  const change = 7 * binsPerDay;
  for (let t = change; t < demand.length; t++) demand[t]! *= 4;
  const said = run(demand);
  expectSound(said, demand);
  expect(share(said.slice(9 * binsPerDay))).toBeGreaterThan(0.9);
  const { forecast, reactive } = said.at(-1)!.loss;
  expect(forecast).toBeLessThan(reactive);
});

test.each([
  ['an hour earlier', 6],
  ['an hour later', -6],
])('the forecaster loses less than reactive scaling over days after clocks make everything %s', (_, bins) => {
  const demand = days(12);
  const change = 7 * binsPerDay;
  const moved = demand.map((value, t) => (t < change ? value : (demand[t + bins] ?? value)));
  const said = run(moved);
  expectSound(said, moved);
  const { forecast, reactive } = said[change + 2 * binsPerDay]!.loss;
  expect(forecast).toBeLessThan(reactive);
});

test('the forecaster is silent while reactive scaling does better, and speaks again when it no longer does', () => {
  // After a restless week a calm one at a hundredth: the errors that it remembers are of the former.
  const random = randomFrom(5);
  const demand = Array.from({ length: 14 * binsPerDay }, (_, t) => (t < 7 * binsPerDay ? 700 + 600 * random() : 10));
  const said = run(demand);
  expect(said.slice(8 * binsPerDay).some(({ silent }) => silent === 'reactive scaling did better')).toBe(true);
  expect(said.at(-1)!.silent).toBeUndefined();
  expect(said.at(-1)!.demand).toBeLessThan(10 / settings.target);
});

test('an answer costs by its quantile', () => {
  expect(loss(10, 12, 0.9)).toBeCloseTo(1.8);
  expect(loss(12, 10, 0.9)).toBeCloseTo(0.2);
  expect(loss(10, 10, 0.9)).toBe(0);
});
