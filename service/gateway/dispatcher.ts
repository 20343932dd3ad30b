import type { Priority } from '../../schema/types.ts';
import { Refusal } from '../shared/errors.ts';
import type { Client } from '../shared/exchange.ts';
import { DrainRate } from './drain-rate.ts';
import type { GatewayMetrics, RejectionReason } from './metrics.ts';
import { FairQueue } from './queue.ts';
import type { Lease, ReplicaSet } from './replicas.ts';
import type { Target } from './routing.ts';

/** A request that wants a replica of its model. */
export interface Wish {
  target: Target;
  priority: Priority;
  /** Who asks: requests of one flow stand in line, and flows take turns. */
  flow: string;
  /** What the turns of its conversation have in common (see affinity.ts). */
  affinity: number | undefined;
  /** Replicas that failed it already. */
  avoid: Set<string>;
  /** When it came, in ms of `performance.now()`: it keeps its place and its limits when it comes back. */
  since: number;
  client: Client;
  /** Whether it stands in line where no replica has room. */
  waits: boolean;
  /** Whether it waits for a replica where there is none at all, and who is told when that begins. */
  hold: false | (() => void);
}

/** A place at a replica. It has to be given back, in one of these ways. */
export interface Place {
  url: string;
  /** The replica answered, after as many seconds. */
  answered(seconds: number): void;
  /** It could not be reached, or broke off. */
  failed(): void;
  /** It had no room, against what was known of it: the next `acquire` of the same wish goes before all that wait. */
  full(): void;
  /** Its client left, after as many seconds, which says nothing about the replica. */
  left(seconds: number): void;
}

interface Waiting {
  readonly priority: Priority;
  readonly flow: string;
  wish: Wish;
  resolve?(place: Place): void;
  reject?(error: Error): void;
  timer?: NodeJS.Timeout;
}

const standing = (wish: Wish): Waiting => ({ priority: wish.priority, flow: wish.flow, wish });

/** How much a new service time weighs in the mean. */
const weightOfNew = 0.1;

/** The line before one model. */
interface Line {
  model: string;
  replicas: ReplicaSet;
  queue: FairQueue<Waiting>;
  rate: DrainRate;
  limits: { waitSeconds: number; holdSeconds: number };
  meanSeconds: number | undefined;
  /** Wishes that were given a place in vain, with what was charged for them. */
  returned: WeakMap<Wish, Waiting>;
  wasDown: boolean;
}

/** Whether there is no replica at all to wait for room at. */
const isDown = ({ replicas }: Line) => replicas.known === replicas.ejected;

/** What is said of a model that was taken from the configuration, or to another server, under the hands of a request. */
const moved = (model: string) => new Refusal(503, `model '${model}' has moved`, { retryAfter: 1 });

/** Retry-After of a server that has no replica, in seconds: pods come up in tens of seconds. */
const soon = 5;

/**
 * Gives requests their places at replicas. A request that finds room goes at once; the others wait in the line of their
 * model, in an order that is fair (see queue.ts), as long as its limits allow. What a replica can take its agent decides: what is
 * known here saves asking for it.
 */
export class Dispatcher {
  readonly #metrics: GatewayMetrics;
  readonly #lines = new Map<string, Line>();

  constructor(metrics: GatewayMetrics) {
    this.#metrics = metrics;
  }

  /** Takes the models that there are now. Those that wait for one that is gone are refused; those that stay keep their lines. */
  configure(targets: Target[], replicasOf: (server: string) => ReplicaSet): void {
    for (const [model, line] of this.#lines) {
      const target = targets.find(({ key }) => key === model);
      if (target && replicasOf(target.server) === line.replicas) continue;
      this.#lines.delete(model);
      for (let next = line.queue.take(); next; next = line.queue.take()) {
        this.#refuse(line, next, 'removed', moved(model));
      }
    }
    for (const { key, server, model } of targets) {
      const line = this.#lines.get(key);
      if (line) {
        line.limits = model.queue;
        line.queue.depth = model.queue.depth;
        continue;
      }
      const fresh: Line = {
        model: key,
        replicas: replicasOf(server),
        queue: new FairQueue(model.queue.depth),
        rate: new DrainRate(),
        limits: model.queue,
        meanSeconds: undefined,
        returned: new WeakMap(),
        wasDown: false,
      };
      this.#lines.set(key, fresh);
      this.#showDepth(fresh);
    }
  }

