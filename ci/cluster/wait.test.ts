import { afterEach, describe, expect, it, vi } from 'vitest';
import { connected, patience, stretched, until } from './wait.ts';

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

describe('connected', () => {
  const failing = (...messages: string[]) =>
    vi.fn(async () => {
      const message = messages.shift();
      if (message) throw new Error(message);
      return 'done';
    });

  it('asks again where there was no connection', async () => {
    const work = failing('net/http: TLS handshake timeout');
    expect(await connected(work)).toBe('done');
    expect(work).toHaveBeenCalledTimes(2);
  });

  it('passes on what else went wrong, at once', async () => {
    const work = failing('deployments.apps is forbidden');
    await expect(connected(work)).rejects.toThrow('forbidden');
    expect(work).toHaveBeenCalledTimes(1);
  });
});
