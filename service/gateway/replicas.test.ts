import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { numbersFrom } from '../../ci/testing/random.ts';
import { createLogger } from '../shared/logging.ts';
import type { Reservation } from '../shared/reservation.ts';
import { type Lease, ReplicaSet } from './replicas.ts';

const log = createLogger('test', 'error');

const urlsOf = (count: number) => Array.from({ length: count }, (_, n) => `http://10.0.${n >> 8}.${n & 255}:8080`);
const [a, b, c] = urlsOf(3) as [string, string, string];

/** What the agents say, and what was asked and heard of them. */
class Agents {
  readonly sick = new Set<string>();
  readonly probed: string[] = [];
  /** The questions for a slot that have not been answered, with their replicas. */
  /** What is answered at once to those that come from now on. */
  word: Reservation | undefined;
  readonly asked: { url: string; answer(reservation: Reservation): void; fail(): void }[] = [];
  readonly rooms: (string | undefined)[] = [];
  readonly set: ReplicaSet;

  constructor(slots: number, urls: string[], random = numbersFrom(1)) {
    this.set = new ReplicaSet(slots, {
      log,
      random,
      isReady: async (url) => {
        this.probed.push(url);
        return !this.sick.has(url);
      },
      reserve: (url) => {
        const { promise, resolve, reject } = Promise.withResolvers<Reservation>();
        if (this.word) resolve(this.word);
        this.asked.push({ url, answer: resolve, fail: () => reject(new Error('status 404')) });
        return promise;
      },
      onRoom: (model) => this.rooms.push(model),
    });
    this.set.update(urls);
  }

  take(count: number, affinity?: number): Lease[] {
    return Array.from({ length: count }, () => this.set.acquire('m', affinity)!);
  }

  /** As many failures of one replica. */
  fail(url: string, count: number): void {
    const others = new Set(this.set.list().flatMap((replica) => (replica.url === url ? [] : [replica.url])));
    for (let n = 0; n < count; n++) this.set.acquire('m', undefined, others)!.release('failed');
  }

  stateOf(url: string) {
    return this.set.list().find((replica) => replica.url === url);
  }
}

let opened: Agents[] = [];
function agents(slots: number, urls: string[], random?: () => number): Agents {
  const all = new Agents(slots, urls, random);
  opened.push(all);
  return all;
}

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  for (const { set } of opened) set.close();
  opened = [];
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

/** The rooms told of since the last time, after the microtask that tells. */
async function roomsOf({ rooms }: Agents) {
  await Promise.resolve();
  return rooms.splice(0);
}

const countBy = (urls: string[]) =>
  urls.reduce((counts, url) => counts.set(url, (counts.get(url) ?? 0) + 1), new Map<string, number>());

