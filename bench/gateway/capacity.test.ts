import { expect, it } from 'vitest';
import { highestRate } from './capacity.ts';

/** The rates that are tried for one who holds up to a limit. */
async function tried(limit: number, first: number) {
  const rates: number[] = [];
  const found = await highestRate(async (rate) => {
    rates.push(rate);
    return rate <= limit;
  }, first);
  return { found, rates };
}

it('finds the highest rate to within a share of it', async () => {
  for (const limit of [500, 501, 999, 3141, 27_000]) {
    const { found } = await tried(limit, 500);
    expect(found).toBeLessThanOrEqual(limit);
    expect(found).toBeGreaterThan(limit / 1.08);
  }
});

it('looks below the first rate when not even that is held', async () => {
  const { found, rates } = await tried(45, 500);
  expect(found).toBeGreaterThan(41);
  expect(found).toBeLessThanOrEqual(45);
  expect(rates[1]).toBe(250);
});

it('gives up when nothing is held', async () => {
  const { found, rates } = await tried(0, 500);
  expect(found).toBe(0);
  expect(rates.at(-1)).toBe(1);
});

it('tries no rate twice, and few of them', async () => {
  for (const limit of [1, 2, 3, 45, 700, 20_000]) {
    const { rates } = await tried(limit, 500);
    expect(new Set(rates).size).toBe(rates.length);
    expect(rates.length).toBeLessThan(14);
  }
});
