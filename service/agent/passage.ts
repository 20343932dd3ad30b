import type { AgentConfig } from '../../schema/config.ts';
import type { RunnerOptions } from '../../schema/types.ts';
import { readBody } from '../shared/body.ts';
import { Refusal } from '../shared/errors.ts';
import { type Ended, type Exchange, refusalFor } from '../shared/exchange.ts';
import { gatewayHeader, modelHeader } from '../shared/headers.ts';
import { unknownModel } from '../shared/metrics.ts';
import { ModelNames } from '../shared/model-names.ts';
import type { Upstreams } from '../shared/upstream.ts';
import type { Admission, Slot } from './admission.ts';
import { Asked } from './asked.ts';
import type { AgentMetrics, RejectionReason } from './metrics.ts';
import type { Use } from './models.ts';
import type { Residency } from './residency.ts';
import { pin, withEdits } from './runner-options.ts';

/** Retry-After of a model that a gateway has heard of earlier than this agent, in seconds. */
const soon = 5;

/** A model as requests find it. */
interface Served {
  key: string;
  name: string;
  runnerOptions: RunnerOptions;
  /** Seconds after which it is unloaded when nobody uses it; 0 where it stays, and no client can have it otherwise. */
  idleSeconds: number;
}

/** A request that has been read. */
interface Read {
  model: Served;
  /** As it goes on to Ollama. */
  body: Buffer;
  /** How long the client wants the model to stay after it, in ms. */
  keepMs: number | undefined;
  /** Whether it asks for nothing but that the model is unloaded. */
  isUnload: boolean;
}

/** Brings requests to Ollama, once there is a slot for them and their model is loaded. */
export class Passage {
  readonly #admission: Admission;
  readonly #residency: Residency;
  readonly #upstreams: Upstreams;
  readonly #metrics: AgentMetrics;
  #config!: AgentConfig;
  #names!: ModelNames<Served>;

  constructor(
    config: AgentConfig,
    admission: Admission,
    residency: Residency,
    upstreams: Upstreams,
    metrics: AgentMetrics,
  ) {
    this.#admission = admission;
    this.#residency = residency;
    this.#upstreams = upstreams;
    this.#metrics = metrics;
    this.configure(config);
  }

  configure(config: AgentConfig): void {
    this.#config = config;
    this.#names = new ModelNames(Object.entries(config.models).map(([key, model]) => ({ key, ...model })));
  }

  /** The model of the configuration that a name means. */
  resolve(given: string): Served | undefined {
    return this.#names.resolve(given);
  }

  async through(exchange: Exchange): Promise<Ended> {
    const { path, request } = exchange;
    const needsSlot = path !== '/api/show';
    const gateway = String(request.headers[gatewayHeader] ?? '');
    // A gateway names the model before the body, so that one that is not taken is not read either.
    const told = this.#told(request.headers[modelHeader]);
    if (told) exchange.isFor(told.key);
    let slot = told && needsSlot ? this.#admit(told, gateway) : undefined;
    let use: Use | undefined;
    let isAnswered = false;
    try {
      const { model, body, keepMs, isUnload } = await this.#read(exchange, told);
      if (needsSlot) slot ??= this.#admit(model, gateway);
      if (needsSlot && !(isUnload && this.#residency.isAway(model.key))) {
        use = await this.#residency.use(model.key, exchange);
        if (keepMs !== undefined) use.keepFor(keepMs);
      }
      slot?.run();
      const ended = await this.#forward(exchange, body);
      isAnswered = ended.kind === 'answered' && ended.status < 400;
      return ended;
    } finally {
      use?.end();
      slot?.release(isAnswered);
    }
  }

  /** The model that a gateway says a request is for. */
  #told(header: string | string[] | undefined): Served | undefined {
    if (header === undefined) return undefined;
    const model = this.#names.withKey(String(header));
    if (model) return model;
    this.#metrics.rejected(unknownModel, 'unknown_model');
    const message = `this server does not have model '${String(header).slice(0, 63)}' yet`;
    throw new Refusal(503, message, { retryAfter: soon });
  }

  async #read(exchange: Exchange, told: Served | undefined): Promise<Read> {
    const { path, request } = exchange;
    const asked = new Asked(path, await readBody(request, this.#config.maxBodyMiB * 1024 ** 2));
    const model = this.#counted(told?.key ?? unknownModel, 'unknown_model', () => this.#find(asked.given, told));
    exchange.isFor(model.key);
    const body = this.#bodyFor(model, asked);
    if (model.idleSeconds === 0) return { model, body, keepMs: undefined, isUnload: false };
    return { model, body, keepMs: asked.keepMs, isUnload: asked.isUnload };
  }

  #find(given: string, told: Served | undefined): Served {
    const model = this.#names.find(given);
    // By their keys: the configuration may have been read again meanwhile.
    if (!told || told.key === model.key) return model;
    const message = `the request is said to be for model '${told.key}', but asks for '${model.key}'`;
    throw new Refusal(400, message, { param: 'model' });
  }

  #admit({ key }: Served, gateway: string): Slot {
    return this.#counted(key, 'full', () => this.#admission.admit(key, gateway));
  }

  #bodyFor(model: Served, asked: Asked): Buffer {
    const { key, runnerOptions } = model;
    const { path, body, members } = asked;
    const about = { key, contextLength: this.#residency.contextLengthOf(key) };
    const pins = this.#counted(key, 'runner_option', () => pin(path, body, members, runnerOptions, about));
    const stays = model.idleSeconds === 0 ? asked.staying : [];
    return withEdits(body, [...asked.naming(model), ...stays, ...pins]);
  }

  async #forward(exchange: Exchange, body: Buffer): Promise<Ended> {
    const { ollamaUrl, generationTimeoutSeconds: timeoutSeconds } = this.#config;
    const dispatcher = this.#upstreams.pool(ollamaUrl);
    const outcome = await exchange.forward({
      ...{ dispatcher, body, headers: {}, timeoutSeconds },
      ...{ url: ollamaUrl, isHop: false },
    });
    if (outcome.kind === 'declined' || outcome.kind === 'failed') throw refusalFor(outcome, 'Ollama', timeoutSeconds);
    return outcome;
  }

  /** Counts a request as rejected where `act` throws. */
  #counted<T>(model: string, reason: RejectionReason, act: () => T): T {
    try {
      return act();
    } catch (error) {
      this.#metrics.rejected(model, reason);
      throw error;
    }
  }
}
