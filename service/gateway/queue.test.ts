import { describe, expect, it } from 'vitest';
import type { Priority } from '../../schema/types.ts';
import { FairQueue } from './queue.ts';

class Item {
  readonly priority: Priority;
  readonly flow: string;
  readonly number: number;

  constructor(priority: Priority, flow = 'someone', number = 0) {
    this.priority = priority;
    this.flow = flow;
    this.number = number;
  }
}

const many = (count: number, priority: Priority, flow?: string) =>
  Array.from({ length: count }, (_, number) => new Item(priority, flow, number));

function queueOf(items: Item[], depth = 1_000_000): FairQueue<Item> {
  const queue = new FairQueue<Item>(depth);
  for (const item of items) queue.push(item);
  return queue;
}

/** Takes so many, each of which costs what `cost` says. */
function serve(queue: FairQueue<Item>, count: number, cost: (item: Item) => number = () => 1): Item[] {
  return Array.from({ length: count }, () => {
    const item = queue.take()!;
    queue.settle(item, cost(item));
    return item;
  });
}

const count = (items: Item[], of: Partial<Item>) =>
  items.filter((item) => Object.entries(of).every(([key, value]) => item[key as keyof Item] === value)).length;

describe('whose turn it is', () => {
  it('is that of the first who came, among those of one flow', () => {
    const items = many(5, 'standard');
    const queue = queueOf(items);
    expect(queue.peek()).toBe(items[0]);
    expect(serve(queue, 5)).toEqual(items);
    expect([queue.take(), queue.peek(), queue.size]).toEqual([undefined, undefined, 0]);
  });

  it('is that of an urgent request that comes while less urgent ones flood, always', () => {
    const queue = queueOf([...many(500, 'batch'), ...many(500, 'standard')]);
    for (let round = 0; round < 200; round++) {
      serve(queue, 1 + (round % 3));
      const urgent = new Item('interactive');
      queue.push(urgent);
      expect(queue.take()).toBe(urgent);
      queue.settle(urgent, 1);
    }
  });

  it('gives priorities 16 : 4 : 1 of the time while all of them wait', () => {
    const queue = queueOf([...many(2000, 'batch'), ...many(2000, 'standard'), ...many(2000, 'interactive')]);
    const served = serve(queue, 1050);
    expect(count(served, { priority: 'interactive' })).toBeCloseTo(800, -1);
    expect(count(served, { priority: 'standard' })).toBeCloseTo(200, -1);
    expect(count(served, { priority: 'batch' })).toBeCloseTo(50, -1);
  });

  it('comes for the least urgent within bounded time, whatever else is there', () => {
    const queue = queueOf([...many(1, 'batch'), ...many(500, 'interactive')]);
    const served = serve(queue, 40);
    expect(count(served, { priority: 'batch' })).toBe(1);
  });

  it('gives flows of one priority the same time, not the same number of requests', () => {
    const queue = queueOf([...many(1000, 'standard', 'long'), ...many(1000, 'standard', 'short')]);
    const served = serve(queue, 550, ({ flow }) => (flow === 'long' ? 10 : 1));
    const long = count(served, { flow: 'long' });
    expect(long * 10).toBeGreaterThan(0.85 * (550 - long));
    expect(long * 10).toBeLessThan(1.15 * (550 - long));
  });

  it('does not go to those who waited less because they asked for more', () => {
    const queue = queueOf([...many(900, 'standard', 'greedy'), ...many(10, 'standard', 'modest')]);
    expect(count(serve(queue, 20), { flow: 'modest' })).toBe(10);
  });

  it('gives no credit for time in which nobody asked', () => {
    const queue = queueOf(many(2000, 'standard', 'busy'));
    queue.push(new Item('standard', 'idle'));
    serve(queue, 500);
    for (const item of many(500, 'standard', 'idle')) queue.push(item);
    const served = serve(queue, 100);
    expect(count(served, { flow: 'idle' })).toBeGreaterThan(45);
    expect(count(served, { flow: 'idle' })).toBeLessThan(55);
  });

  it('gives no credit to a priority either', () => {
    const queue = queueOf(many(2000, 'interactive'));
    serve(queue, 1000);
    for (const item of many(500, 'batch')) queue.push(item);
    expect(count(serve(queue, 170), { priority: 'batch' })).toBeLessThan(13);
  });

  it('stays with one that was given back', () => {
    const items = many(4, 'standard', 'a');
    const queue = queueOf([...items, ...many(4, 'standard', 'b')]);
    const taken = queue.take()!;
    queue.giveBack(taken);
    expect(queue.size).toBe(8);
    expect(queue.peek()).toBe(taken);
    const served = serve(queue, 8);
    expect(served.filter(({ flow }) => flow === 'a')).toEqual(items);
  });

  it('is remembered of a flow that asks one by one', () => {
    const queue = queueOf(many(1000, 'standard', 'steady'));
    // Always one waiting, as from a client that asks again when it has its answer.
    let mine = 0;
    queue.push(new Item('standard', 'single'));
    for (let n = 0; n < 200; n++) {
      const item = queue.take()!;
      queue.settle(item, 1);
      if (item.flow === 'single') {
        mine++;
        queue.push(new Item('standard', 'single'));
      }
    }
    expect(mine).toBeGreaterThan(90);
    expect(mine).toBeLessThan(110);
  });
});

