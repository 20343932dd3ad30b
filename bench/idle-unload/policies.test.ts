import { describe, expect, test } from 'vitest';
import { lossAt } from '../sweep.ts';
import { ExpectedRate } from './expected-rate.ts';
import { fakeTraces, hour } from './fake-requests.ts';
import { play } from './play.ts';
import { byExpectedRate, byHistogram, keepAlives, plain, rates } from './policies.ts';
import { type Requests, twoWeeks } from './requests.ts';

const minute = 60;

/** Cold starts by the expected rate and by plain keep-alives, at the residency of a plain one. */
function compare(requests: Requests, minutes: number): [own: number, plain: number, resident: number] {
  const { cost, loss } = play(plain(minutes * minute), requests);
  const own = rates.filter((_, index) => index % 2 === 0).map((rate) => play(byExpectedRate(rate), requests));
  return [lossAt(cost, own), loss, cost];
}

describe('the expected rate', () => {
  test('comes near the rate of a model that is asked at it for long, falls while nobody asks, and is met on the way', () => {
    const expected = new ExpectedRate();
    for (let at = 0; at < 10 * 24 * hour; at += 10 * minute) expected.asked(at);
    expect(Math.abs(expected.after(0) * hour - 6)).toBeLessThan(0.5);
    expect(expected.after(hour)).toBeLessThan(expected.after(minute));
    const keep = expected.keepSeconds(2 / hour, 24 * hour);
    expect(expected.after(keep) * hour).toBeCloseTo(2, 2);
    expect(expected.keepSeconds(100 / hour, 24 * hour)).toBe(0);
    expect(expected.keepSeconds(0, 24 * hour)).toBe(24 * hour);
  });

  test('knows nothing of later requests', () => {
    const [some, more] = [
      [0, 500, 900],
      [0, 500, 900, 901, 902, 5000],
    ].map((times) => {
      const after = byExpectedRate(2 / hour)(times);
      return [0, 1, 2].map(after);
    });
    expect(some).toEqual(more);
  });

  test('gains on models whose rates differ or change', () => {
    for (const trace of ['other rates all the time', 'models that come into use and go out of it'] as const) {
      const [own, theirs] = compare(fakeTraces[trace](), 30);
      expect(own).toBeLessThan(0.8 * theirs);
    }
  });

  test('gains nothing where there is nothing to learn: what is not resident is cold', () => {
    const [own, theirs, resident] = compare(fakeTraces['the same rates all the time'](), 30);
    for (const cold of [own, theirs]) expect(Math.abs(cold - (1 - resident))).toBeLessThan(0.03);
  });

  // Why it is not in the agent.
  test.each(['office hours', 'a single burst'] as const)('loses to plain ten minutes on %s', (trace) => {
    const [own, theirs] = compare(fakeTraces[trace](), 10);
    expect(own).toBeGreaterThan(theirs);
  });
});

describe('the histogram of idle times', () => {
  test('loads a model ahead of requests that come by the clock, and unloads it in between', () => {
    const times = Array.from({ length: 14 * 48 }, (_, index) => index * 30 * minute);
    const requests = { byModel: new Map([['a', times]]), ...twoWeeks };
    const { cost, loss } = play(byHistogram(4 * hour), requests);
    expect(loss).toBe(0);
    expect(cost).toBeLessThan(0.15);
    expect(play(plain(29 * minute), requests).loss).toBe(1);
  });

  test('keeps a model for all of its range where its requests come later, or anyhow', () => {
    const rare = Array.from({ length: 14 }, (_, index) => index * 24 * hour);
    expect(byHistogram(hour)(rare)(5)).toEqual([[0, hour]]);
    expect(byHistogram(hour)([0])(0)).toEqual([[0, hour]]);
  });
});

test('the keep-alives that are tried go from hardly loaded to nearly always', () => {
  const points = [keepAlives[0]!, keepAlives.at(-1)!].map((seconds) =>
    play(plain(seconds), fakeTraces['the same rates all the time']()),
  );
  expect(points[0]!.cost).toBeLessThan(0.05);
  expect(points[1]!.cost).toBeGreaterThan(0.99);
});