describe('leases', () => {
  it('are as many as there are slots, for each model and each replica', () => {
    const { set } = agents(2, [a, b]);
    const leases = Array.from({ length: 4 }, () => set.acquire('m')!);
    expect(countBy(leases.map(({ url }) => url))).toEqual(new Map([a, b].map((url) => [url, 2])));
    expect(set.acquire('m')).toBeUndefined();
    expect(set.acquire('other')).toBeDefined();
    leases[0]!.release('answered');
    expect(set.acquire('m')?.url).toBe(leases[0]!.url);
  });

  it('are counted once, however often they are released', () => {
    const { set } = agents(2, [a]);
    const [one, two] = [set.acquire('m')!, set.acquire('n')!];
    expect([set.inFlight(), set.inFlight('m'), set.inFlight('n')]).toEqual([2, 1, 1]);
    for (const result of ['unused', 'answered', 'failed', 'full'] as const) one.release(result);
    expect([set.inFlight(), set.inFlight('m'), set.inFlight('n')]).toEqual([1, 0, 1]);
    two.release('answered');
    expect(set.list()).toEqual([{ url: a, state: 'in use', inFlight: 0, models: {}, full: [] }]);
  });

  it('keep away from the replicas that were named', () => {
    const { set } = agents(8, [a, b, c]);
    for (const affinity of [undefined, 1, 2, 3]) {
      expect(set.acquire('m', affinity, new Set([a, c]))!.url).toBe(b);
      expect(set.acquire('m', affinity, new Set([a, b, c]))).toBeUndefined();
    }
  });

  it('come and go with the number of slots', async () => {
    const all = agents(1, [a]);
    const { set } = all;
    const first = set.acquire('m')!;
    await roomsOf(all);
    set.slots = 3;
    expect(await roomsOf(all)).toEqual([undefined]);
    const more = [set.acquire('m')!, set.acquire('m')!];
    expect(set.acquire('m')).toBeUndefined();
    set.slots = 1;
    first.release('answered');
    more[0]!.release('answered');
    expect(set.acquire('m')).toBeUndefined();
    more[1]!.release('answered');
    expect(set.acquire('m')).toBeDefined();
  });

  it('all come back, whatever happens in between', async () => {
    const random = numbersFrom(7);
    const all = agents(3, urlsOf(8), random);
    const { set } = all;
    all.word = { reserved: true, shared: true };
    const open: Lease[] = [];
    const results = ['answered', 'answered', 'failed', 'full', 'unused'] as const;
    const pick = (count: number) => Math.floor(random() * count);
    for (let step = 0; step < 20_000; step++) {
      if (random() < 0.01) set.update(urlsOf(12).filter(() => random() < 0.7));
      if (random() < 0.05) await vi.advanceTimersByTimeAsync(pick(2000));
      const affinity = random() < 0.5 ? pick(2 ** 32) : undefined;
      const lease = random() < 0.55 && set.acquire(`m${pick(3)}`, affinity);
      if (lease) open.push(lease);
      else if (open.length > 0) open.splice(pick(open.length), 1)[0]!.release(results[pick(5)]!);
      expect(set.inFlight()).toBe(open.length);
    }
    for (const lease of open) lease.release('answered');
    all.word = { reserved: true, shared: false };
    set.update(urlsOf(12));
    await vi.advanceTimersByTimeAsync(120_000);
    expect([set.inFlight(), set.inFlight('m0'), set.inFlight('m1'), set.inFlight('m2')]).toEqual([0, 0, 0, 0]);
    expect(set.list()).toHaveLength(12);
    expect(set.list()).toEqual(
      expect.arrayContaining(urlsOf(12).map((url) => ({ url, state: 'in use', inFlight: 0, models: {}, full: [] }))),
    );
  });
});

