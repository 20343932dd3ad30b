import { setTimeout as sleep } from 'node:timers/promises';
import type { AgentConfig } from '../../schema/config.ts';
import { Refusal } from '../shared/errors.ts';
import type { Client } from '../shared/exchange.ts';
import type { Logger } from '../shared/logging.ts';
import { unknownModel } from '../shared/metrics.ts';
import { canonicalName } from '../shared/names.ts';
import type { AgentMetrics, RejectionReason, UnloadReason } from './metrics.ts';
import { Model, type ModelState, Runner, type Use } from './models.ts';
import type { Loaded, Ollama } from './ollama.ts';
import { roomFor } from './room.ts';

const mib = 1024 ** 2;

/** When a load that failed is tried again, in ms: the first time, and at most, after doubling. */
const firstRetryMs = 1000;
const longestRetryMs = 30_000;

/** How often it is looked what is really loaded, in ms. */
const defaultLookMs = 10_000;

/** How often it is looked whether a model is gone, for how long, and when it is tried again if it is not, in ms. */
const goneLookMs = 100;
const goneMs = 30_000;
const againMs = 10_000;

/**
 * How long GPUs take to show what was freed, in ms. Ollama looks at what they show, and would take another model's
 * place beside that of the one that was unloaded.
 */
const settleMs = 1500;

/** Retry-After where Ollama is away, in seconds. */
const soon = 5;

export interface ResidencyOptions {
  ollama: Ollama;
  log: Logger;
  metrics: AgentMetrics;
  /** Whether Ollama answers, and has a model on its disk. */
  isAnswering(): boolean;
  isOnDisk(name: string): boolean;
  lookMs?: number;
}

/** What is to be done next, or after how many ms there may be something. */
type Next = (() => Promise<unknown>) | number;

/**
 * Decides which models are loaded. Each is loaded once before clients come; one that was unused for its time is
 * unloaded, and loaded again for the next request that comes. The agent does all this as a client of its own, one thing
 * at a time as Ollama does: Ollama gives up a load when the client that began it leaves, forgets priorities when it
 * makes room by itself, and holds up every model's requests while it waits for one to become idle.
 */
export class Residency {
  readonly #options: ResidencyOptions;
  readonly #lookMs: number;
  #config: AgentConfig;
  #models = new Map<string, Model>();
  #runners: Runner[] = [];
  #abort = new AbortController();
  /** What is being loaded, to be given up when it is not wanted any more. */
  #load: { model: Model; abort: AbortController } | undefined;
  #busy = false;
  #stopped = false;
  #draining = false;
  #lookedAt = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;

  constructor(config: AgentConfig, options: ResidencyOptions) {
    this.#config = config;
    this.#options = options;
    this.#lookMs = options.lookMs ?? defaultLookMs;
    this.configure(config);
  }

