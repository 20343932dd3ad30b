import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { AgentConfig } from '../../schema/config.ts';
import type { Refusal } from '../shared/errors.ts';
import type { Reservation } from '../shared/reservation.ts';
import { agentConfig } from '../testing/hops.ts';
import { Admission } from './admission.ts';

const config = agentConfig('http://127.0.0.1:1', { small: { name: 'small' }, large: { name: 'large' } });

let admission: Admission;
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  admission = new Admission(config);
});
afterEach(() => {
  vi.useRealTimers();
});

function refusal(model = 'small', gateway?: string): Refusal | undefined {
  try {
    admission.admit(model, gateway).release(false);
    return undefined;
  } catch (error) {
    return error as Refusal;
  }
}

const fill = (count = 3, gateway?: string) => Array.from({ length: count }, () => admission.admit('small', gateway));
const counts = () => admission.counts().small;

describe('slots', () => {
  it('are as many for each model as run at a time, and the allowance', () => {
    const slots = fill();
    expect(refusal()).toMatchObject({ status: 503, retryAfter: 1 });
    expect(refusal('large')).toBeUndefined();
    slots[0]!.release(true);
    slots[0]!.release(true);
    expect(counts()).toEqual({ slots: 3, inFlight: 2 });
    fill(1);
    expect(refusal()).toBeDefined();
  });

  it('change with the configuration, also of those that have too many by then', () => {
    const slots = fill();
    admission.configure({ ...config, parallel: 1, allowance: 0 });
    expect(admission.counts()).toEqual({ small: { slots: 1, inFlight: 3 }, large: { slots: 1, inFlight: 0 } });
    for (const slot of slots) {
      expect(refusal()).toBeDefined();
      slot.release(false);
    }
    expect(refusal()).toBeUndefined();
    admission.configure({ ...config, models: {} as AgentConfig['models'] });
    expect(admission.counts()).toEqual({});
  });

  it('are to be asked for again after the time in which one becomes free', () => {
    const serve = (seconds: number, answered: boolean) => {
      const slots = fill();
      for (const slot of slots) slot.run();
      vi.advanceTimersByTime(seconds * 1000);
      for (const slot of slots) slot.release(answered);
    };
    const retryAfter = () => {
      const slots = fill();
      const after = refusal()!.retryAfter;
      for (const slot of slots) slot.release(true);
      return after;
    };
    serve(0.1, true);
    expect(retryAfter()).toBe(1);
    for (let n = 0; n < 20; n++) serve(20, true);
    expect(retryAfter()).toBe(7);
    // A client that leaves says nothing about how long an answer takes.
    for (let n = 0; n < 20; n++) serve(1, false);
    expect(retryAfter()).toBe(7);
    for (let n = 0; n < 20; n++) serve(3600, true);
    expect(retryAfter()).toBe(60);
  });

  it('are told apart by what runs and what waits', () => {
    const slots = fill();
    expect(admission.load()).toEqual({ running: 0, waiting: 3, capacity: 4 });
    for (const slot of slots) slot.run();
    admission.admit('large').run();
    expect(admission.load()).toEqual({ running: 3, waiting: 1, capacity: 4 });
    slots[0]!.release(true);
    expect(admission.load()).toEqual({ running: 3, waiting: 0, capacity: 4 });
  });
});

describe('a reservation', () => {
  const never = new AbortController().signal;
  const reserve = (gateway: string, signal = never) => admission.reserve('small', gateway, signal);

  /** What a reservation was answered, or that it has not been. */
  async function answerTo(reservation: Promise<Reservation>): Promise<Reservation | 'none'> {
    return Promise.race([reservation, Promise.resolve('none' as const).then((none) => none)]);
  }

  it('keeps a free slot for its gateway alone', async () => {
    fill(2, 'a');
    expect(await reserve('b')).toEqual({ reserved: true, shared: true });
    expect(counts()).toEqual({ slots: 3, inFlight: 2 });
    expect([refusal('small', 'a'), refusal()]).toMatchObject([{ status: 503 }, { status: 503 }]);
    admission.admit('small', 'b');
    expect(refusal('small', 'b')).toBeDefined();
  });

  it('is waited for until a slot becomes free, by each gateway in turn, and nobody gets before them', async () => {
    const slots = fill(3, 'a');
    const waiting = ['b', 'c', 'b'].map((gateway) => reserve(gateway));
    for (let turn = 0; turn < 3; turn++) {
      expect(await answerTo(waiting[turn]!)).toBe('none');
      slots[turn]!.release(true);
      expect(refusal('small', 'a')).toBeDefined();
      expect(await waiting[turn]).toEqual({ reserved: true, shared: true });
    }
  });

  it('is over when no request came in time', async () => {
    fill(2, 'a');
    await reserve('b');
    vi.advanceTimersByTime(1500);
    expect(refusal('small', 'a')).toBeDefined();
    const next = reserve('c');
    vi.advanceTimersByTime(600);
    expect(await next).toMatchObject({ reserved: true });
    vi.advanceTimersByTime(2100);
    expect(refusal('small', 'a')).toBeUndefined();
  });

  it('is not made within the time for which a gateway is let wait, nor for one that has left', async () => {
    const slots = fill(3, 'a');
    const late = reserve('b');
    const leave = new AbortController();
    const left = reserve('c', leave.signal);
    leave.abort();
    vi.advanceTimersByTime(15_100);
    expect(await late).toEqual({ reserved: false, shared: true });
    expect(await left).toMatchObject({ reserved: false });
    slots[0]!.release(true);
    expect(refusal('small', 'd')).toBeUndefined();
  });

  it('tells whether anybody else has or wants slots of the model', async () => {
    const slots = fill(3, 'a');
    const own = reserve('a');
    slots[0]!.release(true);
    expect(await own).toEqual({ reserved: true, shared: false });
    admission.admit('small', 'a');
    const [mine, others] = [reserve('a'), reserve('b')];
    slots[1]!.release(true);
    expect(await mine).toEqual({ reserved: true, shared: true });
    slots[2]!.release(true);
    await others;
    // Clients that come by no gateway are others too.
    vi.advanceTimersByTime(3000);
    admission.admit('small');
    expect(await reserve('a')).toMatchObject({ shared: true });
  });

  it('is refused to all who wait when no more is taken', async () => {
    fill(3, 'a');
    const waiting = [reserve('a'), reserve('b')];
    admission.close();
    for (const answer of waiting) expect(await answer).toMatchObject({ reserved: false });
  });

  it('comes from a configuration with more slots too', async () => {
    vi.useRealTimers();
    fill(3, 'a');
    const waiting = reserve('b');
    await sleep(10);
    admission.configure({ ...config, allowance: 2 });
    expect(await waiting).toMatchObject({ reserved: true });
  });
});
