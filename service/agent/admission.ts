import type { AgentConfig } from '../../schema/config.ts';
import { Refusal } from '../shared/errors.ts';
import type { Reservation } from '../shared/reservation.ts';

/** How much a new service time weighs in the mean. */
const weightOfNew = 0.2;

/**
 * The longest time in seconds that a client is told to stay away: means of the past say little about what is further.
 */
const longestRetrySeconds = 60;

/**
 * How long a gateway that asks for a slot is let wait, and how long the slot that it gets is kept for its request, in
 * ms.
 */
const defaultTimes = { waitMs: 15_000, keepMs: 2000 };

/** What a model has of its slots. */
export interface SlotCount {
  slots: number;
  inFlight: number;
}

/** A slot that a request has. */
export interface Slot {
  /** To be called when the request goes on to Ollama. */
  run(): void;
  /** To be called once the request has ended; `answered` when that was with a whole answer. */
  release(answered: boolean): void;
}

/** A gateway that waits for a slot. */
interface Waiting {
  gateway: string;
  /** Tells it whether a slot is kept for it. */
  tell(reserved: boolean): void;
}

/** The requests for one model. */
interface Line {
  inFlight: number;
  /** Those of each gateway; of clients that come by none, under an empty name. */
  readonly byGateway: Map<string, number>;
  /** The slots that are kept, with when each of them is kept no longer. */
  readonly kept: { gateway: string; timer: NodeJS.Timeout }[];
  /** The gateways that wait for one, the first of them first. */
  readonly waiting: Set<Waiting>;
  /** How many of those Ollama has. */
  passedOn: number;
  /** Mean time from when Ollama got a request to the end of its answer. */
  meanSeconds: number | undefined;
}

/**
 * How many requests for a model are taken at a time: as many as Ollama answers at once, and an allowance beyond them.
 * All that are taken go on to Ollama, and it is there that the allowance waits. Ollama's own line before a model is a
 * semaphore, first come, first served: when an answer ends, the next request, whose prompt is made by then, begins in
 * the same moment and looks for the longest beginning of its prompt in the caches of all slots that are free then; and
 * one that is cancelled there leaves the line without having reached the model. So nothing is lost against waiting
 * here, and no turn-around between two answers is added. It is also right for models of which Ollama answers fewer at a
 * time than it was told (those that embed, some that see), which nobody but Ollama knows.
 *
 * Gateways that have found all slots taken wait here for the next one, in the order in which they came, with one
 * question each: so they take turns, however many requests each has waiting, and none sends requests in vain.
 */
export class Admission {
  #config: AgentConfig;
  readonly #times: typeof defaultTimes;
  readonly #lines = new Map<string, Line>();

  constructor(config: AgentConfig, times = defaultTimes) {
    this.#config = config;
    this.#times = times;
  }

  configure(config: AgentConfig): void {
    this.#config = config;
    for (const [key, line] of this.#lines) {
      this.#handOut(line);
      if (line.inFlight === 0 && !Object.hasOwn(config.models, key)) this.#lines.delete(key);
    }
  }

