import { Counter, Gauge } from 'prom-client';
import type { Priority } from '../../schema/types.ts';
import type { Usage } from '../shared/meter.ts';
import { RequestMetrics, unknownModel } from '../shared/metrics.ts';
import { TallyHistogram } from '../shared/tally.ts';
import { LiveCounts } from './status/live-counts.ts';

/** Why a request got no place at a replica, or was not even to wait for one. */
export type RejectionReason =
  | 'queue_full'
  | 'queue_timeout'
  | 'no_replica'
  | 'removed'
  | 'shutdown'
  | 'left'
  | 'key_limit'
  | 'key_model';

/** Reasons that say that there was no room. */
const forWantOfRoom: RejectionReason[] = ['queue_full', 'queue_timeout'];

const priorities: Priority[] = ['interactive', 'standard', 'batch'];

/** A server as its metrics show it. */
export interface ServerState {
  server: string;
  known: number;
  ejected: number;
  /** Fewest pods by its schedule at the moment; undefined where it has none. */
  scheduled: number | undefined;
}

/** The metrics of a gateway: those of its requests, of the lines before the models, and of the replicas behind. */
export class GatewayMetrics extends RequestMetrics {
  /** The same for the status page. */
  readonly tally = new LiveCounts();
  readonly #depth: Gauge<'model' | 'priority'>;
  readonly #wait: TallyHistogram;
  readonly #rejected: Counter<'model' | 'reason'>;
  readonly #retries: Counter<'model' | 'reason'>;
  readonly #fallbacks: Counter<'model' | 'answered_by'>;

  #servers: () => ServerState[] = () => [];

  constructor() {
    super();
    const registers = [this.registry];
    const servers = () => this.#servers();
    this.#depth = new Gauge({
      name: 'queue_depth',
      help: 'Requests that wait for a place at a replica.',
      labelNames: ['model', 'priority'],
      registers,
    });
    this.#wait = new TallyHistogram({
      name: 'model_queue_wait_seconds',
      help: 'Time that a request waited for a place at a replica, in seconds; 0 for one that found room at once.',
      labelNames: ['model', 'priority'],
      buckets: [0.001, 0.01, 0.1, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600],
      registers,
    });
    this.#rejected = new Counter({
      name: 'model_requests_rejected_total',
      help: 'Requests that were sent to no replica, by reason.',
      labelNames: ['model', 'reason'],
      registers,
    });
    this.#retries = new Counter({
      name: 'model_request_retries_total',
      help: 'Requests sent again before anything was answered, because a replica could not be reached or was full.',
      labelNames: ['model', 'reason'],
      registers,
    });
    this.#fallbacks = new Counter({
      name: 'model_request_fallbacks_total',
      help: 'Requests for a model that another one answered, because the first was saturated or down.',
      labelNames: ['model', 'answered_by'],
      registers,
    });
    new Gauge({
      name: 'server_scheduled_replicas',
      help: 'Pods that a server is to have at the least by the time of the week; of servers that are scaled by that.',
      labelNames: ['server'],
      registers,
      collect() {
        this.reset();
        for (const { server, scheduled } of servers()) if (scheduled !== undefined) this.set({ server }, scheduled);
      },
    });
    new Gauge({
      name: 'server_replicas',
      help: 'Replicas of a server: all that are known and ready, and those of them that get no requests because they failed.',
      labelNames: ['server', 'state'],
      registers,
      collect() {
        this.reset();
        for (const { server, known, ejected } of servers()) {
          this.set({ server, state: 'known' }, known);
          this.set({ server, state: 'ejected' }, ejected);
        }
      },
    });
  }

  /** Takes who tells how the servers are at the moment. */
  watch(servers: () => ServerState[]): void {
    this.#servers = servers;
  }

  depth(model: string, of: (priority: Priority) => number): void {
    for (const priority of priorities) this.#depth.set({ model, priority }, of(priority));
  }

  override observe(model: string, route: string, status: number, seconds: number): void {
    super.observe(model, route, status, seconds);
    // Asking what a model is takes no model.
    if (model !== unknownModel && route !== '/api/show') this.tally.ended(model, status, seconds);
  }

  override tokens(model: string, usage: Usage): void {
    super.tokens(model, usage);
    this.tally.wrote(model, usage.written);
  }

  waited(model: string, priority: Priority, seconds: number): void {
    this.#wait.of(model, priority).observe(seconds);
    this.tally.waited(model, seconds);
  }

  rejected(model: string, reason: RejectionReason): void {
    this.#rejected.inc({ model, reason });
    if (forWantOfRoom.includes(reason)) this.tally.refused(model);
  }

  retried(model: string, reason: 'full' | 'failed'): void {
    this.#retries.inc({ model, reason });
  }

  fellBack(model: string, answeredBy: string): void {
    this.#fallbacks.inc({ model, answered_by: answeredBy });
  }
}
