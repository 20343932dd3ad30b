import { Counter, Gauge, Histogram } from 'prom-client';
import { RequestMetrics } from '../shared/metrics.ts';

/** The metrics of an agent: those of its requests, and of the loads of its models. */
export class AgentMetrics extends RequestMetrics {
  readonly #loaded = new Gauge({
    name: 'model_loaded',
    help: 'Whether the model was loaded once since Ollama started (1) or not yet (0).',
    labelNames: ['model'],
    registers: [this.registry],
  });
  readonly #loads = new Counter({
    name: 'model_loads_total',
    help: 'Loads that the agent asked for, by result.',
    labelNames: ['model', 'result'],
    registers: [this.registry],
  });
  readonly #seconds = new Histogram({
    name: 'model_load_duration_seconds',
    help: 'Time that a load took, in seconds.',
    labelNames: ['model', 'result'],
    buckets: [1, 2.5, 5, 10, 20, 40, 80, 160, 320, 640, 1280],
    registers: [this.registry],
  });

  /** Counts a load that ended. */
  loaded(model: string, seconds: number, succeeded: boolean): void {
    const labels = { model, result: succeeded ? 'success' : 'failure' };
    this.#loads.inc(labels);
    this.#seconds.observe(labels, seconds);
  }

  showLoaded(models: { key: string; state: string }[]): void {
    this.#loaded.reset();
    for (const { key, state } of models) this.#loaded.set({ model: key }, state === 'loaded' ? 1 : 0);
  }
}
