import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import type { Forecasts, ServerState } from './forecasts.ts';

/** The metrics of a forecaster; servers are called by their keys. */
export class ForecasterMetrics {
  readonly registry = new Registry();

  constructor(forecasts: Forecasts) {
    const registers = [this.registry];
    collectDefaultMetrics({ register: this.registry });

    /** What is known of each server, with further labels; nothing of those that nothing is known of. */
    const gauge = <Label extends string = never>(
      name: string,
      help: string,
      samples: (state: ServerState) => [value: number | undefined, labels?: Record<Label, string>][],
      labelNames: Label[] = [],
    ) =>
      new Gauge<string>({
        name,
        help,
        labelNames: ['server', ...labelNames],
        registers,
        collect() {
          this.reset();
          for (const state of forecasts.states()) {
            for (const [value, labels] of samples(state)) {
              if (value !== undefined && Number.isFinite(value)) this.set({ server: state.server, ...labels }, value);
            }
          }
        },
      });

    gauge(
      'server_forecast_replicas',
      'Pods that will be needed when one that is asked for now is ready, with headroom and what autoscalers tolerate; nothing while it is silent.',
      ({ replicas }) => [[replicas]],
    );
    gauge(
      'server_forecast_trusted',
      'Whether it is rather to be followed than reactive scaling: 1, or 0 while it is silent.',
      ({ replicas }) => [[replicas === undefined ? 0 : 1]],
    );
    gauge('server_forecast_silent', 'Why it is silent: 1 with the reason; nothing while it is not.', reasons, [
      'reason',
    ]);
    gauge(
      'server_forecast_expected_replicas',
      'Pods that are expected to be needed then, without headroom.',
      ({ expected }) => [[expected]],
    );
    gauge(
      'server_forecast_loss_replicas',
      'Mean loss of the last two days in pods (pinball loss of its quantile), of its own answers (forecast) and of those that reactive scaling would have had (reactive).',
      ({ loss }) => [
        [loss.forecast, { by: 'forecast' }],
        [loss.reactive, { by: 'reactive' }],
      ],
      ['by'],
    );
    gauge('server_forecast_horizon_seconds', 'How far it looks ahead.', ({ horizonSeconds }) => [[horizonSeconds]]);
    gauge(
      'server_forecast_start_seconds',
      'How long a pod takes from being asked for to being ready: as measured, or the budget where nothing was.',
      ({ start }) => [[start.seconds, { source: start.measured ? 'measured' : 'budget' }]],
      ['source'],
    );
    new Gauge({
      name: 'forecaster_last_bin_timestamp_seconds',
      help: 'End of the last bin of demand that was taken in, Unix time; nothing before the history was read.',
      registers,
      collect() {
        this.reset();
        if (forecasts.lastBin !== undefined) this.set(forecasts.lastBin);
      },
    });
    new Counter({
      name: 'forecaster_reads_total',
      help: 'How often Prometheus was asked, by what came of it.',
      labelNames: ['result'],
      registers,
      collect() {
        this.reset();
        for (const [result, count] of Object.entries(forecasts.reads)) this.inc({ result }, count);
      },
    });
  }
}

const reasons = ({ silent }: ServerState): [number, { reason: string }][] => (silent ? [[1, { reason: silent }]] : []);
