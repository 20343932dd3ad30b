import { describe, expect, it } from 'vitest';
import { DrainRate } from './drain-rate.ts';

/** A line that one leaves every so many ms, so many times. */
function moving(everyMs: number, times: number): DrainRate {
  const rate = new DrainRate();
  for (let n = 1; n <= times; n++) rate.departed(n * everyMs);
  return rate;
}

describe('the time until a turn', () => {
  it('is what the measured rate makes of those ahead', () => {
    // Two a second.
    expect(moving(500, 100).secondsFor(19, 50_000, 1)).toBe(10);
    expect(moving(500, 100).secondsFor(119, 50_000, 1)).toBeCloseTo(60, -1);
  });

  it('is what slots and service time make of them, before there was a departure', () => {
    expect(new DrainRate().secondsFor(7, 0, 4, 10)).toBe(20);
    expect(new DrainRate().secondsFor(3, 0, 2)).toBe(2);
  });

  it('grows while nothing moves', () => {
    const rate = moving(100, 40);
    expect(rate.secondsFor(9, 4000, 1)).toBe(1);
    expect(rate.secondsFor(9, 4000 + 60_000, 1)).toBeGreaterThan(15);
  });

  it('follows a line that becomes faster', () => {
    const rate = moving(10_000, 32);
    for (let n = 1; n <= 32; n++) rate.departed(320_000 + n * 100);
    expect(rate.secondsFor(99, 323_200, 1)).toBe(10);
  });

  it('is at least a second and at most ten minutes', () => {
    expect(moving(1, 32).secondsFor(0, 32, 1)).toBe(1);
    expect(new DrainRate().secondsFor(1_000_000, 0, 1, 3600)).toBe(600);
    expect(new DrainRate().secondsFor(1, 0, 1, 0)).toBe(1);
  });
});
