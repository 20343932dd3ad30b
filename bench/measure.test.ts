import { describe, expect, it } from 'vitest';
import { atLeast, atMost, growthExponent, median, seconds } from './measure.ts';
import { table } from './table.ts';

describe('a measurement', () => {
  it('has the middle of its runs as the median, or what is between the two in the middle', () => {
    expect([median([3, 1, 2]), median([4, 1, 3, 2]), median([10])]).toEqual([2, 2.5, 10]);
  });

  it('leaves the first run out', async () => {
    let runs = 0;
    expect(await seconds(async () => void runs++, 5)).toHaveLength(5);
    expect(runs).toBe(6);
  });

  it('grows with an exponent of 1 when it is linear, and of 2 when it is quadratic', () => {
    const from = { count: 100, cost: 0.5 };
    expect(growthExponent(from, { count: 1000, cost: 5 })).toBe(1);
    expect(growthExponent(from, { count: 1000, cost: 50 })).toBe(2);
  });

  it('meets its aim up to the limit, and misses it above', () => {
    const figure = (value: number) => atMost(0.2, { what: 'a', value, unit: 's' });
    expect([figure(0.2).met, figure(0.201).met, figure(0.2).aim]).toEqual([true, false, '≤ 0.2 s']);
  });

  it('meets an aim from below down to the limit', () => {
    const figure = (value: number) => atLeast(50, { what: 'a', value, unit: '' });
    expect([figure(50).met, figure(49.9).met, figure(50).aim]).toEqual([true, false, '≥ 50']);
  });
});

it('a table has a line for each figure, with the spread of its runs, and says which aims are met', () => {
  expect(
    table([
      { what: 'a', value: 1234.5678, unit: '' },
      { what: 'long', value: 0.1, unit: 's', runs: [0.3, 0.05, 0.1], aim: '≤ 1 s', met: true },
      { what: 'slow', value: 2, unit: 's', aim: '≤ 1 s', met: false },
    ]),
  ).toBe(
    [
      'FIGURE  VALUE      SPREAD      AIM',
      'a       1,234.568',
      'long    0.1 s      0.05 – 0.3  ≤ 1 s  met',
      'slow    2 s                    ≤ 1 s  MISSED',
    ].join('\n'),
  );
});
