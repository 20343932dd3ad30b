import { setTimeout as sleep } from 'node:timers/promises';
import type { GatewayConfig } from '../../../schema/config.ts';
import type { AgentStatus, ForecasterStatus, GatewayStatus } from '../../shared/status.ts';
import type { KnownPod } from '../endpoints.ts';
import type { Target } from '../routing.ts';
import { scheduledPods } from '../schedule.ts';
import { Asker } from './asker.ts';
import { stepMs, Traffic } from './traffic.ts';
import type { FleetEvent, ModelInPod, ModelView, PodState, PodView, ServerView } from './view.ts';

/** How often everyone is asked while somebody watches, in ms. */
const watchedMs = 2000;

/** Most agents that are asked in a second. */
const agentsPerSecond = 100;

/** How long a first look waits for the others' answers, in ms. */
const firstLookMs = 1000;

/** What a board shows things of. */
export interface Shown {
  config(): GatewayConfig;
  targets(): Target[];
  /** The pods of a server; undefined as long as they are not known. */
  podsOf(server: string): KnownPod[] | undefined;
  /** What this gateway tells of itself. */
  own(): GatewayStatus;
  /** Where the gateways tell of themselves; this one may be among them. */
  gateways(): string[];
  /** Where a forecaster tells of itself; undefined where there is none. */
  forecaster(): string | undefined;
}

/** Something shown that has an own place on the page: what it is as JSON, and since which version of the board. */
interface Cell {
  json: string;
  version: number;
}

interface ServerCell extends Cell {
  /** The same for whoever may not ask all of its models. */
  limited: string;
}

/**
 * How the fleet is, as the status page shows it. Gateways tell each other what they have counted, every ten seconds: that is
 * all that it costs as long as nobody watches, however large the fleet. While somebody does, the agents are asked too.
 *
 * Nothing is stored: what is known of the past is what this process has seen.
 */
export class Board {
  readonly #shown: Shown;
  readonly #asker = new Asker();
  readonly #traffic = new Traffic(performance.now());
  readonly #stepTimer: NodeJS.Timeout;
  /** By URL: what each agent told last; undefined where it gave no answer. */
  #agents = new Map<string, AgentStatus | undefined>();
  #agentsAskedAt = Number.NEGATIVE_INFINITY;
  /** What the forecaster told last; undefined where it gave no answer. */
  #forecasts: ForecasterStatus | undefined;
  readonly #watchers = new Set<() => void>();
  #watching = false;
  #looking: Promise<unknown> | undefined;
  /** Whether this gateway was among those that it heard of. */
  #isListed = false;
  #closed = false;
  #version = 0;
  #models = new Map<string, Cell>();
  #servers = new Map<string, ServerCell>();

  constructor(shown: Shown) {
    this.#shown = shown;
    this.#stepTimer = setInterval(() => void this.#step(), stepMs).unref();
  }

  get watchers(): number {
    return this.#watchers.size;
  }

  /** The version of what is shown now: what has changed since has a higher one. */
  get version(): number {
    return this.#version;
  }

