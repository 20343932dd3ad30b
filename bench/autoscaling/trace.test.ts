import { expect, test } from 'vitest';
import { finer, parseTrace } from './trace.ts';

const text = (rows: readonly (readonly (string | number)[])[]) =>
  ['seconds,requests_per_second', ...rows.map((row) => row.join())].join('\n');
const twoWeeks: (string | number)[][] = Array.from({ length: 14 * 24 }, (_, hour) => [hour * 3600, hour % 5]);

test('a trace of equal bins is read', () => {
  const trace = parseTrace(text(twoWeeks), 'a.csv');
  expect(trace.binSeconds).toBe(3600);
  expect(trace.demand.slice(0, 6)).toEqual([0, 1, 2, 3, 4, 0]);
});

test.each([
  ['a demand that is no number', twoWeeks.with(2, [7200, 'x']), 'a.csv: line 4 is not "seconds,demand"'],
  ['a demand below nothing', twoWeeks.with(2, [7200, -1]), 'a.csv: line 4 is not "seconds,demand"'],
  ['a missing bin', twoWeeks.toSpliced(5, 1), 'a.csv: line 7 breaks the bins'],
  ['less than two weeks', twoWeeks.slice(1), 'a.csv: 335 rows of 3600 s: give two weeks'],
])('a trace with %s is refused', (_, rows, problem) => {
  expect(() => parseTrace(text(rows), 'a.csv')).toThrow(problem);
});

test('finer bins go straight from one to the next', () => {
  expect(finer([0, 4, 2], 4)).toEqual([0, 1, 2, 3, 4, 3.5, 3, 2.5, 2]);
  expect(finer([3, 5], 1)).toEqual([3, 5]);
});