  /** Resolves to a place at a replica; rejects with a Refusal when the line's limits are passed or the client leaves. */
  acquire(wish: Wish): Promise<Place> | Place {
    const line = this.#lines.get(wish.target.key);
    if (!line) throw moved(wish.target.key);
    const back = line.returned.get(wish);
    line.returned.delete(wish);
    if (wish.client.hasLeft) {
      if (back) line.queue.refund(back);
      throw new Refusal(499, 'the client left');
    }
    if (line.queue.size === 0 || back) {
      const place = this.#placeNow(line, wish, back);
      if (place) {
        this.#metrics.waited(line.model, wish.priority, (performance.now() - wish.since) / 1000);
        return place;
      }
    }
    if (!wish.waits) {
      if (back) line.queue.refund(back);
      throw new Refusal(429, `model '${line.model}' is busy: no replica has room`);
    }
    return new Promise((resolve, reject) => {
      const waiting = Object.assign(back ?? standing(wish), { resolve, reject });
      if (back) line.queue.giveBack(waiting);
      else {
        const out = line.queue.push(waiting);
        if (out) this.#refuseFull(line, out);
        if (out === waiting) return;
      }
      wish.client.onLeave(() => this.#leave(line, waiting));
      this.#limit(line, waiting);
      this.#showDepth(line);
    });
  }

  /** To be called for a wish that came back and is not to go again. */
  abandon(wish: Wish): void {
    const line = this.#lines.get(wish.target.key);
    const back = line?.returned.get(wish);
    if (back) line!.queue.refund(back);
  }

  /** Whether every replica that there is has failed a wish. */
  isAvoidedByAll(wish: Wish): boolean {
    const line = this.#lines.get(wish.target.key);
    return line !== undefined && wish.avoid.size >= line.replicas.known;
  }

  /**
   * Lets go on whoever now can: of the models of a server, or of one of them. To be called when replicas come, go or get
   * room.
   */
  pump(replicas: ReplicaSet, model?: string): void {
    for (const line of this.#lines.values()) {
      if (line.replicas !== replicas || (model !== undefined && model !== line.model)) continue;
      this.#serve(line);
      this.#rejudge(line);
    }
  }

  /** How many wait for a model. */
  waiting(model: string): number {
    return this.#lines.get(model)?.queue.size ?? 0;
  }

  /** How many wait for a model, by priority, and how long the first of them has been waiting, in ms. */
  line(model: string): { waiting: Partial<Record<Priority, number>>; oldestMs: number } {
    const waiting: Partial<Record<Priority, number>> = {};
    let first = Number.POSITIVE_INFINITY;
    for (const { priority, wish } of this.#lines.get(model)?.queue ?? []) {
      waiting[priority] = (waiting[priority] ?? 0) + 1;
      first = Math.min(first, wish.since);
    }
    return { waiting, oldestMs: Math.max(0, performance.now() - first) };
  }

  /** Refuses all that wait. */
  close(): void {
    for (const line of this.#lines.values()) {
      for (let next = line.queue.take(); next; next = line.queue.take()) {
        this.#refuse(line, next, 'shutdown', new Refusal(503, 'this gateway has stopped', { retryAfter: 1 }));
      }
    }
  }

  #serve(line: Line): void {
    const { queue } = line;
    // Every answer that ends comes here, and mostly nobody waits.
    if (queue.size === 0) return;
    for (let next = queue.peek(); next; next = queue.peek()) {
      const { wish } = next;
      const place = this.#placeNow(line, wish, next);
      if (!place) break;
      queue.take();
      this.#forget(next);
      line.rate.departed(performance.now());
      this.#metrics.waited(line.model, wish.priority, (performance.now() - wish.since) / 1000);
      next.resolve!(place);
    }
    this.#showDepth(line);
  }

