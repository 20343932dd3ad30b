import type { GatewayModelStatus, GatewayStatus } from '../../shared/status.ts';
import { difference, quantile, Sum } from './histogram.ts';
import { brief, History } from './history.ts';
import { type Counted, nothingCounted } from './live-counts.ts';

/** How often requests are counted together, in ms; and how many such steps are kept: an hour. */
export const stepMs = 10_000;
const steps = 360;

/** Over how many steps rates are taken, and quantiles, of which a model that is asked seldom needs more. */
const stepsOfRates = 6;
const stepsOfQuantiles = 30;

/** Gateways that have started since the step before are counted from their start. */
const newMs = 1.5 * stepMs;

/** How a model's requests fared lately; undefined is what cannot be told yet. */
export interface Rates {
  /** In a second, over the last minute. */
  requests?: number;
  errors?: number;
  refused?: number;
  tokens?: number;
  /** Seconds, over the last five minutes: of answers, and in the line. */
  p50?: number;
  p95?: number;
  waitP95?: number;
}

/** What a model's requests do at the moment, at all gateways together. */
export interface Now {
  inFlight: number;
  waiting: number;
  /** How long the first of those that wait has been waiting, in seconds; 0 where none waits. */
  oldest: number;
}

/** Absent values of the series of a model. */
const absent = {
  requests: 0,
  errors: 0,
  refused: 0,
  tokens: 0,
  p50: null,
  p95: null,
  inFlight: 0,
  waiting: 0,
} as const;

/** The series of which a sum over models means something. */
const summed = ['requests', 'errors', 'refused', 'tokens', 'inFlight', 'waiting'] as const;

/**
 * The requests of the fleet, from what each gateway has counted since it started. A gateway that comes is counted from when
 * it was first heard of; what one that goes had counted since the last step is lost.
 */
export class Traffic {
  readonly #history = new History(absent, steps);
  /** By gateway: what it had counted at the last step. */
  #before = new Map<string, GatewayStatus>();
  /** By gateway: what it told last. */
  #latest = new Map<string, GatewayStatus>();
  /** The last steps, the newest last. */
  readonly #steps: { seconds: number; models: Map<string, Counted> }[] = [];
  /** Times of the last five minutes, by model. */
  readonly #recent = new Map<string, { durations: Sum; waits: Sum }>();
  #steppedAt: number;

  /** `now` is in ms of a clock that never goes back, as everywhere here. */
  constructor(now: number) {
    this.#steppedAt = now;
  }

  /** Takes what the gateways told, each of itself. */
  heard(statuses: readonly GatewayStatus[]): void {
    this.#latest = new Map(statuses.map((status) => [status.id, status]));
  }

  /** How many gateways were heard of. */
  get gateways(): number {
    return this.#latest.size;
  }

  /** How many gateways ask each replica no more. */
  get ejected(): Map<string, number> {
    const counts = new Map<string, number>();
    for (const { ejected } of this.#latest.values()) {
      for (const url of ejected) counts.set(url, (counts.get(url) ?? 0) + 1);
    }
    return counts;
  }

