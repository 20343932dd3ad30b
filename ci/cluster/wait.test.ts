import { afterEach, describe, expect, it, vi } from 'vitest';
import { connected, patience, stretched, until } from './wait.ts';

describe('patience', () => {
  afterEach(() => {
    vi.unstubAllEnvs();
    vi.useRealTimers();
  });

  it('is 1 unless the environment says otherwise', () => {
    vi.stubEnv('MODEL_MANAGEMENT_PATIENCE', undefined);
    expect([patience(), patience(''), patience('2.5'), stretched(120)]).toEqual([1, 1, 2.5, 120]);
    vi.stubEnv('MODEL_MANAGEMENT_PATIENCE', '10');
    expect(stretched(120)).toBe(1200);
  });

  it.each(['0', '0.5', '101', '-3', 'long', 'NaN'])('refuses %j', (value) => {
    expect(() => patience(value)).toThrow(`MODEL_MANAGEMENT_PATIENCE=${value}: not a number from 1 to 100: `);
  });

  it('stretches every wait, and what passes between two questions', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'performance'] });
    vi.stubEnv('MODEL_MANAGEMENT_PATIENCE', '4');
    const asked: number[] = [];
    const start = performance.now();
    const waiting = until(50, 20, () => void asked.push(performance.now() - start));
    await vi.runAllTimersAsync();
    expect(await waiting).toBeUndefined();
    expect(asked).toEqual([0, 80, 160, 240]);
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