describe('when there is no room', () => {
  it('the one that comes goes, if it is like the others', () => {
    const queue = queueOf(many(3, 'standard'), 3);
    const item = new Item('standard');
    expect(queue.push(item)).toBe(item);
    expect(queue.size).toBe(3);
  });

  it('the newest of the least urgent makes way for a more urgent one', () => {
    const batch = many(2, 'batch');
    const queue = queueOf([...many(1, 'standard'), ...batch], 3);
    const urgent = new Item('interactive');
    expect(queue.push(urgent)).toBe(batch[1]);
    expect(queue.push(new Item('interactive'))).toBe(batch[0]);
    expect(queue.push(new Item('interactive'))!.priority).toBe('standard');
    expect(queue.push(new Item('interactive'))!.priority).toBe('interactive');
    expect(queue.peek()).toBe(urgent);
  });

  it('one of the flow that has most waiting makes way, and none of a flow that has hardly more', () => {
    const greedy = many(3, 'standard', 'greedy');
    const queue = queueOf(greedy, 3);
    expect(queue.push(new Item('standard', 'other'))).toBe(greedy[2]);
    const item = new Item('standard', 'other', 1);
    expect(queue.push(item)).toBe(item);
  });

  it('nobody waits where nobody may', () => {
    const queue = queueOf([], 0);
    const item = new Item('interactive');
    expect(queue.push(item)).toBe(item);
  });

  it('those that wait stay when there is to be less room, and one that is given back always fits', () => {
    const queue = queueOf(many(4, 'standard'), 4);
    queue.depth = 2;
    expect(queue.size).toBe(4);
    const taken = queue.take()!;
    queue.giveBack(taken);
    expect(queue.size).toBe(4);
  });
});

describe('those that leave', () => {
  it('are gone from wherever they stood', () => {
    const items = many(5, 'standard');
    const queue = queueOf(items);
    expect(queue.remove(items[2]!)).toBe(true);
    expect(queue.remove(items[2]!)).toBe(false);
    expect([queue.size, queue.sizeOf('standard'), queue.sizeOf('batch')]).toEqual([4, 4, 0]);
    expect([...queue]).toHaveLength(4);
    expect(serve(queue, 4)).toEqual(items.filter((_, index) => index !== 2));
  });
});

/** mulberry32. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Takes the most urgent first, and batch only when nothing else is there: the least that interactive can wait. */
class StrictQueue extends FairQueue<Item> {
  override peek(): Item | undefined {
    return [...this].find(({ priority }) => priority === 'interactive') ?? [...this][0];
  }

  override take(): Item | undefined {
    const item = this.peek();
    if (item) this.remove(item);
    return item;
  }
}

/** The waits of interactive requests before one replica that takes a second for each, with batch at ten times what it can do. */
function simulate(queue: FairQueue<Item>, interactiveRate: number, seed: number) {
  const next = random(seed);
  const until = 3000;
  const arrivals = (rate: number, item: () => Item) => {
    const list: { at: number; item: Item }[] = [];
    for (let at = 0; at < until; at += -Math.log(1 - next()) / rate) list.push({ at, item: item() });
    return list;
  };
  const events = [
    ...arrivals(10, () => new Item('batch', 'batch')),
    ...arrivals(interactiveRate, () => new Item('interactive', 'person')),
  ].toSorted((a, b) => a.at - b.at);
  const came = new Map(events.map(({ at, item }) => [item, at]));
  const waits: number[] = [];
  let batches = 0;
  let coming = 0;
  for (let now = 0; now < until; now++) {
    for (; coming < events.length && events[coming]!.at <= now; coming++) queue.push(events[coming]!.item);
    const item = queue.take();
    if (!item) continue;
    if (item.priority === 'interactive') waits.push(now - came.get(item)!);
    else batches++;
    queue.settle(item, 1);
  }
  return { p99: waits.toSorted((a, b) => a - b)[Math.floor(waits.length * 0.99)]!, batches };
}

describe('one replica, and batch at ten times what it can do', () => {
  it.each([1, 2, 3])('lets hardly an urgent request wait for two (seed %d)', (seed) => {
    const { p99, batches } = simulate(new FairQueue(64), 0.1, seed);
    expect(p99).toBeLessThan(2);
    expect(batches).toBeGreaterThan(0.85 * 3000);
  });

  it.each([1, 2, 3])('lets urgent ones wait no longer than if nobody else counted (seed %d)', (seed) => {
    const fair = simulate(new FairQueue(64), 0.3, seed);
    const strict = simulate(new StrictQueue(64), 0.3, seed);
    expect(fair.p99).toBeLessThanOrEqual(strict.p99 + 1);
    expect(fair.batches).toBeGreaterThan(0.6 * 3000);
  });
});

describe('its size', () => {
  it('is bounded by what waits, whoever passed by', () => {
    const queue = queueOf(many(10, 'standard', 'steady'));
    const before = process.memoryUsage().heapUsed;
    for (let n = 0; n < 200_000; n++) {
      queue.push(new Item('standard', `passer ${n}`));
      queue.settle(queue.take()!, 1);
    }
    expect(queue.size).toBe(10);
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(100 * 1024 ** 2);
  });

  it('may be ten thousand, of as many flows', () => {
    const queue = queueOf([]);
    for (let n = 0; n < 10_000; n++) queue.push(new Item('standard', `flow ${n % 5000}`, n));
    expect(serve(queue, 1000).map(({ number }) => number)).toEqual(Array.from({ length: 1000 }, (_, n) => n));
  });
});