  /** The models by key. */
  get states(): Record<string, ModelState> {
    return Object.fromEntries([...this.#models].map(([key, { state }]) => [key, state]));
  }

  /** The models by key that have not been loaded once since Ollama started. */
  get missing(): [string, ModelState][] {
    return [...this.#models].flatMap(([key, { loadedOnce, state }]) => (loadedOnce ? [] : [[key, state]]));
  }

  get loadedOnce(): Record<string, boolean> {
    return Object.fromEntries([...this.#models].map(([key, { loadedOnce }]) => [key, loadedOnce]));
  }

  get residentCount(): number {
    return [...this.#models.values()].filter(({ isResident }) => isResident).length;
  }

  /** What Ollama holds for each process, in bytes. */
  get memory(): { model: string; ram: number; vram: number }[] {
    return this.#resident.flatMap(({ listed, models }) => {
      if (!listed) return [];
      const { name, size, size_vram: vram } = listed;
      const all = [...models];
      const model = all.find((model) => canonicalName(model.name) === canonicalName(name)) ?? all[0];
      return { model: model?.key ?? unknownModel, ram: size - vram, vram };
    });
  }

  /** What is loaded, as Ollama listed it last, with the time at which each is unloaded if nobody uses it until then. */
  get listed(): Loaded[] {
    return this.#resident.flatMap(({ listed, deadline }) => {
      // What stays keeps what Ollama says, which is a time that its clients take for never.
      if (!listed || deadline === Number.POSITIVE_INFINITY) return listed ?? [];
      return { ...listed, expires_at: new Date(Date.now() + deadline - performance.now()).toISOString() };
    });
  }

  /** The context that a model is loaded with, in tokens, as far as Ollama has said. */
  contextLengthOf(key: string): number | undefined {
    return this.#models.get(key)?.runner?.listed?.context_length;
  }

  /** Takes another list of models; those that stay keep their state. */
  configure(config: AgentConfig): void {
    this.#config = config;
    const before = this.#models;
    this.#models = new Map(
      Object.entries(config.models).map(([key, { name, priority, idleSeconds, memoryMiB }]) => {
        const known = before.get(key);
        const model = known?.name === name ? known : new Model(key, name);
        const idleMs = idleSeconds === 0 ? Number.POSITIVE_INFINITY : idleSeconds * 1000;
        return [key, Object.assign(model, { priority, idleMs, expectedBytes: memoryMiB * mib })];
      }),
    );
    for (const model of before.values()) {
      if (this.#models.get(model.key) === model) continue;
      model.runBy(undefined);
      this.#reject(model, 'unavailable', new Refusal(503, `model '${model.key}' has moved`, { retryAfter: 1 }));
    }
    this.work();
  }

  /** The use of a model, once it is loaded; rejects with a Refusal where it cannot be. */
  async use(key: string, client: Client): Promise<Use> {
    const model = this.#models.get(key)!;
    if (model.isResident) return this.#use(model.runner!);
    if (client.hasLeft) throw left();
    const whyNot = this.#whyNot(model);
    if (whyNot) {
      this.#options.metrics.rejected(key, whyNot[0]);
      throw whyNot[1];
    }
    return new Promise((resolve, reject) => {
      const waiter = { resolve, reject };
      if (model.waiters.size === 0) Object.assign(model, { since: performance.now(), roomSince: undefined });
      model.waiters.add(waiter);
      client.onLeave(() => {
        if (model.waiters.delete(waiter)) reject(left());
      });
      this.work();
    });
  }

  /** Whether a model is not loaded, and not about to be. */
  isAway(key: string): boolean {
    const { waiters, loading, isResident } = this.#models.get(key)!;
    return waiters.size === 0 && !loading && !isResident;
  }

  /** Ollama is gone: nothing is loaded any more. */
  forget(): void {
    this.#abort.abort(new Error('Ollama is gone'));
    this.#abort = new AbortController();
    this.#runners = [];
    for (const model of this.#models.values()) {
      model.reset();
      this.#reject(model, 'unavailable', away());
    }
  }

  /** Nothing is loaded or unloaded any more but what a request waits for. */
  drain(): void {
    this.#draining = true;
    if (this.#load?.model.waiters.size === 0) this.#load.abort.abort(new Error('the agent drains'));
  }

  /** Ends all that is under way. */
  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#abort.abort(new Error('the agent stops'));
    for (const model of this.#models.values()) this.#reject(model, 'unavailable', away());
  }

  /** Does what is to be done now, one thing after the other, and comes back when there may be more. */
  work(): void {
    if (this.#busy || this.#stopped) return;
    clearTimeout(this.#timer);
    const next = this.#next(performance.now());
    if (typeof next === 'number') {
      if (next !== Number.POSITIVE_INFINITY) this.#timer = setTimeout(() => this.work(), Math.ceil(next)).unref();
      return;
    }
    this.#busy = true;
    void next().then(() => {
      this.#busy = false;
      this.work();
    });
  }

  #next(now: number): Next {
    if (!this.#options.isAnswering()) return Number.POSITIVE_INFINITY;
    let wait = this.#lookedAt + this.#lookMs - now;
    for (const model of this.#toLoad()) {
      const next = model.notBefore > now ? model.notBefore - now : this.#nextFor(model, now);
      if (typeof next !== 'number') return next;
      wait = Math.min(wait, next);
      // Those behind it must not take the memory that it waits for.
      if (model.roomSince !== undefined) break;
    }
    for (const runner of this.#draining ? [] : this.#resident.filter(({ isIdle }) => isIdle)) {
      const left = runner.deadline - now;
      if (left <= 0) return () => this.#unload(runner, runner.keepMs === undefined ? 'idle' : 'client');
      wait = Math.min(wait, left);
    }
    return wait <= 0 ? () => this.#look() : wait;
  }

  /**
   * The models to load: those of higher priority first, and among these the ones that a request waits for, the first
   * one first.
   */
  #toLoad(): Model[] {
    const isToLoad = ({ wanted, waiters, name }: Model) =>
      (waiters.size > 0 || (wanted && !this.#draining)) && this.#options.isOnDisk(name);
    const since = ({ waiters, since }: Model) => (waiters.size > 0 ? since : Number.POSITIVE_INFINITY);
    const models = [...this.#models.values()].filter(isToLoad);
    return models.toSorted((a, b) => a.rank - b.rank || compare(since(a), since(b)));
  }

  /** What is to be done for a model to be loaded. */
  #nextFor(model: Model, now: number): Next {
    const { runner } = model;
    if (!runner) return () => this.#findOut(model);
    const { memoryMiB, loadTimeoutSeconds } = this.#config;
    const leaving = roomFor(model, runner, this.#resident, memoryMiB * mib);
    if (leaving !== 'none') return () => this.#makeRoomAndLoad(model, runner, leaving);
    model.roomSince ??= now;
    const wait = model.roomSince + loadTimeoutSeconds * 1000 - now;
    if (wait > 0) return wait;
    this.#options.log.warn({ model: model.key }, 'there was no room for it in time: Ollama decides');
    return () => this.#makeRoomAndLoad(model, runner, []);
  }

  /** Asks Ollama what a model is made from, and so with which others it is run. */
  async #findOut(model: Model): Promise<void> {
    const name = canonicalName(model.name);
    const { signal } = this.#abort;
    const origin = await this.#options.ollama.origin(model.name, signal).catch((error: Error) => {
      this.#options.log.debug({ model: model.key, problem: error.message }, 'taken to share its weights with none');
      return { weights: name, variant: name };
    });
    if (signal.aborted) return;
    const known = this.#runners.find((other) => other.origin.variant === origin.variant || other.names.has(name));
    const runner = known ?? new Runner(origin);
    if (!known) this.#runners.push(runner);
    runner.origin = origin;
    model.runBy(runner);
  }

  async #makeRoomAndLoad(model: Model, runner: Runner, leaving: Runner[]): Promise<void> {
    const higher = leaving.filter(({ rank }) => rank < model.rank).flatMap(({ models }) => [...models]);
    for (const other of leaving) if (!(await this.#unload(other, 'evicted'))) return;
    if (leaving.some(({ listed }) => listed && listed.size_vram > 0)) await this.#settle();
    await this.#loadNow(model, runner);
    // What made way for the first load of one of lower priority comes back.
    for (const other of higher) other.wanted = true;
    await this.#look();
  }

  async #settle(): Promise<void> {
    await sleep(settleMs, undefined, { signal: this.#abort.signal }).catch(() => undefined);
  }

  async #loadNow(model: Model, runner: Runner): Promise<void> {
    const { ollama, log, metrics } = this.#options;
    const { key, name } = model;
    const { loadTimeoutSeconds } = this.#config;
    const began = performance.now();
    const wasResident = runner.state === 'resident';
    if (!wasResident) runner.state = 'loading';
    Object.assign(model, { loading: true, attempts: model.attempts + 1, roomSince: undefined });
    this.#load = { model, abort: new AbortController() };
    const stop = AbortSignal.any([this.#abort.signal, this.#load.abort.signal]);
    log.info({ model: key, name, attempt: model.attempts }, 'loading');
    const problem = await ollama
      .load(name, AbortSignal.any([stop, AbortSignal.timeout(loadTimeoutSeconds * 1000)]))
      .then(() => undefined)
      .catch(({ name: kind, message }: Error) =>
        kind === 'TimeoutError' ? `not loaded within ${loadTimeoutSeconds} seconds` : message || kind,
      );
    const seconds = (performance.now() - began) / 1000;
    this.#load = undefined;
    model.loading = false;
    if (!wasResident) runner.state = 'absent';
    // What was asked of an Ollama that is gone says nothing about the one that is there now.
    if (stop.aborted) return;
    metrics.loaded(key, seconds, problem === undefined);
    if (problem === undefined) {
      Object.assign(model, { loadedOnce: true, wanted: false, attempts: 0, problem });
      log.info({ model: key, name, seconds }, 'loaded');
      runner.found();
      this.#admit(runner);
    } else {
      const waitMs = Math.min(firstRetryMs * 2 ** (model.attempts - 1), longestRetryMs);
      Object.assign(model, { problem, notBefore: performance.now() + waitMs });
      log.error({ model: key, name, problem, seconds, retryInSeconds: waitMs / 1000 }, 'load failed');
      this.#reject(model, 'load_failed', failed(model));
    }
  }

  /** Whether it is gone. */
  async #unload(runner: Runner, reason: UnloadReason): Promise<boolean> {
    const { ollama, log } = this.#options;
    const [anyName] = runner.names;
    const name = runner.listed?.name ?? anyName!;
    const { signal } = this.#abort;
    runner.state = 'unloading';
    log.info({ models: [...runner.models].map(({ key }) => key), name, reason }, 'unloading');
    try {
      await ollama.unload(name, signal);
      await this.#gone(runner, signal);
    } catch (error) {
      if (signal.aborted) return false;
      log.error({ name, problem: (error as Error).message }, 'unload failed');
      Object.assign(runner, { state: 'resident', heldUntil: performance.now() + againMs });
      this.#admit(runner);
      return false;
    }
    this.#lost(runner, reason);
    return true;
  }

  /** Waits until Ollama lists it no more: it says that it unloads long before it is done. */
  async #gone(runner: Runner, signal: AbortSignal): Promise<void> {
    for (const deadline = performance.now() + goneMs; ; await sleep(goneLookMs, undefined, { signal })) {
      // While it unloads, Ollama may fail to say what is loaded.
      const list = await this.#options.ollama.loaded(signal).catch(() => undefined);
      if (list && !list.some(({ name }) => runner.names.has(canonicalName(name)))) return;
      if (performance.now() > deadline) throw new Error(`still loaded after ${goneMs / 1000} seconds`);
    }
  }

  #lost(runner: Runner, reason: UnloadReason): void {
    runner.state = 'absent';
    for (const { key } of runner.models) this.#options.metrics.unloaded(key, reason);
    if (runner.models.size === 0) this.#runners = this.#runners.filter((other) => other !== runner);
  }

  /**
   * Takes Ollama's word for what is loaded: it may have made room by itself, and others in the pod may have asked it.
   */
  async #look(): Promise<void> {
    const { ollama, log } = this.#options;
    const { signal } = this.#abort;
    this.#lookedAt = performance.now();
    const list = await ollama.loaded(signal).catch((error: Error) => {
      log.debug({ problem: error.message }, 'Ollama does not say what is loaded');
      return undefined;
    });
    if (!list || signal.aborted) return;
    const byName = new Map(list.map((loaded) => [canonicalName(loaded.name), loaded]));
    for (const runner of this.#runners) {
      const name = [...runner.names].find((name) => byName.has(name));
      if (name !== undefined) {
        runner.listed = byName.get(name);
        byName.delete(name);
        if (runner.state === 'absent') this.#found(runner);
      } else if (runner.state === 'resident') {
        log.warn({ models: [...runner.names] }, 'unloaded by Ollama itself');
        this.#lost(runner, 'evicted');
      }
    }
    for (const [name, loaded] of byName) {
      const stranger = new Runner({ weights: name, variant: name });
      stranger.names.add(name);
      stranger.listed = loaded;
      this.#runners.push(stranger);
      this.#found(stranger);
    }
  }

  #found(runner: Runner): void {
    runner.found();
    this.#admit(runner);
  }

  /** Lets go the requests that wait for the models of a process that is loaded. */
  #admit(runner: Runner): void {
    for (const { waiters } of runner.models) {
      for (const waiter of waiters) waiter.resolve(this.#use(runner));
      waiters.clear();
    }
  }

  #use(runner: Runner): Use {
    return runner.use(() => this.work());
  }

  /** Why a model cannot be loaded now. */
  #whyNot(model: Model): [RejectionReason, Refusal] | undefined {
    const { isAnswering, isOnDisk } = this.#options;
    if (!isAnswering()) return ['unavailable', away()];
    if (model.notBefore > performance.now()) return ['load_failed', failed(model)];
    if (isOnDisk(model.name)) return undefined;
    const message = `model '${model.key}' is not on the disk of its server yet`;
    return ['unavailable', new Refusal(503, message, { retryAfter: soon })];
  }

  #reject({ key, waiters }: Model, reason: RejectionReason, refusal: Refusal): void {
    for (const waiter of waiters) {
      this.#options.metrics.rejected(key, reason);
      waiter.reject(refusal);
    }
    waiters.clear();
  }

  get #resident(): Runner[] {
    return this.#runners.filter(({ state }) => state === 'resident');
  }
}

const left = () => new Refusal(499, 'the client left');
const away = () => new Refusal(503, 'Ollama cannot be reached at the moment', { retryAfter: soon });

function failed({ key, problem, notBefore }: Model): Refusal {
  const retryAfter = Math.max(1, Math.ceil((notBefore - performance.now()) / 1000));
  return new Refusal(503, `model '${key}' could not be loaded: ${problem}`, { retryAfter });
}

/** Of numbers that may be infinite. */
const compare = (a: number, b: number) => (a === b ? 0 : a - b);
