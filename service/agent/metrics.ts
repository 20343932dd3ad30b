import { Counter, Gauge, Histogram } from 'prom-client';
import { RequestMetrics } from '../shared/metrics.ts';
import type { DownloadStatus } from '../shared/status.ts';

/** Why a request was not passed on to Ollama. */
export type RejectionReason =
  /** It has as many for the model as it takes. */
  | 'full'
  /** The model could not be loaded. */
  | 'load_failed'
  /** Ollama is away, or has not got the model yet. */
  | 'unavailable'
  | 'runner_option'
  | 'unknown_model';

/**
 * Why a model was unloaded: unused for its time; for another, or by Ollama itself; at the wish of a client
 * (`keep_alive`).
 */
export type UnloadReason = 'idle' | 'evicted' | 'client';

/** How an agent is at the moment. */
export interface AgentState {
  /** Whether each model was loaded once since Ollama started. */
  readonly loadedOnce: Record<string, boolean>;
  /** How many models are loaded. */
  readonly residentCount: number;
  /**
   * What Ollama holds for each process that runs one or more models, in bytes; named by a model that it was loaded for.
   */
  readonly memory: { model: string; ram: number; vram: number }[];
  /** Requests that are being answered, that wait, and how many could be answered at a time. */
  readonly load: { running: number; waiting: number; capacity: number };
  /** What is being brought to the disk. */
  download?(): Promise<DownloadStatus | undefined>;
}

const nothing: AgentState = {
  loadedOnce: {},
  residentCount: 0,
  memory: [],
  load: { running: 0, waiting: 0, capacity: 0 },
};

/** The metrics of an agent: those of its requests, and of what its Ollama has loaded. */
export class AgentMetrics extends RequestMetrics {
  #state: () => AgentState = () => nothing;
  readonly #loads: Counter<'model' | 'result'>;
  readonly #seconds: Histogram<'model' | 'result'>;
  readonly #unloads: Counter<'model' | 'reason'>;
  readonly #rejected: Counter<'model' | 'reason'>;
  readonly #downloadFailures: Counter<'model' | 'reason'>;

  constructor() {
    super();
    const registers = [this.registry];
    const state = () => this.#state();
    this.#loads = new Counter({
      name: 'model_loads_total',
      help: 'Loads that the agent asked for, by result.',
      labelNames: ['model', 'result'],
      registers,
    });
    this.#seconds = new Histogram({
      name: 'model_load_duration_seconds',
      help: 'Time that a load took, in seconds.',
      labelNames: ['model', 'result'],
      buckets: [1, 2.5, 5, 10, 20, 40, 80, 160, 320, 640, 1280],
      registers,
    });
    this.#unloads = new Counter({
      name: 'model_unloads_total',
      help: 'Unloads by reason: unused for its time (idle), to make room (evicted), or as a client asked (client).',
      labelNames: ['model', 'reason'],
      registers,
    });
    this.#rejected = new Counter({
      name: 'model_requests_rejected_total',
      help: 'Requests that were not passed on to Ollama, by reason.',
      labelNames: ['model', 'reason'],
      registers,
    });
    this.#downloadFailures = new Counter({
      name: 'model_download_failures_total',
      help:
        'Downloads of a model that failed while this pod waited for it, by reason: no_space, wrong_digest, no_such_model, ' +
        'bad_name, bad_parameter, plain_http, certificate, refused, no_route, unexpected.',
      labelNames: ['model', 'reason'],
      registers,
    });
    const downloaded = (name: string, help: string, bytes: (status: DownloadStatus) => number) =>
      new Gauge({
        name,
        help: `${help} of the model that is being downloaded; gone when all are on disk.`,
        labelNames: ['model'],
        registers,
        async collect() {
          const status = await state().download?.();
          this.reset();
          if (status?.model) this.set({ model: status.model }, bytes(status));
        },
      });
    downloaded('model_download_bytes', 'Bytes that have arrived', ({ bytes }) => bytes);
    downloaded('model_download_total_bytes', 'Bytes in all, as far as they are known,', ({ totalBytes }) => totalBytes);
    new Gauge({
      name: 'model_loaded',
      help: 'Whether the model was loaded once since Ollama started (1) or not yet (0).',
      labelNames: ['model'],
      registers,
      collect() {
        this.reset();
        for (const [model, was] of Object.entries(state().loadedOnce)) this.set({ model }, was ? 1 : 0);
      },
    });
    new Gauge({
      name: 'active_model_count',
      help: 'Models that are loaded at the moment.',
      registers,
      collect() {
        this.set(state().residentCount);
      },
    });
    new Gauge({
      name: 'model_memory_usage_bytes',
      help: 'Memory that Ollama holds for a loaded model; for models of the same weights, under one of their names.',
      labelNames: ['model', 'kind'],
      registers,
      collect() {
        this.reset();
        for (const { model, ram, vram } of state().memory) {
          this.inc({ model, kind: 'ram' }, ram);
          this.inc({ model, kind: 'vram' }, vram);
        }
      },
    });
    // What the model server protocol of the Gateway API Inference Extension asks of each pod.
    new Gauge({
      name: 'ollama_num_requests_waiting',
      help: 'Requests in the pod whose answer has not begun to be made, of all models together.',
      registers,
      collect() {
        this.set(state().load.waiting);
      },
    });
    new Gauge({
      name: 'ollama_num_requests_running',
      help: 'Requests in the pod whose answer is being made, of all models together.',
      registers,
      collect() {
        this.set(state().load.running);
      },
    });
    new Gauge({
      name: 'ollama_kv_cache_usage_ratio',
      help:
        'Share of the KV cache that is in use, from 0 to 1, as far as it can be told: Ollama gives each of the requests ' +
        'that it answers at a time a fixed part of the cache and does not say how full that is, so this is the share of ' +
        'those parts in use.',
      registers,
      collect() {
        const { running, capacity } = state().load;
        this.set(capacity === 0 ? 0 : running / capacity);
      },
    });
  }

  /** Takes who tells how the agent is at the moment. */
  watch(state: () => AgentState): void {
    this.#state = state;
  }

  /** Counts a load that ended. */
  loaded(model: string, seconds: number, succeeded: boolean): void {
    const labels = { model, result: succeeded ? 'success' : 'failure' };
    this.#loads.inc(labels);
    this.#seconds.observe(labels, seconds);
  }

  unloaded(model: string, reason: UnloadReason): void {
    this.#unloads.inc({ model, reason });
  }

  downloadFailed(model: string, reason: string): void {
    this.#downloadFailures.inc({ model, reason });
  }

  rejected(model: string, reason: RejectionReason): void {
    this.#rejected.inc({ model, reason });
  }
}