  /**
   * A slot for one more request for a model of the configuration, by its key; throws a Refusal when all are taken.
   * `gateway` is the one by which it comes, if it does.
   */
  admit(model: string, gateway = ''): Slot {
    const line = this.#line(model);
    if (!this.#takeKept(line, gateway) && !this.#hasRoom(line)) {
      const message = `model '${model}' has as many requests here as it takes at a time`;
      throw new Refusal(503, message, { retryAfter: this.#retryAfter(line) });
    }
    count(line, gateway, 1);
    let began: number | undefined;
    let open = true;
    return {
      run: () => {
        began = performance.now();
        line.passedOn++;
      },
      release: (answered) => {
        if (!open) return;
        open = false;
        count(line, gateway, -1);
        if (began !== undefined) {
          line.passedOn--;
          if (answered) learn(line, (performance.now() - began) / 1000);
        }
        this.#handOut(line);
      },
    };
  }

  /** Waits until a slot of a model is kept for a gateway, for some time, or until it does not want it any more. */
  reserve(model: string, gateway: string, leave: AbortSignal): Promise<Reservation> {
    const line = this.#line(model);
    return new Promise((resolve) => {
      const tell = (reserved: boolean) => {
        clearTimeout(timer);
        leave.removeEventListener('abort', giveUp);
        line.waiting.delete(waiting);
        resolve({ reserved, shared: isShared(line, gateway) });
      };
      const giveUp = () => tell(false);
      const timer = setTimeout(giveUp, this.#times.waitMs).unref();
      const waiting = { gateway, tell };
      leave.addEventListener('abort', giveUp);
      line.waiting.add(waiting);
      this.#handOut(line);
    });
  }

  /** Sends away those that wait for slots. */
  close(): void {
    for (const { waiting } of this.#lines.values()) for (const { tell } of waiting) tell(false);
  }

  /** What each model has of its slots. */
  counts(): Record<string, SlotCount> {
    const ofModel = (key: string) => ({ slots: this.#slots, inFlight: this.#lines.get(key)?.inFlight ?? 0 });
    return Object.fromEntries(Object.keys(this.#config.models).map((key) => [key, ofModel(key)]));
  }

  /** Requests that are being answered, that wait, and how many could be answered at a time, of all models together. */
  load(): { running: number; waiting: number; capacity: number } {
    const { models, parallel } = this.#config;
    let running = 0;
    let waiting = 0;
    for (const { inFlight, passedOn } of this.#lines.values()) {
      const answered = Math.min(passedOn, parallel);
      running += answered;
      waiting += inFlight - answered;
    }
    return { running, waiting, capacity: Object.keys(models).length * parallel };
  }

  get #slots(): number {
    return this.#config.parallel + this.#config.allowance;
  }

  #hasRoom({ inFlight, kept }: Line): boolean {
    return inFlight + kept.length < this.#slots;
  }

  /** Takes a slot that is kept for a gateway, if there is one. */
  #takeKept({ kept }: Line, gateway: string): boolean {
    const index = kept.findIndex((slot) => slot.gateway === gateway);
    if (index < 0) return false;
    clearTimeout(kept[index]!.timer);
    kept.splice(index, 1);
    return true;
  }

  /** Keeps the slots that are free for those who wait for them. */
  #handOut(line: Line): void {
    for (const { gateway, tell } of line.waiting) {
      if (!this.#hasRoom(line)) return;
      const lapse = () => {
        line.kept.splice(line.kept.indexOf(slot), 1);
        this.#handOut(line);
      };
      const slot = { gateway, timer: setTimeout(lapse, this.#times.keepMs).unref() };
      line.kept.push(slot);
      tell(true);
    }
  }

  /** When the next of those in flight may end: full slots end as many as they are within the mean time. */
  #retryAfter({ meanSeconds = 0 }: Line): number {
    return Math.min(longestRetrySeconds, Math.max(1, Math.ceil(meanSeconds / this.#slots)));
  }

  #line(model: string): Line {
    let line = this.#lines.get(model);
    if (!line) {
      const nothing = { byGateway: new Map(), kept: [], waiting: new Set<Waiting>() };
      line = { inFlight: 0, passedOn: 0, meanSeconds: undefined, ...nothing };
      this.#lines.set(model, line);
    }
    return line;
  }
}

function count(line: Line, gateway: string, change: 1 | -1): void {
  line.inFlight += change;
  const left = (line.byGateway.get(gateway) ?? 0) + change;
  if (left === 0) line.byGateway.delete(gateway);
  else line.byGateway.set(gateway, left);
}

/** Whether anybody but one gateway has slots of a model, or wants them. */
function isShared({ byGateway, kept, waiting }: Line, gateway: string): boolean {
  const others = [...byGateway.keys(), ...[...kept, ...waiting].map((slot) => slot.gateway)];
  return others.some((other) => other !== gateway);
}

function learn(line: Line, seconds: number): void {
  line.meanSeconds =
    line.meanSeconds === undefined ? seconds : line.meanSeconds + weightOfNew * (seconds - line.meanSeconds);
}
