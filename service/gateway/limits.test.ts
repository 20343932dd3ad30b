import { describe, expect, it } from 'vitest';
import { randomFrom } from '../../ci/testing/random.ts';
import { Refusal } from '../shared/errors.ts';
import { Limits } from './limits.ts';

/** Limits whose time the test sets. */
function limitsAt(start: string, limits: { requestsPerMinute?: number; tokensPerDay?: number }) {
  const time = { date: Date.parse(start), monotonic: 5000 };
  const counted = new Limits({ date: () => time.date, monotonic: () => time.monotonic });
  counted.configure(limits);
  const pass = (ms: number) => {
    time.date += ms;
    time.monotonic += ms;
  };
  const refusal = () => {
    try {
      counted.admit();
    } catch (error) {
      if (error instanceof Refusal) return error;
      throw error;
    }
    return undefined;
  };
  return { counted, time, pass, refusal, isAdmitted: () => refusal() === undefined };
}

describe('requests in a minute', () => {
  it('are taken up to the limit, and the next exactly when Retry-After says', () => {
    const { pass, refusal, isAdmitted } = limitsAt('2026-03-01T12:00:00Z', { requestsPerMinute: 3 });
    expect(isAdmitted()).toBe(true);
    pass(10_000);
    expect([isAdmitted(), isAdmitted(), isAdmitted()]).toEqual([true, true, false]);
    pass(20_500);
    expect(refusal()).toMatchObject({
      status: 429,
      message: 'this API key may send 3 requests in a minute: the next is taken in 30 s',
      retryAfter: 30,
      code: 'rate_limit_exceeded',
    });
    pass(29_499);
    expect(refusal()).toMatchObject({ retryAfter: 1 });
    pass(1);
    expect([isAdmitted(), isAdmitted()]).toEqual([true, false]);
    expect(refusal()).toMatchObject({ retryAfter: 10 });
  });

  it('are never more than the limit in any 60 seconds, and no fewer than there may be, whenever they come', () => {
    const random = randomFrom(3);
    const limit = 20;
    const { time, pass, isAdmitted } = limitsAt('2026-03-01T12:00:00Z', { requestsPerMinute: limit });
    const admitted: number[] = [];
    for (let n = 0; n < 5000; n++) {
      pass(random.below(random.below(10) === 0 ? 30_000 : 500));
      const inside = admitted.filter((at) => at > time.monotonic - 60_000).length;
      expect(isAdmitted()).toBe(inside < limit);
      if (inside < limit) admitted.push(time.monotonic);
    }
    expect(admitted.length).toBeGreaterThan(5 * limit);
  });

  it('are counted on when the limit changes, either way', () => {
    const { counted, pass, refusal, isAdmitted } = limitsAt('2026-03-01T12:00:00Z', { requestsPerMinute: 4 });
    for (let n = 0; n < 4; n++) {
      expect(isAdmitted()).toBe(true);
      pass(10_000);
    }
    counted.configure({ requestsPerMinute: 2 });
    // The third of the four has to leave.
    expect(refusal()).toMatchObject({ retryAfter: 40 });
    counted.configure({ requestsPerMinute: 5 });
    expect([isAdmitted(), isAdmitted()]).toEqual([true, false]);
    counted.configure({});
    expect(isAdmitted()).toBe(true);
  });

  it('do not depend on the date of the machine', () => {
    const { time, pass, isAdmitted } = limitsAt('2026-03-01T12:00:00Z', { requestsPerMinute: 1 });
    expect(isAdmitted()).toBe(true);
    time.date -= 3_600_000;
    expect(isAdmitted()).toBe(false);
    time.date += 7_200_000;
    expect(isAdmitted()).toBe(false);
    pass(60_000);
    expect(isAdmitted()).toBe(true);
  });
});

describe('tokens of a day', () => {
  it('are refused from the answer that used them up until midnight UTC', () => {
    const { counted, pass, refusal, isAdmitted } = limitsAt('2026-03-01T23:58:59.500Z', { tokensPerDay: 100 });
    expect([isAdmitted(), isAdmitted()]).toEqual([true, true]);
    counted.spent(99);
    expect(isAdmitted()).toBe(true);
    counted.spent(40);
    expect(refusal()).toMatchObject({
      status: 429,
      message: 'this API key has used up its 100 tokens of the day: a new one begins at 00:00 UTC',
      retryAfter: 61,
      code: 'insufficient_quota',
    });
    pass(60_499);
    expect(refusal()).toMatchObject({ retryAfter: 1 });
    pass(1);
    expect(isAdmitted()).toBe(true);
  });

  it('count for the day on which the answer ends', () => {
    const { counted, pass, isAdmitted } = limitsAt('2026-03-01T23:59:59Z', { tokensPerDay: 100 });
    counted.spent(100);
    pass(2000);
    counted.spent(99);
    expect(isAdmitted()).toBe(true);
    counted.spent(1);
    expect(isAdmitted()).toBe(false);
  });

  it('cost no request of the minute when they are used up', () => {
    const { counted, pass, isAdmitted } = limitsAt('2026-03-01T23:59:59Z', { tokensPerDay: 1, requestsPerMinute: 1 });
    counted.spent(1);
    expect(isAdmitted()).toBe(false);
    pass(1000);
    expect([isAdmitted(), isAdmitted()]).toEqual([true, false]);
  });
});

it('without limits, admits whatever comes', () => {
  const { counted, isAdmitted } = limitsAt('2026-03-01T12:00:00Z', {});
  counted.spent(1e12);
  for (let n = 0; n < 1000; n++) expect(isAdmitted()).toBe(true);
});