  /** Counts what has happened since the last step. `date` is in ms since 1970. */
  step(now: number, date: number): void {
    const seconds = (now - this.#steppedAt) / 1000;
    this.#steppedAt = now;
    const models = new Map<string, Counted>();
    for (const [id, status] of this.#latest) {
      const before = this.#before.get(id);
      if (!before && status.upMs > newMs) continue;
      for (const [model, counted] of Object.entries(status.models)) {
        const since = stepBetween(counted, before?.models[model]);
        if (since.requests + since.refused + since.waits.length > 0) {
          const others = models.get(model);
          models.set(model, others ? together(others, since) : since);
        }
      }
    }
    this.#before = this.#latest;
    this.#steps.push({ seconds, models });
    for (const [model, { durations, waits }] of models) {
      const recent = this.#recent.get(model) ?? { durations: new Sum(), waits: new Sum() };
      recent.durations.add(durations);
      recent.waits.add(waits);
      this.#recent.set(model, recent);
    }
    const past = this.#steps.length > stepsOfQuantiles ? this.#steps.shift() : undefined;
    for (const [model, { durations, waits }] of past?.models ?? []) {
      const recent = this.#recent.get(model)!;
      recent.durations.take(durations);
      recent.waits.take(waits);
      if (recent.durations.isEmpty && recent.waits.isEmpty) this.#recent.delete(model);
    }
    const keys = new Set([
      ...models.keys(),
      ...[...this.#latest.values()].flatMap((status) => Object.keys(status.models)),
    ]);
    this.#history.record(date, new Map([...keys].map((key) => [key, this.#values(key, models.get(key), seconds)])));
  }

  /** Forgets the models that are none any more. */
  keep(has: (model: string) => boolean): void {
    this.#history.keep(has);
  }

  now(model: string): Now {
    const told = [...this.#latest.values()].flatMap(({ models }) => models[model] ?? []);
    return {
      inFlight: told.reduce((sum, { inFlight }) => sum + inFlight, 0),
      waiting: told.reduce(
        (sum, { waiting }) => sum + Object.values(waiting).reduce((all, count) => all + count, 0),
        0,
      ),
      oldest: Math.round(Math.max(0, ...told.map(({ oldestMs }) => oldestMs)) / 1000),
    };
  }

  /** Of a model, or of several together. */
  rates(...models: string[]): Rates {
    if (this.#steps.length === 0) return {};
    const last = this.#steps.slice(-stepsOfRates);
    const seconds = last.reduce((sum, step) => sum + step.seconds, 0);
    const { requests, errors, refused, tokens } = last
      .flatMap((step) => models.flatMap((model) => step.models.get(model) ?? []))
      .reduce(added, nothingCounted);
    const recent = models.flatMap((model) => this.#recent.get(model) ?? []);
    const durations = Sum.of(recent.map((each) => each.durations));
    const [p50, p95] = [durations.quantile(0.5), durations.quantile(0.95)];
    const waitP95 = Sum.of(recent.map(({ waits }) => waits)).quantile(0.95);
    return {
      requests: brief(requests / seconds),
      errors: brief(errors / seconds),
      refused: brief(refused / seconds),
      tokens: brief(tokens / seconds),
      ...(p50 !== undefined && { p50: brief(p50) }),
      ...(p95 !== undefined && { p95: brief(p95) }),
      ...(waitP95 !== undefined && { waitP95: brief(waitP95) }),
    };
  }

  /** Since when there is a history, in ms since 1970; undefined before the first step. */
  get since(): number | undefined {
    const [first] = this.#history.times;
    return first === undefined ? undefined : first - stepMs;
  }

  historyOf(model: string) {
    return { times: this.#history.times, ...this.#history.of(model) };
  }

  historyOfAll(models: Iterable<string>) {
    return { times: this.#history.times, ...this.#history.sum(models, summed) };
  }

  #values(key: string, step: Counted | undefined, seconds: number) {
    const { inFlight, waiting } = this.now(key);
    const { durations, requests, errors, refused, tokens } = step ?? nothingCounted;
    return {
      requests: requests / seconds,
      errors: errors / seconds,
      refused: refused / seconds,
      tokens: tokens / seconds,
      p50: quantile(durations, 0.5),
      p95: quantile(durations, 0.95),
      inFlight,
      waiting,
    };
  }
}

function stepBetween(now: GatewayModelStatus, before: GatewayModelStatus | undefined): Counted {
  const more = (name: 'requests' | 'errors' | 'refused' | 'tokens') => Math.max(0, now[name] - (before?.[name] ?? 0));
  return {
    requests: more('requests'),
    errors: more('errors'),
    refused: more('refused'),
    tokens: more('tokens'),
    durations: difference(now.durations, before?.durations),
    waits: difference(now.waits, before?.waits),
  };
}

/** The numbers of both. */
function added<T extends Omit<Counted, 'durations' | 'waits'>>(one: T, other: T): T {
  return {
    ...one,
    requests: one.requests + other.requests,
    errors: one.errors + other.errors,
    refused: one.refused + other.refused,
    tokens: one.tokens + other.tokens,
  };
}

function together(one: Counted, other: Counted): Counted {
  // The same bucket may be there twice, which means the sum of both.
  const durations = [...one.durations, ...other.durations].toSorted(([a], [b]) => a - b);
  return { ...added(one, other), durations, waits: [...one.waits, ...other.waits].toSorted(([a], [b]) => a - b) };
}
