import type { Priority } from '../../schema/types.ts';
import type { Refusal } from '../shared/errors.ts';
import { canonicalName } from '../shared/names.ts';
import type { Loaded, Origin } from './ollama.ts';

/** How long a model that is in no configuration may stay, in ms: somebody may be trying it out in the pod. */
const strangerIdleMs = 600_000;

/** How much earlier than Ollama itself the agent unloads what a client's `keep_alive` has set a time for, in ms. */
const aheadMs = 100;

const order: Record<Priority, number> = { interactive: 0, standard: 1, batch: 2 };

/** Whose turn comes after that of every model of the configuration. */
const lastOfAll = 3;

/** The use of a loaded model, which stays loaded until it has ended. */
export interface Use {
  /**
   * Takes note of how long the model is to stay after this use, in ms: until another use says otherwise, as in Ollama.
   */
  keepFor(ms: number): void;
  end(): void;
}

/** A request that waits for its model to be loaded. */
export interface Waiter {
  resolve(use: Use): void;
  reject(refusal: Refusal): void;
}

/** Where a model is on its way. */
export interface ModelState {
  name: string;
  priority: Priority;
  state: 'waiting' | 'loading' | 'loaded' | 'unloading' | 'unloaded' | 'failed';
  /** Loads tried since the last one that succeeded. */
  attempts: number;
  /** Why the last load failed. */
  problem?: string;
}

/** A model of the configuration. */
export class Model {
  readonly key: string;
  readonly name: string;
  priority: Priority = 'standard';
  idleMs = 0;
  expectedBytes = 0;
  /** Undefined until Ollama has said what the model is made from. */
  runner: Runner | undefined;
  /** Whether it was loaded once since Ollama started. */
  loadedOnce = false;
  /** Whether it is to be loaded though nobody asks for it. */
  wanted = true;
  loading = false;
  attempts = 0;
  problem: string | undefined;
  /** When the next load may be tried, in ms of `performance.now()`, as all times here. */
  notBefore = 0;
  /** Requests that wait until it is loaded, and since when. */
  readonly waiters = new Set<Waiter>();
  since = 0;
  /** Since when it waits for room. */
  roomSince: number | undefined;

  constructor(key: string, name: string) {
    this.key = key;
    this.name = name;
  }

  /** The lower, the earlier it is loaded and the later it has to make way. */
  get rank(): number {
    return order[this.priority];
  }

  get isResident(): boolean {
    return this.runner?.state === 'resident';
  }

  get state(): ModelState {
    const { name, priority, attempts, problem } = this;
    return { name, priority, state: this.#state, attempts, ...(problem !== undefined && { problem }) };
  }

  /** Belongs to a process from now on, or to none. */
  runBy(runner: Runner | undefined): void {
    this.runner?.models.delete(this);
    this.runner = runner;
    runner?.models.add(this);
    runner?.names.add(canonicalName(this.name));
  }

  /** As it is where Ollama has just started. */
  reset(): void {
    this.runBy(undefined);
    Object.assign(this, { loadedOnce: false, wanted: true, roomSince: undefined });
    Object.assign(this, { attempts: 0, problem: undefined, notBefore: 0 });
  }

  get #state(): ModelState['state'] {
    if (this.isResident && this.loadedOnce) return 'loaded';
    if (this.runner?.state === 'unloading') return 'unloading';
    if (this.loading) return 'loading';
    if (this.problem !== undefined) return 'failed';
    return this.loadedOnce ? 'unloaded' : 'waiting';
  }
}

/**
 * A process of Ollama's that runs a model, or several that are made from the same weights with the same parameters. One
 * of which no model is in the configuration has been loaded by others, or for a configuration of the past.
 */
export class Runner {
  /** Ollama has one process at a time for the same weights. */
  origin: Origin;
  /** Its models of the configuration. */
  readonly models = new Set<Model>();
  /** The names under which Ollama may list it, in their one spelling. */
  readonly names = new Set<string>();
  state: 'absent' | 'loading' | 'resident' | 'unloading' = 'absent';
  uses = 0;
  /** When the last use ended, or it was loaded. */
  lastUsed = 0;
  /** What a client has said last about how long it is to stay, in ms. */
  keepMs: number | undefined;
  /** How Ollama listed it last; kept after an unload, for what it will take. */
  listed: Loaded | undefined;
  /** It is not unloaded before that. */
  heldUntil = 0;

  constructor(origin: Origin) {
    this.origin = origin;
  }

  /** Whether it may be unloaded now. */
  get isIdle(): boolean {
    return this.uses === 0 && this.heldUntil <= performance.now();
  }

  /** Whether it stays, whoever needs its memory. */
  get isPinned(): boolean {
    return [...this.models].some(({ idleMs }) => idleMs === Number.POSITIVE_INFINITY);
  }

  get rank(): number {
    return Math.min(lastOfAll, ...[...this.models].map(({ rank }) => rank));
  }

  /** What it takes when it is loaded: as Ollama said the last time, or as it was expected. */
  get bytes(): number {
    return this.listed?.size ?? Math.max(0, ...[...this.models].map(({ expectedBytes }) => expectedBytes));
  }

  /** How long it stays unused, in ms. */
  get idleMs(): number {
    if (this.keepMs !== undefined) return Math.max(0, this.keepMs - aheadMs);
    if (this.models.size === 0) return strangerIdleMs;
    return Math.max(...[...this.models].map(({ idleMs }) => idleMs));
  }

  /** When it is to be unloaded if nobody uses it. */
  get deadline(): number {
    return (this.uses > 0 ? performance.now() : this.lastUsed) + this.idleMs;
  }

  /** Is loaded from now on. */
  found(): void {
    Object.assign(this, { state: 'resident', keepMs: undefined, lastUsed: performance.now() });
  }

  use(onIdle: () => void): Use {
    this.uses++;
    let open = true;
    return {
      keepFor: (ms) => {
        this.keepMs = ms;
      },
      end: () => {
        if (!open) return;
        open = false;
        this.uses--;
        this.lastUsed = performance.now();
        if (this.uses === 0) onIdle();
      },
    };
  }
}