describe('the choice', () => {
  it('of two at random keeps replicas about as loaded as each other', () => {
    const random = numbersFrom(3);
    const all = agents(1000, urlsOf(20), random);
    const open = all.take(400);
    for (let n = 0; n < 4000; n++) {
      open.splice(Math.floor(random() * open.length), 1)[0]!.release('answered');
      open.push(all.set.acquire('m')!);
    }
    // One at random would leave the most loaded with about 30 of 20 on average.
    const loads = all.set.list().map(({ inFlight }) => inFlight);
    expect(Math.max(...loads)).toBeLessThanOrEqual(25);
    expect(Math.min(...loads)).toBeGreaterThanOrEqual(15);
  });

  it('of two at random takes every replica as often', () => {
    const { set } = agents(1, urlsOf(10), numbersFrom(5));
    const urls = Array.from({ length: 10_000 }, () => {
      const lease = set.acquire('m')!;
      lease.release('answered');
      return lease.url;
    });
    const counts = [...countBy(urls).values()];
    expect(counts).toHaveLength(10);
    for (const count of counts) expect(Math.abs(count - 1000)).toBeLessThan(150);
  });

  it('by affinity is the same replica as long as that is not busier than others', () => {
    const { set } = agents(100, urlsOf(10));
    const home = set.acquire('m', 42)!;
    home.release('answered');
    for (let n = 0; n < 5; n++) {
      const lease = set.acquire('m', 42)!;
      expect(lease.url).toBe(home.url);
      lease.release('answered');
    }
    // With nothing in flight elsewhere a second request at the same time is more than its share, and goes to the next.
    const [first, second, third] = [1, 2, 3].map(() => set.acquire('m', 42)!);
    expect(first!.url).toBe(home.url);
    expect(new Set([first, second, third].map((lease) => lease!.url)).size).toBe(3);
    first!.release('answered');
    expect(set.acquire('m', 42)!.url).toBe(home.url);
  });

  it('by affinity spreads conversations over replicas, and models apart', () => {
    const { set } = agents(1, urlsOf(10));
    const random = numbersFrom(11);
    let same = 0;
    const urls = Array.from({ length: 10_000 }, () => {
      const affinity = Math.floor(random() * 2 ** 32);
      const lease = set.acquire('m', affinity)!;
      lease.release('answered');
      const other = set.acquire('other', affinity)!;
      other.release('answered');
      if (other.url === lease.url) same++;
      return lease.url;
    });
    for (const count of countBy(urls).values()) expect(Math.abs(count - 1000)).toBeLessThan(150);
    expect(Math.abs(same - 1000)).toBeLessThan(150);
  });

  it('by affinity leaves no replica with more than 1.25 times its share', () => {
    const replicas = 16;
    const all = agents(1000, urlsOf(replicas));
    // All of one conversation: what affinity alone would pile up on one replica.
    for (let open = 1; open <= 800; open++) {
      expect(all.set.acquire('m', 42)).toBeDefined();
      const most = Math.max(...all.set.list().map(({ inFlight }) => inFlight));
      expect(most).toBeLessThanOrEqual(Math.ceil((1.25 * open) / replicas));
    }
  });

  it('by affinity counts only the replicas that may take the request', () => {
    const { set } = agents(2, urlsOf(4));
    const leases = Array.from({ length: 8 }, () => set.acquire('m', 42));
    expect(leases.every((lease) => lease !== undefined)).toBe(true);
    expect(set.acquire('m', 42)).toBeUndefined();
  });

  it('by affinity moves only the share of a replica that comes or goes', () => {
    const { set } = agents(1, urlsOf(10));
    const homes = () =>
      Array.from({ length: 5000 }, (_, n) => {
        const lease = set.acquire('m', Math.imul(n, 0x9e3779b1) >>> 0)!;
        lease.release('unused');
        return lease.url;
      });
    const ten = homes();
    const eleventh = urlsOf(11).at(-1)!;
    set.update(urlsOf(11));
    const eleven = homes();
    const moved = eleven.filter((url, n) => url !== ten[n]);
    expect(new Set(moved)).toEqual(new Set([eleventh]));
    expect(Math.abs(moved.length - 5000 / 11)).toBeLessThan(90);
    set.update(urlsOf(10));
    expect(homes()).toEqual(ten);
    set.update(urlsOf(10).filter((url) => url !== a));
    const nine = homes();
    expect(ten.every((url, n) => url === a || url === nine[n])).toBe(true);
  });
});

