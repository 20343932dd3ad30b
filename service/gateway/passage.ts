import { setTimeout as sleep } from 'node:timers/promises';
import type { Priority } from '../../schema/types.ts';
import type { Span } from '../shared/body.ts';
import { withStringAt } from '../shared/body.ts';
import { Refusal } from '../shared/errors.ts';
import { type Ended, type Exchange, refusalFor } from '../shared/exchange.ts';
import { gatewayHeader, modelHeader } from '../shared/headers.ts';
import { isOllamaName } from '../shared/model-names.ts';
import type { Upstreams } from '../shared/upstream.ts';
import type { Dispatcher, Place, Wish } from './dispatcher.ts';
import type { GatewayMetrics } from './metrics.ts';
import type { Target } from './routing.ts';

/** How often a request is sent at most, as long as nothing was answered. */
const mostSends = 3;

/** How long it rests before it is sent again where it has failed everywhere, in ms; doubled each time. */
const firstRestMs = 100;

/** A request that has been read. */
export interface Asked {
  exchange: Exchange;
  body: Buffer;
  /** Where in the body the model is named, and how. */
  nameAt: Span;
  given: string;
  priority: Priority;
  flow: string;
  affinity: number | undefined;
  /** Whether its client takes server-sent events. */
  takesEvents: boolean;
}

/** How long a request stays with a model, where it could have another. */
interface Patience {
  /** Until a replica has room. */
  waits: boolean;
  /** Until there is a pod at all: who can have another model now does not wait for one to come up. */
  holds: boolean;
}

/** Brings requests to replicas, and tries another where one fails, as long as no byte of an answer has gone down. */
export class Passage {
  readonly #id: string;
  readonly #dispatcher: Dispatcher;
  readonly #upstreams: Upstreams;
  readonly #metrics: GatewayMetrics;

  /** `id` tells this gateway from others. */
  constructor(id: string, dispatcher: Dispatcher, upstreams: Upstreams, metrics: GatewayMetrics) {
    this.#id = id;
    this.#dispatcher = dispatcher;
    this.#upstreams = upstreams;
    this.#metrics = metrics;
  }

  /** Has the first of the models answer that can; throws the Refusal of the one that was asked for when none can. */
  async through(asked: Asked, wanted: Target, models: Target[], timeoutSeconds: number): Promise<Ended> {
    const [preferred] = models as [Target];
    asked.exchange.trace?.hasPriority(asked.priority);
    let refusal: Refusal | undefined;
    for (const [index, target] of models.entries()) {
      // A version on trial comes before the model itself, which may have room.
      const waits = index >= models.indexOf(wanted);
      try {
        const ended = await this.#ask(asked, target, { waits, holds: target === models.at(-1) }, timeoutSeconds);
        if (target !== preferred) this.#metrics.fellBack(preferred.key, target.key);
        return ended;
      } catch (error) {
        const isBusyOrDown = error instanceof Refusal && (error.status === 429 || error.status === 503);
        if (!isBusyOrDown) throw error;
        if (target === wanted) refusal = error;
      }
    }
    asked.exchange.isFor(wanted.key);
    throw refusal!;
  }

  async #ask(asked: Asked, target: Target, patience: Patience, timeoutSeconds: number): Promise<Ended> {
    const { exchange, body, nameAt, given } = asked;
    const who = `the server of model ${target.key}`;
    exchange.isFor(target.key);
    exchange.answerHeaders[modelHeader] = target.key;
    const passed = isOllamaName(target, given) ? body : withStringAt(body, nameAt, target.name);
    const wish = this.#wish(asked, target, patience);
    for (let sends = 1; ; sends++) {
      const found = this.#dispatcher.acquire(wish);
      const place = await (exchange.trace?.queued(target.key, found) ?? found);
      // Its model may have to be loaded first, which takes minutes.
      if (asked.takesEvents) exchange.beat();
      const began = performance.now();
      const outcome = await exchange.forward({
        dispatcher: this.#upstreams.pool(place.url),
        body: passed,
        headers: { [modelHeader]: target.key, [gatewayHeader]: this.#id },
        timeoutSeconds,
        url: place.url,
        isHop: true,
        resends: sends - 1,
        declines: (status) => status === 503,
      });
      const seconds = (performance.now() - began) / 1000;
      const { kind } = outcome;
      if (kind === 'answered' || kind === 'left' || kind === 'cut') {
        giveBack(place, outcome, seconds);
        return outcome;
      }
      if (kind === 'declined') place.full();
      else if (outcome.why === 'timeout') place.answered(seconds);
      else place.failed();
      const isFinal = sends === mostSends || (kind === 'failed' && outcome.why === 'timeout');
      if (isFinal) {
        this.#dispatcher.abandon(wish);
        throw refusalFor(outcome, who, timeoutSeconds);
      }
      this.#metrics.retried(target.key, kind === 'declined' ? 'full' : 'failed');
      if (kind === 'failed' && this.#dispatcher.isAvoidedByAll(wish)) await sleep(firstRestMs * 2 ** (sends - 1));
    }
  }

  #wish({ exchange, priority, flow, affinity, takesEvents }: Asked, target: Target, patience: Patience): Wish {
    const { waits, holds } = patience;
    const hold = holds && (() => takesEvents && exchange.beat());
    return { target, priority, flow, affinity, avoid: new Set(), since: exchange.began, client: exchange, waits, hold };
  }
}

function giveBack(place: Place, outcome: Ended, seconds: number): void {
  if (outcome.kind === 'left') place.left(seconds);
  else if (outcome.kind === 'cut' && outcome.why === 'broken') place.failed();
  else place.answered(seconds);
}
