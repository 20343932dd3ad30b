import { setTimeout as sleep } from 'node:timers/promises';
import { Pool } from 'undici';
import { afterEach, describe, expect, it } from 'vitest';
import type { AgentConfig } from '../../schema/config.ts';
import type { Refusal } from '../shared/errors.ts';
import type { Client } from '../shared/exchange.ts';
import { createLogger } from '../shared/logging.ts';
import { until } from '../testing/client.ts';
import { FakeOllama, json } from '../testing/fake-ollama.ts';
import { agentConfig } from '../testing/hops.ts';
import { AgentMetrics } from './metrics.ts';
import type { Use } from './models.ts';
import { Ollama } from './ollama.ts';
import { Residency } from './residency.ts';

type Models = Parameters<typeof agentConfig>[1];

const mib = 1024 ** 2;

/** Long enough for whatever would be wrong to happen. */
const while_ = () => sleep(150);

let stack: AsyncDisposableStack;
afterEach(() => stack?.disposeAsync());

class FakeClient implements Client {
  hasLeft = false;
  readonly #callbacks: (() => void)[] = [];

  onLeave(callback: () => void): void {
    this.#callbacks.push(callback);
  }

  leave(): void {
    this.hasLeft = true;
    for (const callback of this.#callbacks) callback();
  }
}

/** What decides about the models of a fake Ollama, each of them named KEY:latest, and of so many MiB if said. */
class Bench {
  readonly ollama: FakeOllama;
  readonly residency: Residency;
  readonly metrics = new AgentMetrics();
  isAnswering = true;
  isOnDisk = (name: string) => name !== 'absent:latest';
  readonly config: AgentConfig;

  constructor(ollama: FakeOllama, pool: Pool, config: AgentConfig, lookMs: number) {
    this.ollama = ollama;
    this.config = config;
    const log = createLogger('test', 'error');
    log.level = 'silent';
    this.residency = new Residency(config, {
      ollama: new Ollama(() => pool),
      log,
      metrics: this.metrics,
      isAnswering: () => this.isAnswering,
      isOnDisk: (name) => this.isOnDisk(name),
      lookMs,
    });
    this.metrics.watch(() => {
      const { loadedOnce, residentCount, memory } = this.residency;
      return { loadedOnce, residentCount, memory, load: { running: 0, waiting: 0, capacity: 0 } };
    });
  }

  /** The names of the models that are loaded, without their tag. */
  get loaded(): string[] {
    return [...this.ollama.loaded].map((name) => name.replace(':latest', '')).sort();
  }

  get history(): string[] {
    return this.ollama.history.map((event) => event.replace(':latest', ''));
  }

  use(key: string, client: Client = new FakeClient()): Promise<Use> {
    return this.residency.use(key, client);
  }

  async allLoaded(): Promise<void> {
    await until(() => this.residency.missing.length === 0);
    await until(() => this.residency.listed.length > 0);
  }

  async until(...loaded: string[]): Promise<void> {
    await until(() => this.loaded.join() === loaded.toSorted().join());
  }

  async counted(line: string): Promise<boolean> {
    return (await this.metrics.registry.metrics()).includes(line);
  }
}

type Options = Partial<AgentConfig> & { lookMs?: number; before?(ollama: FakeOllama): void };

async function start(models: Record<string, Partial<Models[string]>>, options: Options = {}) {
  const { lookMs = 10_000, before, ...more } = options;
  stack = new AsyncDisposableStack();
  const ollama = stack.use(await FakeOllama.start());
  const pool = new Pool(ollama.url);
  stack.defer(() => pool.destroy());
  const named = Object.entries(models).map(([key, model]) => [key, { name: `${key}:latest`, ...model }] as const);
  for (const [, { name, memoryMiB }] of named) {
    if (memoryMiB) ollama.sizes[name] = { size: memoryMiB * mib, size_vram: 0 };
  }
  before?.(ollama);
  const bench = new Bench(ollama, pool, agentConfig(ollama.url, Object.fromEntries(named), more), lookMs);
  stack.defer(() => bench.residency.stop());
  return bench;
}

async function refusalOf(use: Promise<Use>): Promise<Refusal> {
  return use.then(
    () => Promise.reject(new Error('not refused')),
    (refusal) => refusal,
  );
}

/** Holds what a hook of the fake is called for, until it is let go. */
class Gate {
  readonly held: string[] = [];
  #open = Promise.withResolvers<void>();
  isShut = true;

