import { expect, test } from 'vitest';
import { quantile } from './quantile.ts';

test.each([
  [[3, 1, 2], 0.5, 2],
  [[1, 2], 0.25, 1.25],
  [[4, 1, 3, 2], 0.9, 3.7],
  [[5, 1], 0, 1],
  [[5, 1], 1, 5],
  [[7], 0.3, 7],
])('the quantile of %j at %d is %d', (values, q, expected) => {
  expect(quantile(values, q)).toBeCloseTo(expected, 12);
});

test('there is no quantile of nothing', () => {
  expect(quantile([], 0.5)).toBeNaN();
});
