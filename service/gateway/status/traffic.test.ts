import { beforeEach, describe, expect, it } from 'vitest';
import type { GatewayModelStatus, GatewayStatus } from '../../shared/status.ts';
import { History } from './history.ts';
import { LiveCounts } from './live-counts.ts';
import { stepMs, Traffic } from './traffic.ts';

/** A gateway that counts as the real one does. */
class Gateway {
  readonly tally = new LiveCounts();
  readonly now: Record<string, Pick<GatewayModelStatus, 'inFlight' | 'waiting' | 'oldestMs'>> = {};
  ejected: string[] = [];
  readonly #id: string;
  readonly #upMs: number;

  constructor(id: string, upMs = 3_600_000) {
    this.#id = id;
    this.#upMs = upMs;
  }

  get status(): GatewayStatus {
    const models = ['a', 'b'].flatMap((key): [string, GatewayModelStatus][] => {
      const counted = this.tally.of(key);
      return counted ? [[key, { ...counted, inFlight: 0, waiting: {}, oldestMs: 0, ...this.now[key] }]] : [];
    });
    return { id: this.#id, upMs: this.#upMs, models: Object.fromEntries(models), ejected: this.ejected };
  }

  answer(model: string, times: number, seconds: number): void {
    for (let count = 0; count < times; count++) this.tally.ended(model, 200, seconds);
  }
}

let traffic: Traffic;
let at: number;

beforeEach(() => {
  at = 0;
  traffic = new Traffic(at);
});

function step(...gateways: Gateway[]): void {
  at += stepMs;
  traffic.heard(gateways.map(({ status }) => status));
  traffic.step(at, 1_700_000_000_000 + at);
}

describe('the requests of the fleet', () => {
  it('are those of all gateways, by the second over the last minute', () => {
    const [one, other] = [new Gateway('one'), new Gateway('other')];
    step(one, other);
    one.answer('a', 20, 1);
    other.answer('a', 40, 1);
    other.tally.ended('a', 503, 1);
    other.tally.refused('a');
    other.tally.wrote('a', 600);
    step(one, other);
    expect(traffic.rates('a')).toMatchObject({ requests: 61 / 20, errors: 1 / 20, refused: 1 / 20, tokens: 30 });
    for (let count = 0; count < 6; count++) step(one, other);
    expect(traffic.rates('a')).toMatchObject({ requests: 0, errors: 0, refused: 0, tokens: 0 });
  });

  it('take the time that really passed', () => {
    const one = new Gateway('one');
    step(one);
    one.answer('a', 30, 1);
    at += stepMs;
    step(one);
    expect(traffic.rates('a').requests).toBe(1);
  });

  it('have quantiles over five minutes, and none where nothing was answered', () => {
    const one = new Gateway('one');
    step(one);
    expect(traffic.rates('a')).not.toHaveProperty('p95');
    one.answer('a', 90, 1);
    one.answer('a', 10, 60);
    one.tally.waited('a', 4);
    step(one);
    for (let count = 0; count < 29; count++) {
      expect(traffic.rates('a').p50).toBeCloseTo(1, 1);
      expect(traffic.rates('a').p95! / 60).toBeCloseTo(1, 1);
      expect(traffic.rates('a').waitP95! / 4).toBeCloseTo(1, 1);
      step(one);
    }
    step(one);
    expect(traffic.rates('a')).not.toHaveProperty('p95');
  });

  it('of several models are those of all of them', () => {
    const one = new Gateway('one');
    step(one);
    one.answer('a', 10, 1);
    one.answer('b', 10, 9);
    step(one);
    expect(traffic.rates('a', 'b').requests).toBe(1);
    expect(traffic.rates('a', 'b').p50).toBeCloseTo(1, 1);
    expect(traffic.rates('a', 'b').p95! / 9).toBeCloseTo(1, 1);
    expect(traffic.rates()).toMatchObject({ requests: 0 });
  });

  it('of a gateway that was there before are not taken for new ones', () => {
    const before = new Gateway('before');
    before.answer('a', 1000, 1);
    step(before);
    expect(traffic.rates('a').requests).toBe(0);
    before.answer('a', 10, 1);
    step(before);
    expect(traffic.rates('a').requests).toBe(0.5);
  });

  it('of a gateway that has just started are counted from its start', () => {
    step();
    const fresh = new Gateway('fresh', 4000);
    fresh.answer('a', 10, 1);
    step(fresh);
    expect(traffic.rates('a').requests).toBe(0.5);
  });

  it('go on when one gateway takes the place of another', () => {
    const one = new Gateway('one');
    step(one);
    one.answer('a', 100, 1);
    step(one);
    step(new Gateway('next', 2000));
    expect(traffic.rates('a').requests).toBe(3.333);
    expect(traffic.gateways).toBe(1);
  });

  it('cannot be told before the first step', () => {
    expect(traffic.rates('a')).toEqual({});
    expect(traffic.since).toBeUndefined();
  });
});

describe('what is going on', () => {
  it('is the sum over the gateways, and the wait the longest', () => {
    const [one, other] = [new Gateway('one'), new Gateway('other')];
    for (const gateway of [one, other]) gateway.answer('a', 1, 1);
    one.now.a = { inFlight: 2, waiting: { interactive: 1, batch: 3 }, oldestMs: 2400 };
    other.now.a = { inFlight: 1, waiting: { standard: 1 }, oldestMs: 40_000 };
    one.ejected = ['http://x:1'];
    other.ejected = ['http://x:1', 'http://y:1'];
    traffic.heard([one.status, other.status]);
    expect(traffic.now('a')).toEqual({ inFlight: 3, waiting: 5, oldest: 40 });
    expect(traffic.now('b')).toEqual({ inFlight: 0, waiting: 0, oldest: 0 });
    expect(Object.fromEntries(traffic.ejected)).toEqual({ 'http://x:1': 2, 'http://y:1': 1 });
  });
});

describe('the history', () => {
  it('has a value for each step, of a model that came later too', () => {
    const one = new Gateway('one');
    step(one);
    step(one);
    one.answer('a', 50, 2);
    one.now.a = { inFlight: 1, waiting: { standard: 4 }, oldestMs: 1 };
    step(one);
    expect(traffic.historyOf('a')).toMatchObject({
      times: [1_700_000_010_000, 1_700_000_020_000, 1_700_000_030_000],
      requests: [0, 0, 5],
      waiting: [0, 0, 4],
      inFlight: [0, 0, 1],
      p50: [null, null, expect.closeTo(2, 0)],
    });
    expect(traffic.historyOf('b')).toMatchObject({ requests: [0, 0, 0], p95: [null, null, null] });
    expect(traffic.historyOfAll(['a', 'b'])).toMatchObject({ requests: [0, 0, 5] });
    expect(traffic.since).toBe(1_700_000_000_000);
  });

  it('is bounded, and forgets the oldest', () => {
    const history = new History({ value: 0 }, 3);
    for (const value of [1, 2, 3, 4]) history.record(value * 10, new Map([['a', { value }]]));
    expect(history.times).toEqual([20, 30, 40]);
    expect(history.of('a').value).toEqual([2, 3, 4]);
    history.keep(() => false);
    expect(history.of('a').value).toEqual([0, 0, 0]);
  });

  it('is forgotten of models that are no more', () => {
    const one = new Gateway('one');
    step(one);
    one.answer('a', 10, 1);
    step(one);
    traffic.keep((key) => key !== 'a');
    expect(traffic.historyOf('a').requests).toEqual([0, 0]);
  });
});