describe('another list of replicas', () => {
  it('keeps the state of those that stay', async () => {
    const all = agents(4, [a, b]);
    all.take(3);
    all.fail(b, 3);
    const before = all.stateOf(a);
    await roomsOf(all);
    all.set.update([c, b, a, a]);
    expect(await roomsOf(all)).toEqual([undefined]);
    expect(all.set.known).toBe(3);
    expect(all.stateOf(a)).toEqual(before);
    expect(all.stateOf(b)?.state).toBe('ejected');
    all.set.update([a, b, c]);
    expect(await roomsOf(all)).toEqual([]);
  });

  it('lets those that go finish what they have, and no more', async () => {
    const all = agents(4, [a]);
    const [lease, other] = all.take(2);
    all.set.update([b]);
    expect(all.set.known).toBe(1);
    expect(all.stateOf(a)).toMatchObject({ state: 'gone', inFlight: 2 });
    expect(all.take(4).every(({ url }) => url === b)).toBe(true);
    expect(all.set.acquire('m')).toBeUndefined();
    await roomsOf(all);
    lease!.release('answered');
    other!.release('failed');
    expect(await roomsOf(all)).toEqual([]);
    expect(all.stateOf(a)).toBeUndefined();
    expect(all.set.acquire('m')).toBeUndefined();
  });

  it('counts what is still open on one that comes back, and trusts it anew', async () => {
    const all = agents(4, [a, b]);
    const [lease] = [all.set.acquire('m', undefined, new Set([b]))!];
    all.fail(a, 3);
    all.set.update([b]);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(all.probed).toEqual([]);
    all.set.update([a, b]);
    expect(all.stateOf(a)).toMatchObject({ state: 'in use', inFlight: 1 });
    lease!.release('answered');
    expect(all.stateOf(a)).toMatchObject({ inFlight: 0, models: {} });
  });

  it('does not judge one that is gone by what becomes of its requests', async () => {
    const all = agents(4, [a]);
    const leases = all.take(4);
    all.set.update([b]);
    for (const lease of leases.slice(0, 3)) lease.release('failed');
    expect(vi.getTimerCount()).toBe(0);
    all.set.update([a, b]);
    expect(all.stateOf(a)).toMatchObject({ state: 'in use', inFlight: 1 });
    all.set.update([b]);
    leases[3]!.release('full');
    await vi.advanceTimersByTimeAsync(60_000);
    expect([all.probed, all.asked, all.set.list().length]).toEqual([[], [], 1]);
  });

  it('may be empty', () => {
    const { set } = agents(4, [a]);
    set.update([]);
    expect([set.known, set.ejected, set.allEjected, set.acquire('m'), set.list()]).toEqual([
      ...[0, 0, false, undefined],
      [],
    ]);
  });
});

