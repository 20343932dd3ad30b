import { setTimeout as sleep } from 'node:timers/promises';
import { beforeEach, describe, expect, it } from 'vitest';
import type { Queue } from '../../schema/types.ts';
import { Refusal } from '../shared/errors.ts';
import { createLogger } from '../shared/logging.ts';
import type { Reservation } from '../shared/reservation.ts';
import { until } from '../testing/client.ts';
import { gatewayModel } from '../testing/hops.ts';
import { Dispatcher, type Place, type Wish } from './dispatcher.ts';
import { GatewayMetrics } from './metrics.ts';
import { ReplicaSet } from './replicas.ts';
import type { Target } from './routing.ts';

const a = 'http://10.0.0.1:8080';
const b = 'http://10.0.0.2:8080';

/** A client that can leave. */
class Client {
  hasLeft = false;
  #callbacks: (() => void)[] = [];

  onLeave(callback: () => void): void {
    this.#callbacks.push(callback);
  }

  leave(): void {
    this.hasLeft = true;
    for (const callback of this.#callbacks) callback();
  }
}

let metrics: GatewayMetrics;
let dispatcher: Dispatcher;
let replicas: ReplicaSet;
/** What a full replica answers. */
let reservation: PromiseWithResolvers<Reservation>;

function target(queue: Partial<Queue> = {}): Target {
  const model = gatewayModel('small', { queue: { depth: 8, waitSeconds: 5, holdSeconds: 5, ...queue } });
  return { key: 'small', name: model.name, server: model.server, url: a, model };
}

/** A fleet of one model whose replicas have one slot each. */
function configure(urls: string[], queue: Partial<Queue> = {}): void {
  replicas.update(urls);
  dispatcher.configure([target(queue)], () => replicas);
}

const wish = (more: Partial<Wish> = {}): Wish => ({
  target: target(),
  priority: 'standard',
  flow: 'someone',
  affinity: undefined,
  avoid: new Set(),
  since: performance.now(),
  client: new Client(),
  waits: true,
  hold: () => undefined,
  ...more,
});

/** What became of a wish, once something has. */
function follow(wish: Wish): { place?: Place; refusal?: Refusal } {
  const result: { place?: Place; refusal?: Refusal } = {};
  (async () => {
    try {
      result.place = await dispatcher.acquire(wish);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      result.refusal = error;
    }
  })();
  return result;
}

/** Lets everything happen that is due. */
const settle = () => sleep(2);

const metricOf = async (name: string, labels: string) => {
  const text = await metrics.registry.getSingleMetricAsString(name);
  return Number(
    text
      .split('\n')
      .find((line) => line.includes(labels))
      ?.split(' ')
      .at(-1),
  );
};

beforeEach(() => {
  metrics = new GatewayMetrics();
  reservation = Promise.withResolvers();
  dispatcher = new Dispatcher(metrics);
  replicas = new ReplicaSet(1, {
    log: createLogger('test', 'error'),
    isReady: async () => false,
    reserve: async () => reservation.promise,
    onRoom: (model) => dispatcher.pump(replicas, model),
  });
  return () => {
    dispatcher.close();
    replicas.close();
  };
});

describe('a place', () => {
  it('is given at once while there is room', async () => {
    configure([a, b]);
    const places = [await dispatcher.acquire(wish()), await dispatcher.acquire(wish())];
    expect(new Set(places.map(({ url }) => url))).toEqual(new Set([a, b]));
  });

  it('is given to the first in line when one becomes free', async () => {
    configure([a]);
    const running = await dispatcher.acquire(wish());
    const first = follow(wish());
    const second = follow(wish());
    await settle();
    expect([first.place, second.place]).toEqual([undefined, undefined]);
    expect(await metricOf('queue_depth', 'priority="standard"')).toBe(2);
    running.answered(1);
    await settle();
    expect(first.place?.url).toBe(a);
    expect(second.place).toBeUndefined();
    expect(await metricOf('queue_depth', 'priority="standard"')).toBe(1);
  });

  it('goes to the more urgent first, whoever came first', async () => {
    configure([a]);
    const running = await dispatcher.acquire(wish());
    const batch = follow(wish({ priority: 'batch' }));
    const interactive = follow(wish({ priority: 'interactive' }));
    running.answered(1);
    await settle();
    expect(interactive.place?.url).toBe(a);
    expect(batch.place).toBeUndefined();
  });

  it('is given at a replica that comes', async () => {
    configure([a]);
    await dispatcher.acquire(wish());
    const waiting = follow(wish());
    replicas.update([a, b]);
    await settle();
    expect(waiting.place?.url).toBe(b);
  });

  it('is not the one that failed, as long as there is another', async () => {
    configure([a, b]);
    const mine = wish();
    const place = await dispatcher.acquire(mine);
    place.failed();
    expect(dispatcher.isAvoidedByAll(mine)).toBe(false);
    const other = await dispatcher.acquire(mine);
    expect(other.url).not.toBe(place.url);
    other.failed();
    expect(dispatcher.isAvoidedByAll(mine)).toBe(true);
    expect([a, b]).toContain((await dispatcher.acquire(mine)).url);
  });

  it('of one that was full against what was known leaves the request first in line', async () => {
    configure([a]);
    const mine = wish();
    const place = await dispatcher.acquire(mine);
    const other = follow(wish());
    place.full();
    const again = follow(mine);
    await settle();
    expect([again.place, other.place]).toEqual([undefined, undefined]);
    reservation.resolve({ reserved: true, shared: true });
    await settle();
    expect(again.place?.url).toBe(a);
    expect(other.place).toBeUndefined();
  });
});

describe('a request is refused', () => {
  it('with 429 and a time when the line is full', async () => {
    configure([a], { depth: 1 });
    const running = await dispatcher.acquire(wish());
    const waiting = follow(wish());
    const { refusal } = await (async () => {
      const result = follow(wish());
      await settle();
      return result;
    })();
    expect(refusal).toMatchObject({ status: 429, code: 'queue_full' });
    expect(refusal!.retryAfter).toBeGreaterThanOrEqual(1);
    expect(await metricOf('model_requests_rejected_total', 'reason="queue_full"')).toBe(1);
    running.answered(1);
    await settle();
    expect(waiting.place?.url).toBe(a);
  });

  it('with 429 when it has waited for too long', async () => {
    configure([a], { waitSeconds: 0.05 });
    await dispatcher.acquire(wish());
    const waiting = follow(wish());
    await until(() => waiting.refusal !== undefined);
    expect(waiting.refusal).toMatchObject({ status: 429, code: 'queue_timeout' });
    expect(dispatcher.waiting('small')).toBe(0);
  });

  it('with 503 when no replica has come for too long', async () => {
    configure([], { waitSeconds: 0, holdSeconds: 0.05 });
    const waiting = follow(wish());
    await settle();
    expect(waiting.refusal).toBeUndefined();
    await until(() => waiting.refusal !== undefined);
    expect(waiting.refusal).toMatchObject({ status: 503, retryAfter: 5 });
    expect(await metricOf('model_requests_rejected_total', 'reason="no_replica"')).toBe(1);
  });

  it('at once where it would have to be held and is not to be', async () => {
    configure([]);
    const waiting = follow(wish({ hold: false }));
    await sleep(20);
    expect(waiting.refusal).toMatchObject({ status: 503 });
  });

  it('when its model is gone from the configuration', async () => {
    configure([a]);
    await dispatcher.acquire(wish());
    const waiting = follow(wish());
    dispatcher.configure([], () => replicas);
    await settle();
    expect(waiting.refusal).toMatchObject({ status: 503, retryAfter: 1 });
    // One that was under way while the configuration changed.
    const late = follow(wish());
    await settle();
    expect(late.refusal).toMatchObject({ status: 503, retryAfter: 1 });
  });
});

describe('a request that waits', () => {
  it('leaves the line with its client', async () => {
    configure([a]);
    const running = await dispatcher.acquire(wish());
    const client = new Client();
    const gone = follow(wish({ client }));
    const next = follow(wish());
    client.leave();
    await settle();
    expect(gone.refusal?.status).toBe(499);
    expect(dispatcher.waiting('small')).toBe(1);
    running.answered(1);
    await settle();
    expect(next.place?.url).toBe(a);
  });

  it('is held when the last replica goes, and goes on when one comes', async () => {
    configure([a], { waitSeconds: 0.05 });
    await dispatcher.acquire(wish());
    let held = 0;
    const waiting = follow(wish({ hold: () => held++ }));
    expect(held).toBe(0);
    replicas.update([]);
    dispatcher.pump(replicas);
    expect(held).toBe(1);
    // Longer than it would have waited for room.
    await sleep(100);
    expect(waiting).toEqual({});
    replicas.update([b]);
    await settle();
    expect(waiting.place?.url).toBe(b);
  });

  it('is held when the last replica is ejected', async () => {
    configure([a], { waitSeconds: 5, holdSeconds: 0 });
    for (let failure = 0; failure < 2; failure++) (await dispatcher.acquire(wish())).failed();
    const running = await dispatcher.acquire(wish());
    const waiting = follow(wish());
    running.failed();
    await sleep(20);
    expect(waiting.refusal).toMatchObject({ status: 503 });
  });
});
