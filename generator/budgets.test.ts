import { describe, expect, it } from 'vitest';
import { cacheGiB, downloadBudgetSeconds, loadBudgetSeconds } from './budgets.ts';
import { GB, GiB, MiB } from './memory.ts';

describe('a time budget', () => {
  it('is a minute when there is nothing to move', () => {
    expect([downloadBudgetSeconds(0), loadBudgetSeconds(0)]).toEqual([60, 60]);
  });

  it('is twice the time that the rates give, 50 MiB/s from the network and 125 MiB/s from the disk', () => {
    expect(downloadBudgetSeconds(5000 * MiB)).toBe(2 * 100 + 60);
    expect(loadBudgetSeconds(5000 * MiB)).toBe(2 * 40 + 60);
  });

  it('never rounds down', () => {
    expect(loadBudgetSeconds(1)).toBe(61);
  });
});

describe('a cache', () => {
  it.each([0.4, 2, 14, 40, 65, 400])('of %d GB of weights has a tenth to spare and a GiB', (weights) => {
    expect(cacheGiB(weights) * GiB).toBeGreaterThan(weights * GB * 1.1 + GiB);
    expect(cacheGiB(weights) * GiB).toBeLessThan(weights * GB * 1.3 + 2 * GiB);
  });

  it('is a whole number of GiB', () => {
    expect([cacheGiB(0.4), cacheGiB(40)]).toEqual([2, 46]);
  });
});