describe('the circuit', () => {
  it('opens after three failures in a row, and no sooner', () => {
    const all = agents(4, [a, b]);
    all.fail(a, 2);
    all.set.acquire('m', undefined, new Set([b]))!.release('answered');
    all.fail(a, 2);
    expect(all.set.ejected).toBe(0);
    all.fail(a, 1);
    expect([all.set.ejected, all.set.allEjected, all.stateOf(a)?.state]).toEqual([1, false, 'ejected']);
    expect(all.take(4).every(({ url }) => url === b)).toBe(true);
    expect(all.set.acquire('m')).toBeUndefined();
  });

  it('says when no replica is left', () => {
    const all = agents(4, [a, b]);
    all.fail(a, 3);
    all.fail(b, 3);
    expect([all.set.allEjected, all.set.acquire('m'), all.set.acquire('m', 1)]).toEqual([true, undefined, undefined]);
  });

  it('closes after one good answer of the prober, which asks ever less often', async () => {
    const all = agents(4, [a, b]);
    all.sick.add(a);
    all.fail(a, 3);
    await roomsOf(all);
    await vi.advanceTimersByTimeAsync(1000);
    expect(all.probed).toEqual([a]);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(all.probed.length).toBeGreaterThan(2);
    await vi.advanceTimersByTimeAsync(600_000);
    const probes = all.probed.length;
    await vi.advanceTimersByTimeAsync(600_000);
    expect(all.probed.length - probes).toBeGreaterThanOrEqual(20);
    expect(all.probed.length - probes).toBeLessThanOrEqual(40);
    expect([all.set.ejected, await roomsOf(all)]).toEqual([1, []]);
    all.sick.clear();
    await vi.advanceTimersByTimeAsync(30_000);
    expect([all.set.ejected, await roomsOf(all)]).toEqual([0, [undefined]]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('opens at the next failure of one that was put back, until it has answered', async () => {
    const all = agents(4, [a, b]);
    all.fail(a, 3);
    await vi.advanceTimersByTimeAsync(1000);
    expect(all.set.ejected).toBe(0);
    all.fail(a, 1);
    expect(all.set.ejected).toBe(1);
    // To be ready without answering is worth ever less.
    await vi.advanceTimersByTimeAsync(900);
    expect(all.set.ejected).toBe(1);
    await vi.advanceTimersByTimeAsync(1100);
    expect(all.set.ejected).toBe(0);
    all.set.acquire('m', undefined, new Set([b]))!.release('answered');
    all.fail(a, 2);
    expect(all.set.ejected).toBe(0);
  });

  it('minds no failures but failures', async () => {
    const all = agents(4, [a]);
    all.word = { reserved: true, shared: false };
    for (const result of ['unused', 'full', 'unused', 'full'] as const) {
      all.set.acquire('m')!.release(result);
      await vi.advanceTimersByTimeAsync(5000);
    }
    expect(all.set.ejected).toBe(0);
  });

  it('asks no more once the set is closed', async () => {
    const all = agents(4, [a]);
    all.fail(a, 3);
    all.set.close();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(all.probed).toEqual([]);
  });
});

describe('a full replica', () => {
  it('gets no request for the model, and all for others', () => {
    const all = agents(4, [a, b]);
    const lease = all.set.acquire('m')!;
    lease.release('full');
    expect(all.stateOf(lease.url)?.full).toEqual(['m']);
    expect(all.take(4).every(({ url }) => url !== lease.url)).toBe(true);
    expect(all.set.acquire('m')).toBeUndefined();
    expect(countBy(Array.from({ length: 8 }, () => all.set.acquire('other')!.url)).get(lease.url)).toBe(4);
  });

  it("gets no other when one of ours ends, since that place may be another gateway's", async () => {
    const all = agents(4, [a]);
    const [one, , three] = all.take(3);
    three!.release('full');
    await roomsOf(all);
    one!.release('answered');
    expect([await roomsOf(all), all.set.acquire('m')]).toEqual([[], undefined]);
  });

  it('is asked for its word as soon as a request waits, once at a time, and gets one for each word', async () => {
    const all = agents(4, [a]);
    all.set.acquire('m')!.release('full');
    expect(all.asked).toEqual([]);
    for (let n = 0; n < 3; n++) expect(all.set.acquire('m')).toBeUndefined();
    expect(all.asked.map(({ url }) => url)).toEqual([a]);
    for (let turn = 1; turn < 4; turn++) {
      await roomsOf(all);
      all.asked.at(-1)!.answer({ reserved: true, shared: true });
      await vi.advanceTimersByTimeAsync(0);
      expect(await roomsOf(all)).toEqual(['m']);
      expect(all.set.acquire('m')).toBeDefined();
      expect(all.set.acquire('m')).toBeUndefined();
      expect(all.asked).toHaveLength(turn + 1);
    }
  });

  it('gets as many as it has slots again when nobody else fills it', async () => {
    const all = agents(4, [a]);
    all.set.acquire('m')!.release('full');
    all.set.acquire('m');
    all.asked[0]!.answer({ reserved: true, shared: false });
    await vi.advanceTimersByTimeAsync(0);
    expect([all.stateOf(a)?.full, vi.getTimerCount()]).toEqual([[], 0]);
    expect(all.take(4).every((lease) => lease)).toBe(true);
  });

  it('gets no more than it took when nobody else fills it, and one more for each that it has answered', async () => {
    const all = agents(8, [a]);
    const leases = all.take(5).map((lease) => lease!);
    for (const lease of leases.splice(2)) lease.release('full');
    all.set.acquire('m');
    all.asked[0]!.answer({ reserved: true, shared: false });
    await vi.advanceTimersByTimeAsync(0);
    const room = () => Array.from({ length: 8 }, () => all.set.acquire('m')).filter((lease) => lease !== undefined);
    expect(room()).toEqual([]);
    leases[0]!.release('answered');
    expect(room()).toHaveLength(2);
  });

  it('gets as many as it has slots again when others filled it', async () => {
    const all = agents(4, [a]);
    const [one, other] = all.take(2);
    other!.release('full');
    for (const shared of [true, false]) {
      all.set.acquire('m');
      await roomsOf(all);
      all.asked.at(-1)!.answer({ reserved: false, shared });
      await vi.advanceTimersByTimeAsync(0);
    }
    one!.release('answered');
    expect(all.take(4).every((lease) => lease)).toBe(true);
  });

  it('is asked again for whoever still waits, when it had no room in its time', async () => {
    const all = agents(4, [a]);
    all.set.acquire('m')!.release('full');
    all.set.acquire('m');
    await roomsOf(all);
    all.asked[0]!.answer({ reserved: false, shared: true });
    await vi.advanceTimersByTimeAsync(0);
    expect(await roomsOf(all)).toEqual(['m']);
    expect(all.set.acquire('m')).toBeUndefined();
    expect(all.asked).toHaveLength(2);
  });

  it('is tried again after a while when it does not say', async () => {
    const all = agents(4, [a]);
    all.set.acquire('m')!.release('full');
    all.set.acquire('m');
    all.asked[0]!.fail();
    await vi.advanceTimersByTimeAsync(0);
    expect(all.set.acquire('m')).toBeUndefined();
    await vi.advanceTimersByTimeAsync(1000);
    expect([all.asked.length, vi.getTimerCount()]).toEqual([1, 0]);
    expect(all.set.acquire('m')).toBeDefined();
  });

  it('gets its share again while others have room, once it is no longer filled', async () => {
    const all = agents(4, [a, b]);
    all.set.acquire('m', undefined, new Set([b]))!.release('full');
    expect(all.set.acquire('m')?.url).toBe(b);
    expect(all.asked).toEqual([]);
    await vi.advanceTimersByTimeAsync(5000);
    expect(all.asked).toHaveLength(1);
    all.asked[0]!.answer({ reserved: true, shared: false });
    await vi.advanceTimersByTimeAsync(0);
    expect(countBy(all.take(7).map(({ url }) => url)).get(a)).toBe(4);
  });

  it('is forgotten when it goes', async () => {
    const all = agents(4, [a]);
    all.set.acquire('m')!.release('full');
    all.set.update([]);
    await vi.advanceTimersByTimeAsync(1000);
    expect([all.asked, vi.getTimerCount()]).toEqual([[], 0]);
    all.set.update([a]);
    expect(all.set.acquire('m')).toBeDefined();
  });
});

describe('the news of room', () => {
  it('comes once for all that happens at a time, after it has happened', async () => {
    const all = agents(4, [a, b]);
    const leases = [...all.take(3), all.set.acquire('other')!];
    await roomsOf(all);
    for (const lease of leases) lease.release('answered');
    expect(all.rooms).toEqual([]);
    expect(await roomsOf(all)).toEqual(['m', 'other']);
    all.set.acquire('m')!.release('answered');
    all.set.update([a, b, c]);
    expect(await roomsOf(all)).toEqual([undefined]);
  });

  it('lets whoever hears it acquire and release at once', async () => {
    let heard = 0;
    const set = new ReplicaSet(1, {
      log,
      isReady: async () => true,
      reserve: async () => ({ reserved: false, shared: true }),
      onRoom: () => {
        if (++heard < 5) set.acquire('m')!.release('answered');
      },
    });
    set.update([a]);
    await vi.advanceTimersByTimeAsync(0);
    expect([heard, set.inFlight()]).toEqual([5, 0]);
    set.close();
  });
});