  /** A place for a wish, if there is one. `waiting` is its place in the queue that it leaves. */
  #placeNow(line: Line, wish: Wish, waiting?: Waiting): Place | undefined {
    const { replicas } = line;
    // Where every replica has failed it once, one of them has to be tried again.
    const avoid = wish.avoid.size < replicas.known ? wish.avoid : undefined;
    const lease = replicas.acquire(line.model, wish.affinity, avoid);
    return lease && this.#place(line, wish, lease, waiting);
  }

  #place(line: Line, wish: Wish, lease: Lease, waiting: Waiting | undefined): Place {
    const settle = (seconds: number) => {
      if (waiting) line.queue.settle(waiting, seconds);
    };
    const refund = () => {
      if (waiting) line.queue.refund(waiting);
    };
    return {
      url: lease.url,
      answered(seconds) {
        line.meanSeconds =
          line.meanSeconds === undefined ? seconds : line.meanSeconds + weightOfNew * (seconds - line.meanSeconds);
        settle(seconds);
        lease.release('answered');
      },
      failed: () => {
        refund();
        wish.avoid.add(lease.url);
        lease.release('failed');
        // It may have been the last that was asked.
        this.#rejudge(line);
      },
      full() {
        line.returned.set(wish, waiting ?? standing(wish));
        lease.release('full');
      },
      left(seconds) {
        settle(seconds);
        lease.release('unused');
      },
    };
  }

  /** Sets the clock for one that waits: how long depends on whether there is anything to wait for. */
  #limit(line: Line, waiting: Waiting): void {
    clearTimeout(waiting.timer);
    const { limits } = line;
    const { wish } = waiting;
    const held = isDown(line);
    if (held && wish.hold) wish.hold();
    const seconds = held ? (wish.hold ? limits.holdSeconds : 0) : limits.waitSeconds;
    const leftMs = wish.since + seconds * 1000 - performance.now();
    const over = () => {
      line.queue.remove(waiting);
      this.#showDepth(line);
      if (held) this.#refuseAway(line, waiting);
      else this.#refuseWaited(line, waiting);
    };
    waiting.timer = setTimeout(over, Math.max(0, leftMs));
  }

  /** Whoever waits is judged anew when the last replica has gone, or the first has come. */
  #rejudge(line: Line): void {
    const down = isDown(line);
    if (down === line.wasDown) return;
    line.wasDown = down;
    for (const waiting of line.queue) this.#limit(line, waiting);
  }

  #leave(line: Line, waiting: Waiting): void {
    if (!line.queue.remove(waiting)) return;
    this.#showDepth(line);
    this.#refuse(line, waiting, 'left', new Refusal(499, 'the client left'));
  }

  #refuseFull(line: Line, waiting: Waiting): void {
    const { model, queue } = line;
    const message = `model '${model}' is busy: ${queue.size} requests wait for it already`;
    const more = { retryAfter: this.#retryAfter(line), code: 'queue_full' };
    this.#refuse(line, waiting, 'queue_full', new Refusal(429, message, more));
  }

  #refuseWaited(line: Line, waiting: Waiting): void {
    const { model, limits } = line;
    const message = `model '${model}' is busy: no replica had room within ${limits.waitSeconds} seconds`;
    const more = { retryAfter: this.#retryAfter(line), code: 'queue_timeout' };
    this.#refuse(line, waiting, 'queue_timeout', new Refusal(429, message, more));
  }

  #refuseAway(line: Line, waiting: Waiting): void {
    const message = `the server of model ${line.model} cannot be reached at the moment`;
    this.#refuse(line, waiting, 'no_replica', new Refusal(503, message, { retryAfter: soon }));
  }

  #retryAfter({ replicas, rate, queue, meanSeconds }: Line): number {
    const slots = Math.max(1, replicas.known - replicas.ejected) * replicas.slots;
    return rate.secondsFor(queue.size, performance.now(), slots, meanSeconds);
  }

  #refuse(line: Line, waiting: Waiting, reason: RejectionReason, refusal: Refusal): void {
    this.#forget(waiting);
    this.#metrics.rejected(line.model, reason);
    waiting.reject!(refusal);
  }

  #forget(waiting: Waiting): void {
    clearTimeout(waiting.timer);
  }

  #showDepth(line: Line): void {
    line.rate.waiting(line.queue.size, performance.now());
    this.#metrics.depth(line.model, (priority) => line.queue.sizeOf(priority));
  }
}
