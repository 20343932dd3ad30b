import { afterEach, describe, expect, it, vi } from 'vitest';
import { patience, stretched, until } from './wait.ts';

describe('patience', () => {
  afterEach(() => vi.unstubAllEnvs());

  it('is 1 unless the environment says otherwise', () => {
    vi.stubEnv('MODEL_MANAGEMENT_PATIENCE', undefined);
    expect([patience(), patience(''), patience('2.5'), stretched(120)]).toEqual([1, 1, 2.5, 120]);
    vi.stubEnv('MODEL_MANAGEMENT_PATIENCE', '10');
    expect(stretched(120)).toBe(1200);
  });

  it.each(['0', '0.5', '101', '-3', 'long', 'NaN'])('refuses %j', (value) => {
    expect(() => patience(value)).toThrow(`MODEL_MANAGEMENT_PATIENCE=${value}: not a number from 1 to 100: `);
  });

  it('stretches every wait', async () => {
    const calls = async () => {
      let count = 0;
      expect(await until(50, 10, () => void count++)).toBeUndefined();
      return count;
    };
    vi.stubEnv('MODEL_MANAGEMENT_PATIENCE', '1');
    const usual = await calls();
    vi.stubEnv('MODEL_MANAGEMENT_PATIENCE', '4');
    expect(await calls()).toBeGreaterThan(usual);
  });
});