  /** Calls back after each look at the fleet, until the function returned is called. Resolves after the first one. */
  async watch(onLook: () => void): Promise<() => void> {
    this.#watchers.add(onLook);
    if (!this.#watching) {
      this.#watching = true;
      void this.#keepLooking();
    }
    // What does not answer by then is shown when it does.
    await Promise.race([this.#look(), sleep(firstLookMs, undefined, { ref: false })]);
    this.#refresh();
    return () => this.#watchers.delete(onLook);
  }

  /** Takes one look, for whoever wants to see no more. */
  async look(): Promise<void> {
    (await this.watch(() => {}))();
  }

  /**
   * What has changed since a version of the board, and in any case how the fleet fares as a whole, as JSON of a FleetEvent.
   * `mayAsk` says of which models, by their keys.
   */
  eventSince(version: number, mayAsk: (key: string) => boolean): string {
    const { known, answering } = this.#gateways;
    const targets = this.#shown.targets();
    const seen = targets.filter(({ key }) => mayAsk(key));
    const keys = seen.map(({ key }) => key);
    const changed = (cell: Cell | undefined) => cell !== undefined && cell.version > version;
    const models = keys.flatMap((key) => (changed(this.#models.get(key)) ? this.#models.get(key)!.json : []));
    const servers = [...new Set(seen.map(({ server }) => server))].flatMap((name) => {
      const cell = this.#servers.get(name);
      if (!changed(cell)) return [];
      const isWhole = targets.every(({ server, key }) => server !== name || mayAsk(key));
      return isWhole ? cell!.json : cell!.limited;
    });
    const now = keys.map((key) => this.#traffic.now(key));
    const head: Omit<FleetEvent, 'models' | 'servers'> = {
      at: Date.now(),
      gateways: { known, answering },
      ...(this.#traffic.since !== undefined && { since: this.#traffic.since }),
      totals: {
        rates: this.#traffic.rates(...keys),
        now: {
          inFlight: now.reduce((sum, { inFlight }) => sum + inFlight, 0),
          waiting: now.reduce((sum, { waiting }) => sum + waiting, 0),
        },
      },
    };
    return `${JSON.stringify(head).slice(0, -1)},"models":[${models.join()}],"servers":[${servers.join()}]}`;
  }

  historyOf(model: string): object {
    return this.#traffic.historyOf(model);
  }

  historyOfAll(mayAsk: (key: string) => boolean): object {
    return this.#traffic.historyOfAll(this.#shown.targets().flatMap(({ key }) => (mayAsk(key) ? key : [])));
  }

  close(): void {
    this.#closed = true;
    clearInterval(this.#stepTimer);
    void this.#asker.close();
  }

  async #step(): Promise<void> {
    if (!this.#watching) await this.#hear();
    if (this.#closed) return;
    this.#traffic.step(performance.now(), Date.now());
    const keys = new Set(this.#shown.targets().map(({ key }) => key));
    this.#traffic.keep((key) => keys.has(key));
  }

  async #keepLooking(): Promise<void> {
    while (this.#watchers.size > 0 && !this.#closed) {
      await sleep(watchedMs, undefined, { ref: false });
      if (this.#watchers.size === 0 || this.#closed) break;
      await this.#look();
      for (const onLook of this.#watchers) onLook();
    }
    this.#watching = false;
  }

  /** Once for all who want to. */
  async #look(): Promise<void> {
    this.#looking ??= Promise.all([this.#hear(), this.#askAgents(), this.#askForecaster()]).finally(() => {
      this.#looking = undefined;
      this.#refresh();
    });
    await this.#looking;
  }

  /** Hears of every gateway. */
  async #hear(): Promise<void> {
    const answers = await this.#asker.ask<GatewayStatus>(this.#shown.gateways());
    const own = this.#shown.own();
    this.#isListed = answers.some((answer) => answer?.id === own.id);
    this.#traffic.heard([
      own,
      ...answers.filter((answer) => answer !== undefined && answer.id !== own.id),
    ] as GatewayStatus[]);
  }

  get #gateways(): { known: number; answering: number } {
    const answering = Math.max(1, this.#traffic.gateways);
    return { known: Math.max(answering, this.#shown.gateways().length + (this.#isListed ? 0 : 1)), answering };
  }

  async #askAgents(): Promise<void> {
    const urls = Object.keys(this.#shown.config().servers).flatMap((server) =>
      (this.#shown.podsOf(server) ?? []).map(({ url }) => url),
    );
    const now = performance.now();
    if (now - this.#agentsAskedAt < (urls.length / agentsPerSecond) * 1000) return;
    this.#agentsAskedAt = now;
    const answers = await this.#asker.ask<AgentStatus>(urls);
    this.#agents = new Map(urls.map((url, index) => [url, answers[index]]));
  }

  async #askForecaster(): Promise<void> {
    const url = this.#shown.forecaster();
    const [answer] = await this.#asker.ask<ForecasterStatus>(url ? [url] : []);
    this.#forecasts = answer;
  }

  /** Makes the cells anew whose content has changed. */
  #refresh(): void {
    const { servers } = this.#shown.config();
    const ejected = this.#traffic.ejected;
    const version = ++this.#version;
    const pods = new Map<string, { pod: PodView; agent: AgentStatus | undefined }[] | undefined>();
    const serverCells = new Map<string, ServerCell>();
    const now = new Date();
    for (const [name, { costPerHour, pods: range, schedule }] of Object.entries(servers)) {
      const known = this.#shown.podsOf(name)?.map((pod) => {
        const agent = this.#agents.get(pod.url);
        const hasBeenAsked = this.#agents.has(pod.url);
        return { pod: podView(pod, agent, hasBeenAsked, ejected.get(pod.url) ?? 0), agent };
      });
      pods.set(name, known);
      const view: ServerView = {
        name,
        ...range,
        ...(schedule && Object.keys(schedule.windows).length > 0 && { scheduled: scheduledPods(schedule, now) }),
        ...(schedule && this.#shown.forecaster() && { forecast: this.#forecastOf(name) }),
        ...(costPerHour && { costPerHour }),
        ...(known && { pods: known.map(({ pod }) => pod) }),
      };
      const limited: ServerView = { ...view, ...(known && { pods: known.map(({ pod }) => withoutModels(pod)) }) };
      const cell = cellOf(view, this.#servers.get(name), version);
      serverCells.set(name, { ...cell, limited: JSON.stringify(limited) });
    }
    const modelCells = new Map<string, Cell>();
    for (const target of this.#shown.targets()) {
      const view = this.#modelView(target, pods.get(target.server) ?? []);
      modelCells.set(target.key, cellOf(view, this.#models.get(target.key), version));
    }
    this.#servers = serverCells;
    this.#models = modelCells;
  }

  #forecastOf(server: string): NonNullable<ServerView['forecast']> {
    const said = this.#forecasts?.servers[server] ?? { silent: 'the forecaster does not answer' };
    if ('silent' in said) return said;
    // What is shown is to stay the same as long as it comes to the same.
    return { replicas: Number(said.replicas.toFixed(1)), minutes: Math.round(said.horizonSeconds / 60) };
  }

  #modelView(
    { key, name, server, model }: Target,
    pods: { pod: PodView; agent: AgentStatus | undefined }[],
  ): ModelView {
    const { aliases, fallbacks, canary, queue } = model;
    const inPods = pods.flatMap(({ pod, agent }): ModelInPod[] => {
      const told = agent?.models[key];
      if (!told) return [];
      const { ram = 0, vram = 0 } = agent.memory.find((held) => held.model === key) ?? {};
      return [{ pod: pod.name, ...told, ram, vram }];
    });
    const { depth } = queue;
    const [now, rates] = [this.#traffic.now(key), this.#traffic.rates(key)];
    return { key, name, server, aliases, fallbacks, ...(canary && { canary }), depth, now, rates, pods: inPods };
  }
}

function cellOf(view: object, before: Cell | undefined, version: number): Cell {
  const json = JSON.stringify(view);
  return before?.json === json ? before : { json, version };
}

function podView(pod: KnownPod, agent: AgentStatus | undefined, hasBeenAsked: boolean, ejectedBy: number): PodView {
  const held = (kind: 'ram' | 'vram') => agent?.memory.reduce((sum, memory) => sum + memory[kind], 0) ?? 0;
  return {
    name: pod.name,
    state: stateOf(pod, agent, hasBeenAsked, ejectedBy),
    problem: agent?.problem ?? '',
    loadFails: Object.values(agent?.models ?? {}).some(({ state }) => state === 'failed'),
    ejectedBy,
    ollama: agent?.ollama ?? null,
    ram: held('ram'),
    vram: held('vram'),
    memoryBytes: agent?.memoryBytes ?? 0,
    ...(agent?.download && { download: agent.download }),
  };
}

function stateOf(pod: KnownPod, agent: AgentStatus | undefined, hasBeenAsked: boolean, ejectedBy: number): PodState {
  if (pod.isTerminating) return 'draining';
  if (ejectedBy > 0) return 'ejected';
  if (agent) return agent.phase;
  if (!hasBeenAsked) return 'unknown';
  // One that is not ready may have only just begun.
  return pod.isReady ? 'silent' : 'starting';
}

/** For whoever may not ask every model of its server: what is said of it names others. */
function withoutModels({ download, ...pod }: PodView): PodView {
  const rest = { ...pod, problem: pod.problem && 'it has problems with a model that this API key may not ask' };
  return download ? { ...rest, download: { ...download, model: '', error: '' } } : rest;
}