  readonly hook = async (name: string) => {
    if (!this.isShut) return;
    this.held.push(name.replace(':latest', ''));
    await this.#open.promise;
  };

  open(): void {
    this.isShut = false;
    this.#open.resolve();
  }

  shut(): void {
    this.isShut = true;
    this.held.length = 0;
    this.#open = Promise.withResolvers();
  }
}

describe('loading', () => {
  it('is waited for by all requests that came meanwhile, and done once for them', async () => {
    const gate = new Gate();
    const bench = await start({ small: {} }, { before: (ollama) => Object.assign(ollama, { beforeLoad: gate.hook }) });
    const uses = [bench.use('small'), bench.use('small'), bench.use('small')];
    await until(() => gate.held.length === 1);
    expect(bench.residency.states.small).toMatchObject({ state: 'loading', attempts: 1 });
    gate.open();
    await Promise.all(uses);
    await bench.use('small');
    expect(bench.history).toEqual(['load small']);
    expect(bench.ollama.loads).toEqual([{ model: 'small:latest', keep_alive: -1 }]);
  });

  it('goes on when the client that it was begun for leaves, and is there for the next', async () => {
    const gate = new Gate();
    const bench = await start({ small: { idleSeconds: 0.1 } });
    await bench.allLoaded();
    await bench.until();
    bench.ollama.beforeLoad = gate.hook;
    const client = new FakeClient();
    const use = refusalOf(bench.use('small', client));
    await until(() => gate.held.length === 1);
    client.leave();
    expect(await use).toMatchObject({ status: 499 });
    const next = bench.use('small');
    gate.open();
    (await next).end();
    expect(bench.history).toEqual(['load small', 'unload small', 'load small']);
  });

  it('is not begun for a client that has left before', async () => {
    const gate = new Gate();
    const bench = await start({ one: { idleSeconds: 0.1 }, two: { idleSeconds: 0.1 } });
    await bench.allLoaded();
    await bench.until();
    bench.ollama.beforeLoad = gate.hook;
    const first = bench.use('one');
    await until(() => gate.held.length === 1);
    const client = new FakeClient();
    const second = refusalOf(bench.use('two', client));
    client.leave();
    expect(await second).toMatchObject({ status: 499 });
    expect(await refusalOf(bench.use('two', client))).toMatchObject({ status: 499 });
    gate.open();
    await first;
    await while_();
    expect(bench.history.filter((event) => event === 'load two')).toHaveLength(1);
  });

  it('takes models of higher priority first, then those that somebody waits for', async () => {
    const gate = new Gate();
    const bench = await start(
      {
        night: { priority: 'batch' },
        first: { priority: 'standard' },
        asked: { priority: 'standard' },
        chat: { priority: 'interactive' },
      },
      { before: (ollama) => Object.assign(ollama, { beforeLoad: gate.hook }) },
    );
    bench.residency.work();
    await until(() => gate.held.length === 1);
    void bench.use('night').catch(() => undefined);
    void bench.use('asked').catch(() => undefined);
    gate.open();
    await bench.allLoaded();
    expect(bench.history).toEqual(['load chat', 'load asked', 'load first', 'load night']);
  });

  it('tells those who wait why it failed, and others until it is tried again', async () => {
    const failing = async () => Promise.reject(new Error('out of memory'));
    const bench = await start({ small: { idleSeconds: 0.1 } });
    await bench.allLoaded();
    await bench.until();
    bench.ollama.beforeLoad = failing;
    const refused = { status: 503, retryAfter: 1 };
    const message = "model 'small' could not be loaded: Ollama answered 500: out of memory";
    const refusals = await Promise.all([refusalOf(bench.use('small')), refusalOf(bench.use('small'))]);
    for (const refusal of refusals) expect(refusal).toMatchObject({ ...refused, message });
    expect(await refusalOf(bench.use('small'))).toMatchObject({ ...refused, message });
    expect(bench.residency.states.small).toMatchObject({ state: 'failed', attempts: 1 });
    // It can be served, and was: that one load failed makes the pod no worse than others.
    expect(bench.residency.missing).toEqual([]);
    expect(bench.ollama.loads.filter(({ keep_alive }) => keep_alive === -1)).toHaveLength(2);
    expect(await bench.counted('model_requests_rejected_total{model="small",reason="load_failed"} 3')).toBe(true);
    bench.ollama.beforeLoad = () => {};
    await until(() =>
      bench.use('small').then(
        () => true,
        () => false,
      ),
    );
  });

  it('refuses what cannot be loaded at all', async () => {
    const bench = await start({ absent: {}, small: {} });
    await until(() => bench.residency.residentCount === 1);
    expect(await refusalOf(bench.use('absent'))).toMatchObject({ status: 503, retryAfter: 5 });
    bench.isAnswering = false;
    bench.residency.forget();
    expect(await refusalOf(bench.use('small'))).toMatchObject({
      status: 503,
      message: 'Ollama cannot be reached at the moment',
      retryAfter: 5,
    });
    expect(await bench.counted('model_requests_rejected_total{model="small",reason="unavailable"} 1')).toBe(true);
  });

  it('begins anew with another Ollama, and sends those away who waited for the first', async () => {
    const gate = new Gate();
    const bench = await start({ small: {} }, { before: (ollama) => Object.assign(ollama, { beforeLoad: gate.hook }) });
    const use = refusalOf(bench.use('small'));
    await until(() => gate.held.length === 1);
    bench.residency.forget();
    expect(await use).toMatchObject({ status: 503, retryAfter: 5 });
    expect(bench.residency.loadedOnce).toEqual({ small: false });
    gate.open();
    await bench.allLoaded();
    await bench.use('small');
  });

  it('does nothing more during a drain but what a request waits for', async () => {
    const gate = new Gate();
    const bench = await start(
      { one: {}, two: {} },
      { before: (ollama) => Object.assign(ollama, { beforeLoad: gate.hook }) },
    );
    bench.residency.work();
    await until(() => gate.held.length === 1);
    const use = bench.use('two');
    bench.residency.drain();
    await while_();
    gate.open();
    (await use).end();
    await while_();
    expect(bench.loaded).toEqual(['two']);
  });

  it('leaves what is loaded alone during a drain', async () => {
    const bench = await start({ small: { idleSeconds: 0.1 } });
    await bench.allLoaded();
    bench.residency.drain();
    await sleep(300);
    expect(bench.loaded).toEqual(['small']);
  });
});

describe('idle unload', () => {
  it('comes when a model was unused for its time, and the next request has it loaded again', async () => {
    const bench = await start({ small: { idleSeconds: 0.1 }, pinned: { idleSeconds: 0 } });
    await bench.allLoaded();
    await bench.until('pinned');
    await until(() => bench.residency.states.small!.state === 'unloaded');
    expect(bench.residency.missing).toEqual([]);
    expect(bench.ollama.loads.at(-1)).toEqual({ model: 'small:latest', keep_alive: 0 });
    expect(await bench.counted('model_unloads_total{model="small",reason="idle"} 1')).toBe(true);
    expect(await bench.counted('active_model_count 1')).toBe(true);
    const use = await bench.use('small');
    expect(bench.loaded).toEqual(['pinned', 'small']);
    use.end();
    await bench.until('pinned');
  });

  it('never comes under a request, and its time begins when the last one ends', async () => {
    const bench = await start({ small: { idleSeconds: 0.3 } });
    const [one, other] = await Promise.all([bench.use('small'), bench.use('small')]);
    await sleep(400);
    one.end();
    one.end();
    await sleep(400);
    expect(bench.loaded).toEqual(['small']);
    other.end();
    await while_();
    expect(bench.loaded).toEqual(['small']);
    await bench.until();
  });

  it('is waited for by a request that comes meanwhile, which then has the model loaded', async () => {
    const gate = new Gate();
    const bench = await start({ small: { idleSeconds: 0.1 } });
    await bench.allLoaded();
    bench.ollama.whileUnloading = gate.hook;
    await until(() => gate.held.length === 1);
    const use = bench.use('small');
    await while_();
    expect(bench.history).toEqual(['load small']);
    gate.open();
    await use;
    expect(bench.history).toEqual(['load small', 'unload small', 'load small']);
  });

  it('leaves a model that cannot be unloaded in use', async () => {
    const bench = await start({ small: { idleSeconds: 0.1 } });
    bench.ollama.beforeUnload = () => Promise.reject(new Error('no'));
    await until(() => bench.ollama.loads.some(({ keep_alive }) => keep_alive === 0));
    (await bench.use('small')).end();
    await sleep(300);
    expect(bench.history).toEqual(['load small']);
    expect(bench.ollama.loads.filter(({ keep_alive }) => keep_alive === 0)).toHaveLength(1);
  });

  it('of what is in no configuration any more waits until nobody uses it, and is soon over for what is', async () => {
    const bench = await start({ small: {}, other: {} });
    await bench.allLoaded();
    const { small, ...rest } = bench.config.models;
    bench.residency.configure({ ...bench.config, models: { ...rest, small: { ...small!, idleSeconds: 0.1 } } });
    await bench.until('other');
    expect(bench.history).toEqual(['load small', 'load other', 'unload small']);
  });
});

describe('keep_alive of a client', () => {
  it('of 0 unloads when the last request has ended, pinned or not', async () => {
    const bench = await start({ small: {} });
    const [one, other] = await Promise.all([bench.use('small'), bench.use('small')]);
    one.keepFor(0);
    one.end();
    await while_();
    expect(bench.loaded).toEqual(['small']);
    other.end();
    await bench.until();
    await until(() => bench.counted('model_unloads_total{model="small",reason="client"} 1'));
    expect(bench.residency.isAway('small')).toBe(true);
    // It was for that time only.
    (await bench.use('small')).end();
    await while_();
    expect(bench.loaded).toEqual(['small']);
  });

  it('of less than none stays until another says otherwise', async () => {
    const bench = await start({ small: { idleSeconds: 0.1 } });
    const use = await bench.use('small');
    use.keepFor(Number.POSITIVE_INFINITY);
    use.end();
    (await bench.use('small')).end();
    await sleep(300);
    expect(bench.loaded).toEqual(['small']);
    const last = await bench.use('small');
    last.keepFor(200);
    last.end();
    await bench.until();
  });
});

describe('memory', () => {
  it('is made by unloading idle models, of the lowest priority first, then those unused for longest', async () => {
    const bench = await start(
      {
        chat: { priority: 'interactive', memoryMiB: 10, idleSeconds: 60 },
        old: { priority: 'standard', memoryMiB: 10, idleSeconds: 60 },
        fresh: { priority: 'standard', memoryMiB: 10, idleSeconds: 60 },
        night: { priority: 'batch', memoryMiB: 10, idleSeconds: 60 },
        large: { priority: 'standard', memoryMiB: 25, idleSeconds: 0.1 },
      },
      { memoryMiB: 45 },
    );
    await bench.allLoaded();
    await until(() => !bench.loaded.includes('large'));
    // The order of use is not the order in which they were loaded.
    for (const key of ['chat', 'night', 'old', 'fresh']) (await bench.use(key)).end();
    expect(bench.loaded).toEqual(['chat', 'fresh', 'night', 'old']);
    bench.ollama.history.length = 0;
    await bench.use('large');
    expect(bench.history).toEqual(['unload night', 'unload old', 'load large']);
    expect(await bench.counted('model_unloads_total{model="old",reason="evicted"}')).toBe(true);
    expect(await bench.counted(`model_memory_usage_bytes{model="large",kind="ram"} ${25 * mib}`)).toBe(true);
  });

  it('is not made at the cost of those that are pinned, in use, or of higher priority', async () => {
    const bench = await start(
      {
        pinned: { priority: 'batch', memoryMiB: 10, idleSeconds: 0 },
        chat: { priority: 'interactive', memoryMiB: 10, idleSeconds: 60 },
        busy: { priority: 'batch', memoryMiB: 10, idleSeconds: 60 },
        wanting: { priority: 'standard', memoryMiB: 20, idleSeconds: 0.1 },
      },
      { memoryMiB: 40 },
    );
    await bench.allLoaded();
    await bench.until('chat', 'pinned');
    const busy = await bench.use('busy');
    bench.ollama.history.length = 0;
    const use = bench.use('wanting');
    await while_();
    expect([bench.history, bench.loaded]).toEqual([[], ['busy', 'chat', 'pinned']]);
    // It waits until one of those that may make way is idle.
    busy.end();
    await use;
    expect(bench.history).toEqual(['unload busy', 'load wanting']);
  });

  it('is not taken by others from one of higher priority that waits for it', async () => {
    const bench = await start(
      {
        busy: { priority: 'batch', memoryMiB: 10, idleSeconds: 60 },
        first: { priority: 'interactive', memoryMiB: 20, idleSeconds: 60 },
        small: { priority: 'standard', memoryMiB: 5, idleSeconds: 0.1 },
      },
      { memoryMiB: 25 },
    );
    await bench.allLoaded();
    // Both have made way for the first load of the third, and come back.
    await until(() => bench.loaded.includes('first') && bench.loaded.includes('small'));
    await until(() => !bench.loaded.includes('small'));
    const stay = await bench.use('first');
    stay.keepFor(0);
    stay.end();
    await until(() => !bench.loaded.includes('first'));
    const busy = await bench.use('busy');
    bench.ollama.history.length = 0;
    const uses = [bench.use('first'), bench.use('small')];
    await while_();
    expect(bench.history).toEqual([]);
    busy.end();
    await Promise.all(uses);
    expect(bench.history).toEqual(['unload busy', 'load first', 'load small']);
  });

  it('is left to Ollama to make when it has been waited for as long as a load may take', async () => {
    const bench = await start(
      { one: { memoryMiB: 10, idleSeconds: 60 }, other: { memoryMiB: 10, idleSeconds: 60 } },
      { memoryMiB: 15, loadTimeoutSeconds: 0.5 },
    );
    await bench.allLoaded();
    (await bench.use('one')).end();
    const busy = await bench.use('one');
    bench.ollama.history.length = 0;
    const began = performance.now();
    await bench.use('other');
    expect(performance.now() - began).toBeGreaterThan(400);
    expect(bench.history).toEqual(['load other']);
    busy.end();
  });

  it('is not waited for in vain', async () => {
    const bench = await start(
      { one: { memoryMiB: 10 }, other: { memoryMiB: 10, priority: 'batch' } },
      { memoryMiB: 15, loadTimeoutSeconds: 30 },
    );
    await bench.allLoaded();
    expect(bench.history).toEqual(['load one', 'load other']);
  });

  it('that does not hold all of them is used in turn for their first loads, and given back to those of higher priority', async () => {
    const models = {
      night: { priority: 'batch', memoryMiB: 10, idleSeconds: 60 },
      chat: { priority: 'interactive', memoryMiB: 10, idleSeconds: 60 },
      other: { priority: 'standard', memoryMiB: 10, idleSeconds: 60 },
    } as const;
    const bench = await start(models, { memoryMiB: 25 });
    await bench.allLoaded();
    await bench.until('chat', 'other');
    await while_();
    expect(bench.history).toEqual([
      ...['load chat', 'load other', 'unload other', 'load night'],
      ...['unload night', 'load other'],
    ]);
  });

  it('of a model is what Ollama said of it the last time, rather than what was expected', async () => {
    const bench = await start(
      { one: { memoryMiB: 1, idleSeconds: 60 }, other: { memoryMiB: 1, idleSeconds: 60 } },
      { memoryMiB: 15 },
    );
    await bench.allLoaded();
    await bench.until('one', 'other');
    bench.ollama.sizes['one:latest'] = { size: 10 * mib, size_vram: 0 };
    bench.ollama.sizes['other:latest'] = { size: 10 * mib, size_vram: 0 };
    for (const key of ['one', 'other']) {
      const use = await bench.use(key);
      use.keepFor(0);
      use.end();
      await until(() => bench.residency.isAway(key));
      (await bench.use(key)).end();
    }
    expect(bench.loaded).toEqual(['other']);
  });

  it('of GPUs gets time to be shown as free', async () => {
    const sizes = { size: 10 * mib, size_vram: 10 * mib };
    const bench = await start(
      { one: { idleSeconds: 60, memoryMiB: 10 }, other: { idleSeconds: 60, memoryMiB: 10 } },
      {
        memoryMiB: 15,
        before: (ollama) => Object.assign(ollama.sizes, { 'one:latest': sizes, 'other:latest': sizes }),
      },
    );
    await until(() => bench.history.length === 2);
    const unloaded = performance.now();
    await bench.until('other');
    expect(performance.now() - unloaded).toBeGreaterThan(1000);
    await until(() => bench.counted(`model_memory_usage_bytes{model="other",kind="vram"} ${10 * mib}`));
  });
});

describe('what Ollama says', () => {
  it('corrects what is taken for loaded', async () => {
    const bench = await start({ one: {}, other: {} }, { lookMs: 50 });
    await bench.allLoaded();
    bench.ollama.loaded.delete('one:latest');
    await until(() => bench.residency.residentCount === 1);
    expect(await bench.counted('model_unloads_total{model="one",reason="evicted"} 1')).toBe(true);
    expect(bench.residency.states.one).toMatchObject({ state: 'unloaded' });
    await bench.use('one');
    expect(bench.history.at(-1)).toBe('load one');
    bench.ollama.loaded.delete('other:latest');
    await until(() => bench.residency.residentCount === 1);
    bench.ollama.loaded.add('other:latest');
    await until(() => bench.residency.residentCount === 2);
  });

  it('is known of models that were loaded before the agent came', async () => {
    const before = (ollama: FakeOllama) => ollama.loaded.add('absent:latest');
    const bench = await start({ absent: {} }, { lookMs: 20, before });
    await until(() => bench.residency.listed.length === 1);
    bench.isOnDisk = () => true;
    await bench.allLoaded();
    await while_();
    expect([bench.residency.residentCount, bench.residency.listed.length]).toEqual([1, 1]);
    expect(bench.ollama.loads).toHaveLength(1);
  });

  it('is not believed to be nothing when it says nothing', async () => {
    const bench = await start({ one: {} }, { lookMs: 20 });
    await bench.allLoaded();
    bench.ollama.answers['/api/ps'] = json({ error: 'panic' }, 500);
    await while_();
    expect(bench.residency.residentCount).toBe(1);
  });

  it('counts what others in the pod have loaded, which is the first to leave', async () => {
    const bench = await start(
      { one: { memoryMiB: 10, idleSeconds: 0.2, priority: 'batch' }, two: { memoryMiB: 10, idleSeconds: 60 } },
      { memoryMiB: 25, lookMs: 50 },
    );
    await bench.allLoaded();
    await bench.until('two');
    bench.ollama.sizes['stranger:latest'] = { size: 12 * mib, size_vram: 0 };
    bench.ollama.loaded.add('stranger:latest');
    await until(() => bench.counted(`model_memory_usage_bytes{model="unknown",kind="ram"} ${12 * mib}`));
    expect(await bench.counted('active_model_count 1')).toBe(true);
    bench.ollama.history.length = 0;
    await bench.use('one');
    expect(bench.history).toEqual(['unload stranger', 'load one']);
  });

  it('is passed on, with when each model will be unloaded', async () => {
    const bench = await start({ pinned: {}, small: { idleSeconds: 60 } });
    await bench.allLoaded();
    await until(() => bench.residency.listed.length === 2);
    const [pinned, small] = bench.residency.listed;
    expect(pinned).toMatchObject({ name: 'pinned:latest', size: 1, expires_at: '2318-01-01T00:00:00Z' });
    expect(Date.parse(small!.expires_at) - Date.now()).toBeGreaterThan(50_000);
    expect(Date.parse(small!.expires_at) - Date.now()).toBeLessThan(61_000);
    const use = await bench.use('small');
    use.keepFor(5000);
    // A little sooner than Ollama would, so that no request is on its way to what it unloads.
    expect(Date.parse(bench.residency.listed[1]!.expires_at) - Date.now()).toBeLessThan(4950);
    expect(bench.residency.contextLengthOf('small')).toBe(4096);
  });
});

describe('models of the same weights', () => {
  const sameBase = (ollama: FakeOllama) => {
    Object.assign(ollama.madeFrom, { 'legal:latest': 'base', 'risk:latest': 'base' });
  };

  it('are loaded and unloaded as one, and take memory once', async () => {
    const bench = await start(
      {
        legal: { idleSeconds: 0.2, memoryMiB: 10 },
        risk: { idleSeconds: 0.2, memoryMiB: 10 },
        other: { memoryMiB: 10 },
      },
      { memoryMiB: 20, lookMs: 20, before: sameBase },
    );
    await bench.allLoaded();
    const use = await bench.use('risk');
    await sleep(300);
    expect(bench.loaded).toEqual(['legal', 'other']);
    expect(bench.residency.residentCount).toBe(3);
    // It is loaded for both, whichever Ollama lists.
    (await bench.use('legal')).end();
    expect(bench.history).toEqual(['load legal', 'load other']);
    use.end();
    await bench.until('other');
    expect(bench.residency.residentCount).toBe(1);
    const both = await Promise.all([bench.use('risk'), bench.use('legal')]);
    expect(bench.history.filter((event) => event.startsWith('load'))).toHaveLength(3);
    for (const one of both) one.end();
  });

  it('stay as long as any of them does', async () => {
    const bench = await start({ legal: { idleSeconds: 0.1 }, risk: { idleSeconds: 60 } }, { before: sameBase });
    await bench.allLoaded();
    (await bench.use('legal')).end();
    await sleep(300);
    expect(bench.loaded).toEqual(['legal']);
  });

  it('but other parameters take turns, since Ollama has one process for them', async () => {
    const bench = await start(
      { legal: { idleSeconds: 60 }, risk: { idleSeconds: 60 } },
      {
        before: (ollama) => {
          ollama.answers['/api/show'] = (response, received) => {
            const { model } = JSON.parse(received.body.toString());
            const parameters = `num_predict 5\nnum_ctx     ${model === 'risk:latest' ? 8192 : 4096}`;
            return json({ modelfile: 'FROM /blobs/base\nTEMPLATE x', parameters })(response, received);
          };
        },
      },
    );
    await bench.allLoaded();
    const risk = await bench.use('risk');
    const legal = bench.use('legal');
    await while_();
    expect(bench.history).toEqual(['load legal', 'unload legal', 'load risk']);
    risk.end();
    await legal;
    expect(bench.history.slice(3)).toEqual(['unload risk', 'load legal']);
  });
});
