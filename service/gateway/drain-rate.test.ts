import { describe, expect, it } from 'vitest';
import { randomFrom } from '../../ci/testing/random.ts';
import { DrainRate } from './drain-rate.ts';

/** A queue in which somebody always waits, which one leaves every so many ms, so many times, from a time on. */
function moving(rate: DrainRate, everyMs: number, times: number, fromMs = 0): number {
  rate.waiting(100, fromMs);
  for (let n = 1; n <= times; n++) {
    rate.departed(fromMs + n * everyMs);
    rate.waiting(100, fromMs + n * everyMs);
  }
  return fromMs + times * everyMs;
}

describe('the seconds until a turn', () => {
  it('are what slots and service time make of those ahead, before anything was seen', () => {
    expect(new DrainRate().secondsFor(8, 0, 4, 10)).toBe(20);
    expect(new DrainRate().secondsFor(8, 5_000_000, 1, 2.5)).toBe(20);
  });

  it('are guessed where not even a service time is known', () => {
    const seconds = new DrainRate().secondsFor(4, 0, 4);
    expect(seconds).toBeGreaterThan(1);
    expect(seconds).toBeLessThan(60);
  });

  it('are what the measured rate makes of those ahead, whatever was computed before', () => {
    for (const [slots, mean] of [
      [1, 4],
      [64, 0.1],
    ] as const) {
      const rate = new DrainRate();
      // Two a second.
      const now = moving(rate, 500, 1000);
      expect(rate.secondsFor(100, now, slots, mean)).toBeGreaterThan(40);
      expect(rate.secondsFor(100, now, slots, mean)).toBeLessThan(60);
    }
  });

  it('go over from the computed to the measured with each departure', () => {
    const rate = new DrainRate();
    // Computed are ten a second, and one is what there is.
    const seconds = [0, 4, 4, 40].map((times, index, all) => {
      const before = all.slice(0, index).reduce((sum, count) => sum + count, 0) * 1000;
      return rate.secondsFor(100, moving(rate, 1000, times, before), 10, 1);
    });
    expect(seconds).toEqual([...seconds].toSorted((a, b) => a - b));
    expect(seconds[0]).toBe(10);
    expect(seconds[1]).toBeGreaterThan(40);
    expect(seconds[3]).toBeGreaterThan(85);
    expect(seconds[3]).toBeLessThanOrEqual(100);
  });

  it('grow while somebody waits and nothing departs', () => {
    const rate = new DrainRate();
    const now = moving(rate, 100, 600);
    const [first, second, third] = [0, 60_000, 300_000].map((later) => rate.secondsFor(50, now + later, 4, 0.4)) as [
      number,
      number,
      number,
    ];
    expect(first).toBe(5);
    expect(second).toBeGreaterThan(first * 1.5);
    expect(third).toBeGreaterThan(second * 3);
  });

  it('grow also where nothing has ever departed', () => {
    const rate = new DrainRate();
    rate.waiting(1, 0);
    expect(rate.secondsFor(10, 0, 4, 2)).toBe(5);
    expect(rate.secondsFor(10, 60_000, 4, 2)).toBeGreaterThan(60);
  });

  it('do not grow while nobody waits', () => {
    const rate = new DrainRate();
    const now = moving(rate, 100, 600);
    const before = rate.secondsFor(50, now, 4, 0.4);
    rate.waiting(0, now);
    expect(rate.secondsFor(50, now + 60_000, 4, 0.4)).toBe(before);
    expect(rate.secondsFor(50, now + 8 * 3_600_000, 4, 0.4)).toBe(before);
  });

  it('forget what was long ago', () => {
    const rate = new DrainRate();
    const now = moving(rate, 10_000, 32);
    rate.waiting(0, now);
    // By the next day there are replicas enough for a hundred a second.
    expect(rate.secondsFor(100, now + 86_400_000, 100, 1)).toBe(1);
    const slow = moving(rate, 10_000, 32, now + 86_400_000);
    const fast = moving(rate, 100, 5000, slow);
    expect(rate.secondsFor(100, fast, 100, 10)).toBeLessThanOrEqual(12);
  });

  it('count time on from a departure where it is not said whether others wait', () => {
    const rate = new DrainRate();
    for (let n = 1; n <= 200; n++) rate.departed(n * 1000);
    expect(rate.secondsFor(100, 200_000, 100, 1)).toBeGreaterThan(90);
  });

  it('are whole, at least one, and at most ten minutes', () => {
    const rate = new DrainRate();
    expect(rate.secondsFor(0, 0, 1, 5)).toBe(1);
    expect(rate.secondsFor(1, 0, 1, 0)).toBe(1);
    expect(rate.secondsFor(1, 0, 3, 5)).toBe(2);
    expect(rate.secondsFor(100_000, 0, 1, 3600)).toBe(600);
  });

  it.each([
    [1, 0.5, 1],
    [4, 8, 2],
    [16, 60, 3],
  ])('are about what it takes then (%d slots, answers of %d s, seed %d)', (slots, mean, seed) => {
    const random = randomFrom(seed);
    const serviceMs = () => -mean * 1000 * Math.log(1 - random.below(2 ** 32) / 2 ** 32);
    // All slots are always taken, and it computes with twice as many: another gateway has half of what departs.
    const ends = Array.from({ length: slots }, serviceMs);
    const rate = new DrainRate();
    rate.waiting(100, 0);
    const departures: number[] = [];
    const estimates: { at: number; seconds: number }[] = [];
    const ahead = 20;
    for (let n = 0; n < 2000; n++) {
      const at = Math.min(...ends);
      ends[ends.indexOf(at)] = at + serviceMs();
      rate.departed(at);
      departures.push(at);
      estimates.push({ at, seconds: rate.secondsFor(ahead, at, 2 * slots, mean) });
    }
    const ratios = estimates
      .slice(100, -ahead)
      .map(({ at, seconds }, index) => (seconds * 1000) / (departures[100 + index + ahead]! - at))
      .toSorted((a, b) => a - b);
    const median = ratios[Math.floor(ratios.length / 2)]!;
    expect(median).toBeGreaterThan(0.7);
    expect(median).toBeLessThan(1.3);
  });
});
