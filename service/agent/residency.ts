import { setTimeout as sleep } from 'node:timers/promises';
import type { AgentConfig } from '../../schema/config.ts';
import type { Priority } from '../../schema/types.ts';
import { Refusal } from '../shared/errors.ts';
import type { Logger } from '../shared/logging.ts';
import { unknownModel } from '../shared/metrics.ts';
import { canonicalName } from '../shared/names.ts';
import type { AgentMetrics, RejectionReason, UnloadReason } from './metrics.ts';
import type { Loaded, Ollama } from './ollama.ts';

const mib = 1024 ** 2;

/** When a load that failed is tried again, in ms: the first time, and at most, after doubling. */
const firstRetryMs = 1000;
const longestRetryMs = 30_000;

/** How often a model is tried to be loaded for the first time at the cost of others of higher priority. */
const firstTries = 3;

/** How often it is looked what is really loaded, in ms. */
const defaultLookMs = 10_000;

/** How long a model that is in no configuration may stay, in ms: somebody may be trying it out in the pod. */
const strangerIdleMs = 600_000;

/** How much earlier than Ollama itself the agent unloads what a client's `keep_alive` has set a time for, in ms. */
const aheadMs = 100;

/** How often it is looked whether a model is gone, for how long, and when it is tried again if it is not, in ms. */
const goneLookMs = 100;
const goneMs = 30_000;
const againMs = 10_000;

/**
 * How long GPUs take to show what was freed, in ms. Ollama looks at what they show, and would take another model's place
 * beside that of the one that was unloaded.
 */
const settleMs = 1500;

/** Retry-After where Ollama is away, in seconds. */
const soon = 5;

const order: Record<Priority, number> = { interactive: 0, standard: 1, batch: 2 };

/** Whose turn comes after that of every model of the configuration. */
const lastOfAll = 3;

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

/** Who waits for an answer. */
export interface Client {
  readonly hasLeft: boolean;
  /** Calls back when the client leaves. */
  onLeave(callback: () => void): void;
}

/** The use of a loaded model, which stays loaded until it has ended. */
export interface Use {
  /** Takes note of how long the model is to stay after this use, in ms: until another use says otherwise, as in Ollama. */
  keepFor(ms: number): void;
  end(): void;
}

interface Waiter {
  resolve(use: Use): void;
  reject(refusal: Refusal): void;
}

/** A process of Ollama's, which runs a model, or several that are made from the same weights with the same parameters. */
class Runner {
  /** Ollama has one process at a time for the same weights. */
  weights: string;
  variant: string;
  /** The names under which Ollama may list it, in their one spelling. */
  readonly names = new Set<string>();
  state: 'absent' | 'loading' | 'resident' | 'unloading' = 'absent';
  uses = 0;
  /** When the last use ended, or it was loaded, in ms of `performance.now()`. */
  lastUsed = 0;
  /** What a client has said last about how long it is to stay. */
  keepMs: number | undefined;
  /** How Ollama listed it last; kept after an unload, for what it will take. */
  listed: Loaded | undefined;
  /** It is not unloaded before that. */
  heldUntil = 0;

  constructor(weights: string, variant: string) {
    this.weights = weights;
    this.variant = variant;
  }
}

class Model {
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
  /** Requests that wait until it is loaded, and since when. */
  readonly waiters = new Set<Waiter>();
  since = 0;
  /** Since when it waits for room. */
  roomSince: number | undefined;
  loading = false;
  attempts = 0;
  problem: string | undefined;
  /** When the next load may be tried. */
  notBefore = 0;

  constructor(key: string, name: string) {
    this.key = key;
    this.name = name;
  }

  get rank(): number {
    return order[this.priority];
  }

  get isPinned(): boolean {
    return this.idleMs === Number.POSITIVE_INFINITY;
  }

  get isResident(): boolean {
    return this.runner?.state === 'resident';
  }
}

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
 * Decides which models are loaded. Each is loaded once before clients come; one that was unused for its time is unloaded, and
 * loaded again for the next request that comes. The agent does all this as a client of its own, one thing at a time as Ollama
 * does: Ollama gives up a load when the client that began it leaves, forgets priorities when it makes room by itself, and holds
 * up every model's requests while it waits for one to become idle.
 */
