import { expect, it } from 'vitest';
import { minuteOf } from './pages.ts';

it.each([
  ['5m', 5],
  ['1h', 60],
  ['1h2m', 62],
  ['1d4h10m', 1690],
])('reads the minute of a failure at %s', (time, minute) => {
  expect(minuteOf(`    expr: "count(ALERTS)", time: ${time},\n        exp: {} 1E+00`)).toBe(minute);
});
