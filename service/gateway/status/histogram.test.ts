import { describe, expect, it } from 'vitest';
import { numbersFrom } from '../../../ci/testing/random.ts';
import { difference, Histogram, quantile, Sum } from './histogram.ts';

const of = (...seconds: number[]) => {
  const histogram = new Histogram();
  for (const each of seconds) histogram.add(each);
  return histogram.counts;
};

describe('a histogram of times', () => {
  it('tells every quantile to within 4.5 percent', () => {
    const next = numbersFrom(1);
    const times = Array.from({ length: 5000 }, () => 0.001 * 10 ** (next() * 6)).toSorted((a, b) => a - b);
    const counts = of(...times);
    for (const share of [0.01, 0.5, 0.9, 0.95, 0.99, 1]) {
      const exact = times[Math.ceil(times.length * share) - 1]!;
      expect(quantile(counts, share)! / exact).toBeGreaterThan(0.955);
      expect(quantile(counts, share)! / exact).toBeLessThan(1.045);
    }
  });

  it('takes what is too short or too long to be told', () => {
    expect(quantile(of(0), 0.5)).toBe(0);
    expect(quantile(of(0.0009), 1)).toBe(0);
    expect(quantile(of(1e9), 1)).toBeGreaterThan(10_000);
  });

  it('has no quantile of nothing', () => {
    expect(quantile([], 0.5)).toBeUndefined();
  });

  it('gives a quantile that was counted, of one value as of two', () => {
    expect(quantile(of(1), 0.95)).toBeCloseTo(1, 1);
    expect(quantile(of(1, 100), 0.5)).toBeCloseTo(1, 1);
    expect(quantile(of(1, 100), 0.51)! / 100).toBeCloseTo(1, 1);
  });

  it('tells what was counted since another time', () => {
    expect(difference(of(0.1, 0.1, 5, 60), of(0.1, 5))).toEqual(of(0.1, 60));
    expect(difference(of(0.1))).toEqual(of(0.1));
    expect(difference(of(0.1), of(0.1))).toEqual([]);
  });

  it('adds up what several processes counted, and takes away what is past', () => {
    const [one, other] = [new Sum(), new Sum()];
    expect(one.quantile(0.5)).toBeUndefined();
    one.add(of(0.1, 0.1, 5));
    other.add(of(60, 60, 60, 60));
    const all = [0.01, 0.3, 0.5, 1].map((share) => Sum.of([one, other]).quantile(share));
    expect(all).toEqual([0.1, 5, 60, 60].map((seconds) => quantile(of(seconds), 1)));
    expect(one.isEmpty).toBe(false);
    one.take(of(0.1, 0.1, 5));
    expect([one.quantile(1), one.isEmpty]).toEqual([undefined, true]);
  });
});