export class Residency {
  readonly #options: ResidencyOptions;
  readonly #lookMs: number;
  #config: AgentConfig;
  #models = new Map<string, Model>();
  #runners: Runner[] = [];
  #abort = new AbortController();
  /** What is under way, to be given up when it is not wanted any more. */
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
    return Object.fromEntries([...this.#models].map(([key, model]) => [key, stateOf(model)]));
  }

  /** The models by key that have not been loaded once since Ollama started. */
  get missing(): [string, ModelState][] {
    return [...this.#models].flatMap(([key, model]) => (model.loadedOnce ? [] : [[key, stateOf(model)]]));
  }

  get loadedOnce(): Record<string, boolean> {
    return Object.fromEntries([...this.#models].map(([key, { loadedOnce }]) => [key, loadedOnce]));
  }

  get residentCount(): number {
    return [...this.#models.values()].filter(({ isResident }) => isResident).length;
  }

  /** What Ollama holds for each process, in bytes. */
  get memory(): { model: string; ram: number; vram: number }[] {
    return this.#resident.flatMap((runner) => {
      if (!runner.listed) return [];
      const { name, size, size_vram: vram } = runner.listed;
      const models = this.#modelsOf(runner);
      const model = models.find((model) => canonicalName(model.name) === canonicalName(name)) ?? models[0];
      return { model: model?.key ?? unknownModel, ram: size - vram, vram };
    });
  }

  /** What is loaded, as Ollama listed it last, with the time at which each is unloaded if nobody uses it until then. */
  get listed(): Loaded[] {
    const now = performance.now();
    return this.#resident.flatMap((runner) => {
      if (!runner.listed) return [];
      const deadline = runner.uses > 0 ? now + this.#idleMs(runner) : this.#deadline(runner);
      // What stays keeps what Ollama says, which is a time that its clients take for never.
      if (deadline === Number.POSITIVE_INFINITY) return runner.listed;
      return { ...runner.listed, expires_at: new Date(Date.now() + deadline - now).toISOString() };
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
      if (this.#models.get(model.key) !== model) {
        this.#rejectAll(model, 'unavailable', new Refusal(503, `model '${model.key}' has moved`, { retryAfter: 1 }));
      }
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
      Object.assign(model, { runner: undefined, loadedOnce: false, wanted: true, roomSince: undefined });
      Object.assign(model, { attempts: 0, problem: undefined, notBefore: 0 });
      this.#rejectAll(model, 'unavailable', away());
    }
  }

  /** Nothing is loaded or unloaded any more but what a request waits for. */
  drain(): void {
    this.#draining = true;
    if (this.#load && this.#load.model.waiters.size === 0) this.#load.abort.abort(new Error('the agent drains'));
  }

  /** Ends all that is under way. */
  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#abort.abort(new Error('the agent stops'));
    for (const model of this.#models.values()) this.#rejectAll(model, 'unavailable', away());
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
    for (const model of this.#inOrder()) {
      if (model.notBefore > now) {
        wait = Math.min(wait, model.notBefore - now);
        continue;
      }
      const next = this.#nextFor(model, now);
      if (typeof next !== 'number') return next;
      // Those behind it must not take the memory that it waits for.
      wait = Math.min(wait, next);
      break;
    }
    for (const runner of this.#draining ? [] : this.#resident.filter((runner) => this.#isIdle(runner))) {
      const left = this.#deadline(runner) - now;
      if (left <= 0) return () => this.#unload(runner, runner.keepMs === undefined ? 'idle' : 'client');
      wait = Math.min(wait, left);
    }
    return wait <= 0 ? () => this.#look() : wait;
  }

  /** The models to load: those of higher priority first, and among these the ones that a request waits for, the first one first. */
  #inOrder(): Model[] {
    const isToLoad = ({ wanted, waiters, name }: Model) =>
      (waiters.size > 0 || (wanted && !this.#draining)) && this.#options.isOnDisk(name);
    const since = ({ waiters, since }: Model) => (waiters.size > 0 ? since : Number.POSITIVE_INFINITY);
    const toLoad = [...this.#models.values()].filter(isToLoad);
    return toLoad.toSorted((a, b) => a.rank - b.rank || compare(since(a), since(b)));
  }

  /** What is to be done for a model to be loaded. */
  #nextFor(model: Model, now: number): Next {
    const { runner } = model;
    if (!runner) return () => this.#findOut(model);
    const room = this.#roomFor(model, runner);
    if (room !== 'none') return () => this.#makeRoomAndLoad(model, runner, room);
    const { loadTimeoutSeconds } = this.#config;
    model.roomSince ??= now;
    const wait = model.roomSince + loadTimeoutSeconds * 1000 - now;
    if (wait > 0) return wait;
    this.#options.log.warn({ model: model.key }, 'there was no room for it in time: Ollama decides');
    return () => this.#makeRoomAndLoad(model, runner, []);
  }

  /** What has to be unloaded for a model to have room; `none` while that is not possible. */
  #roomFor(model: Model, runner: Runner): Runner[] | 'none' {
    if (runner.state === 'resident') return [];
    const others = this.#resident.filter((other) => other !== runner);
    const rivals = others.filter(({ weights }) => weights === runner.weights);
    if (!rivals.every((rival) => this.#isIdle(rival))) return 'none';
    const budget = this.#config.memoryMiB * mib;
    if (budget === 0) return rivals;
    const rest = others.filter((other) => !rivals.includes(other));
    const needed = Math.min(budget, this.#bytesOf(runner));
    const pinned = rest.filter((other) => this.#isPinned(other));
    // It would be waited for in vain.
    if (this.#sum(pinned) + needed > budget) return rivals;
    let taken = this.#sum(rest);
    const leaving: Runner[] = [];
    for (const other of rest.filter((other) => this.#hasToLeaveFor(model, other)).toSorted(this.#whoLeavesFirst)) {
      if (taken + needed <= budget) break;
      leaving.push(other);
      taken -= this.#bytesOf(other);
    }
    return taken + needed <= budget ? [...rivals, ...leaving] : 'none';
  }

  /** For the first load of a model, which shows that it can be served, those of higher priority have to leave too. */
  #hasToLeaveFor(model: Model, other: Runner): boolean {
    if (!this.#isIdle(other) || this.#isPinned(other)) return false;
    const isFirst = !model.loadedOnce && model.attempts < firstTries;
    return isFirst || this.#rankOf(other) >= model.rank;
  }

  readonly #whoLeavesFirst = (a: Runner, b: Runner) => this.#rankOf(b) - this.#rankOf(a) || a.lastUsed - b.lastUsed;

  async #findOut(model: Model): Promise<void> {
    const name = canonicalName(model.name);
    const { signal } = this.#abort;
    const origin = await this.#options.ollama.origin(model.name, signal).catch((error: Error) => {
      this.#options.log.debug({ model: model.key, problem: error.message }, 'taken to share its weights with none');
      return { weights: name, variant: name };
    });
    if (signal.aborted) return;
    let runner = this.#runners.find(({ variant, names }) => variant === origin.variant || names.has(name));
    if (!runner) {
      runner = new Runner(origin.weights, origin.variant);
      this.#runners.push(runner);
    }
    runner.names.add(name);
    Object.assign(runner, origin);
    model.runner = runner;
    if (runner.state === 'resident') this.#admit(runner);
  }

  async #makeRoomAndLoad(model: Model, runner: Runner, leaving: Runner[]): Promise<void> {
    const higher = leaving
      .filter((other) => this.#rankOf(other) < model.rank)
      .flatMap((other) => this.#modelsOf(other));
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
    model.loading = true;
    model.attempts++;
    model.roomSince = undefined;
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
    if (problem === undefined || !wasResident) runner.state = problem === undefined ? 'resident' : 'absent';
    // What was asked of an Ollama that is gone says nothing about the one that is there now.
    if (stop.aborted) return;
    metrics.loaded(key, seconds, problem === undefined);
    if (problem === undefined) {
      Object.assign(model, { loadedOnce: true, wanted: false, attempts: 0, problem });
      Object.assign(runner, { keepMs: undefined, lastUsed: performance.now() });
      log.info({ model: key, name, seconds }, 'loaded');
      this.#admit(runner);
    } else {
      const waitMs = Math.min(firstRetryMs * 2 ** (model.attempts - 1), longestRetryMs);
      Object.assign(model, { problem, notBefore: performance.now() + waitMs });
      log.error({ model: key, name, problem, seconds, retryInSeconds: waitMs / 1000 }, 'load failed');
      this.#rejectAll(model, 'load_failed', failed(model));
    }
  }

  /** Whether it is gone. */
  async #unload(runner: Runner, reason: UnloadReason): Promise<boolean> {
    const { ollama, log, metrics } = this.#options;
    const models = this.#modelsOf(runner);
    const name = runner.listed?.name ?? models[0]?.name ?? [...runner.names][0]!;
    const { signal } = this.#abort;
    runner.state = 'unloading';
    log.info({ models: models.map(({ key }) => key), name, reason }, 'unloading');
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
    if (signal.aborted) return false;
    for (const { key } of models) metrics.unloaded(key, reason);
    this.#lost(runner);
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

  #lost(runner: Runner): void {
    Object.assign(runner, { state: 'absent', keepMs: undefined });
    if (this.#modelsOf(runner).length === 0) this.#runners = this.#runners.filter((other) => other !== runner);
  }

  /** Takes Ollama's word for what is loaded: it may have made room by itself, and others in the pod may have asked it. */
  async #look(): Promise<void> {
    const { ollama, log, metrics } = this.#options;
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
      const loaded = name === undefined ? undefined : byName.get(name);
      if (name !== undefined) byName.delete(name);
      if (loaded) {
        runner.listed = loaded;
        if (runner.state === 'absent') this.#found(runner);
      } else if (runner.state === 'resident') {
        log.warn({ models: [...runner.names] }, 'unloaded by Ollama itself');
        for (const { key } of this.#modelsOf(runner)) metrics.unloaded(key, 'evicted');
        this.#lost(runner);
      }
    }
    for (const [name, loaded] of byName) {
      const runner = new Runner(name, name);
      runner.names.add(name);
      runner.listed = loaded;
      this.#runners.push(runner);
      this.#found(runner);
    }
  }

  #found(runner: Runner): void {
    Object.assign(runner, { state: 'resident', keepMs: undefined, lastUsed: performance.now() });
    this.#admit(runner);
  }

  /** Lets go the requests that wait for the models of a process that is loaded. */
  #admit(runner: Runner): void {
    for (const { waiters } of this.#modelsOf(runner)) {
      for (const waiter of waiters) waiter.resolve(this.#use(runner));
      waiters.clear();
    }
  }

  #use(runner: Runner): Use {
    runner.uses++;
    let open = true;
    return {
      keepFor: (ms) => {
        runner.keepMs = ms;
      },
      end: () => {
        if (!open) return;
        open = false;
        runner.uses--;
        runner.lastUsed = performance.now();
        if (runner.uses === 0) this.work();
      },
    };
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

  #rejectAll({ key, waiters }: Model, reason: RejectionReason, refusal: Refusal): void {
    for (const waiter of waiters) {
      this.#options.metrics.rejected(key, reason);
      waiter.reject(refusal);
    }
    waiters.clear();
  }

  get #resident(): Runner[] {
    return this.#runners.filter(({ state }) => state === 'resident');
  }

  #modelsOf(runner: Runner): Model[] {
    return [...this.#models.values()].filter((model) => model.runner === runner);
  }

  /** Whether it may be unloaded now. */
  #isIdle(runner: Runner): boolean {
    if (runner.uses > 0 || runner.heldUntil > performance.now()) return false;
    return this.#modelsOf(runner).every(({ waiters }) => waiters.size === 0);
  }

  #isPinned(runner: Runner): boolean {
    return this.#modelsOf(runner).some(({ isPinned }) => isPinned);
  }

  #rankOf(runner: Runner): number {
    return Math.min(lastOfAll, ...this.#modelsOf(runner).map(({ rank }) => rank));
  }

  /** What it takes when it is loaded: as Ollama said the last time, or as it was expected. */
  #bytesOf(runner: Runner): number {
    return runner.listed?.size ?? Math.max(0, ...this.#modelsOf(runner).map(({ expectedBytes }) => expectedBytes));
  }

  #sum(runners: Runner[]): number {
    return runners.reduce((sum, runner) => sum + this.#bytesOf(runner), 0);
  }

  /** How long it stays unused. */
  #idleMs(runner: Runner): number {
    const { keepMs } = runner;
    if (keepMs !== undefined) return Math.max(0, keepMs - aheadMs);
    const models = this.#modelsOf(runner);
    return models.length === 0 ? strangerIdleMs : Math.max(...models.map(({ idleMs }) => idleMs));
  }

  #deadline(runner: Runner): number {
    return runner.lastUsed + this.#idleMs(runner);
  }
}

function stateOf(model: Model): ModelState {
  const { name, priority, attempts, problem, runner, loading, loadedOnce } = model;
  const common = { name, priority, attempts, ...(problem !== undefined && { problem }) };
  if (runner?.state === 'resident' && loadedOnce) return { ...common, state: 'loaded' };
  if (runner?.state === 'unloading') return { ...common, state: 'unloading' };
  if (loading) return { ...common, state: 'loading' };
  if (problem !== undefined) return { ...common, state: 'failed' };
  return { ...common, state: loadedOnce ? 'unloaded' : 'waiting' };
}

const left = () => new Refusal(499, 'the client left');
const away = () => new Refusal(503, 'Ollama cannot be reached at the moment', { retryAfter: soon });

function failed({ key, problem, notBefore }: Model): Refusal {
  const retryAfter = Math.max(1, Math.ceil((notBefore - performance.now()) / 1000));
  return new Refusal(503, `model '${key}' could not be loaded: ${problem}`, { retryAfter });
}

/** Of numbers that may be infinite. */
const compare = (a: number, b: number) => (a === b ? 0 : a - b);
