import { BytesIEC, PercentUnit, RequestsPerSecond, Seconds, Short } from '@grafana/grafana-foundation-sdk/units';
import type { Frame } from './frame.ts';
import { chart, figure } from './panels.ts';
import { ofModel, ours, variables } from './variables.ts';

export const uid = 'model-management-model';

/** Tokens a second: Grafana has no unit for those but counts. */
const tokensPerSecond = 'cps';

const quantiles = (record: string) =>
  ['0.5', '0.95', '0.99'].map((quantile) => ({
    expr: `max by (model) (${ofModel(record, `quantile="${quantile}"`)})`,
    legend: `p${Number(quantile) * 100}`,
  }));

/** What rules recorded of the server that the model is on, or a forecaster tells of it. */
const ofItsServer = (metric: string, ...matchers: string[]) =>
  `max by (server) (${ours(metric, ...matchers)} and on (server) ${ofModel('model:server:info')})`;

const forecaster = 'component="forecaster"';

/** One model, from the request to the memory. */
export const model: Frame = {
  uid,
  title: 'Models: one model',
  description:
    'One model: its requests, how long they wait and take, its replicas against demand, its loads and memory.',
  variables: [variables.datasource(), variables.namespace(), variables.release(), variables.model()],
  rows: [
    {
      title: 'How is it?',
      panels: [
        figure({
          title: 'Budget burn, 1 h',
          description:
            'How many times too fast its objectives are being used up: above 1 it is on the way to missing them.',
          unit: Short,
          width: 6,
          decimals: 1,
          query: { expr: `max(${ofModel('model:slo_burn:ratio_rate1h')})`, legend: 'burn' },
          limits: { warning: 1, critical: 6 },
          noValue: 'no requests',
        }),
        figure({
          title: 'First token, p95',
          description: 'One request in twenty waits longer for the first word of its answer.',
          unit: Seconds,
          width: 6,
          query: {
            expr: `max(${ofModel('model_quantile:first_token_seconds:rate5m', 'quantile="0.95"')})`,
            legend: 'first token',
          },
          noValue: 'no answers',
        }),
        figure({
          title: 'Waiting now',
          description: 'Its requests in the lines of all gateways.',
          unit: Short,
          width: 6,
          query: { expr: `sum(${ofModel('model:queue_depth:sum')})`, legend: 'waiting' },
        }),
        figure({
          title: 'Saturation',
          description:
            'Its requests that are there by those that its replicas answer at a time: above 100 % some wait.',
          unit: PercentUnit,
          width: 6,
          query: { expr: `max(${ofModel('model:saturation:ratio')})`, legend: 'saturation' },
          limits: { warning: 1, critical: 2 },
        }),
      ],
    },
    {
      title: 'Requests',
      panels: [
        chart({
          title: 'Requests by status',
          description: 'Requests that ended: 2xx answered, 4xx refused or left by the client, 5xx failed.',
          unit: RequestsPerSecond,
          width: 8,
          stacked: true,
          queries: [{ expr: `max by (status) (${ofModel('model_status:requests:rate5m')})`, legend: '{{status}}' }],
        }),
        chart({
          title: 'Time of a whole answer',
          description: 'From the arrival of a request to the last byte of its answer; long answers take long.',
          unit: Seconds,
          width: 8,
          queries: quantiles('model_quantile:request_seconds:rate5m'),
        }),
        chart({
          title: 'Time to the first token',
          description:
            'From the arrival of a request to the first byte of its answer: its wait, the load if there was one, and the reading of its prompt.',
          unit: Seconds,
          width: 8,
          queries: quantiles('model_quantile:first_token_seconds:rate5m'),
        }),
        chart({
          title: 'Time between tokens',
          description: 'Between two chunks of a stream, as a reader feels it.',
          unit: Seconds,
          width: 8,
          queries: quantiles('model_quantile:inter_token_seconds:rate5m'),
        }),
        chart({
          title: 'Tokens',
          description: 'Tokens of prompts that were evaluated (in) and of answers (out).',
          unit: tokensPerSecond,
          width: 8,
          queries: [
            { expr: `max by (direction) (${ofModel('model_direction:tokens:rate5m')})`, legend: '{{direction}}' },
          ],
        }),
        chart({
          title: 'Rejected requests',
          description: 'Requests that no replica got, by reason.',
          unit: RequestsPerSecond,
          width: 8,
          stacked: true,
          queries: [{ expr: `max by (reason) (${ofModel('model_reason:rejections:rate5m')})`, legend: '{{reason}}' }],
        }),
      ],
    },
    {
      title: 'Queue and replicas',
      panels: [
        chart({
          title: 'Waiting requests by priority',
          description: 'Requests in line: interactive ones are let past batch, which still gets its share.',
          unit: Short,
          width: 8,
          stacked: true,
          queries: [
            { expr: `sum by (priority) (${ofModel('queue_depth', 'component="gateway"')})`, legend: '{{priority}}' },
          ],
        }),
        chart({
          title: 'Wait for a place',
          description: 'How long requests wait before a replica takes them; 0 for those that find room at once.',
          unit: Seconds,
          width: 8,
          queries: quantiles('model_quantile:queue_wait_seconds:rate5m'),
        }),
        chart({
          title: 'Replicas against demand and forecast',
          description:
            'Pods of its server, those that are ready, and how many its requests need when each answers as many at a time as ' +
            'it can; the schedule asks for so many at the least, and the forecast for so many by the time that new ones are ' +
            'ready, or for 0 while it is silent. Demand above the maximum waits.',
          unit: Short,
          width: 8,
          decimals: 1,
          queries: [
            {
              expr:
                `sum by (server) (${ofModel('model:demand:requests')} * on (namespace, release, model) group_left (server)` +
                ` ${ofModel('model:server:info')}) / on (server) max by (server) (${ours('server:parallel:requests')})`,
              legend: 'needed',
            },
            { expr: ofItsServer('server:replicas_available:max'), legend: 'ready' },
            { expr: ofItsServer('server:pods:count'), legend: 'pods' },
            { expr: ofItsServer('server:schedule:replicas'), legend: 'scheduled' },
            { expr: ofItsServer('server:forecast:replicas'), legend: 'forecast' },
            { expr: ofItsServer('server:replicas:max'), legend: 'maximum' },
          ],
        }),
      ],
    },
    {
      title: 'Forecast',
      panels: [
        chart({
          title: 'Expected demand',
          description:
            'Pods that its server is expected to need at the horizon, without headroom and with it, and those that it needs now: ' +
            'what is expected comes to be needed as much later as the horizon is.',
          unit: Short,
          width: 8,
          decimals: 1,
          queries: [
            { expr: ofItsServer('server:demand:replicas'), legend: 'needed' },
            { expr: ofItsServer('server_forecast_expected_replicas', forecaster), legend: 'expected' },
            { expr: ofItsServer('server_forecast_replicas', forecaster), legend: 'with headroom' },
          ],
        }),
        chart({
          title: 'Forecast against reactive scaling',
          description:
            'Mean loss of the last two days, of the forecast and of what reactive scaling would have had: the less the better. The ' +
            'forecast is silent while its own is the larger.',
          unit: Short,
          width: 8,
          decimals: 3,
          queries: [
            {
              expr: ofItsServer('server_forecast_loss_replicas', forecaster, 'by="forecast"'),
              legend: 'forecast',
            },
            {
              expr: ofItsServer('server_forecast_loss_replicas', forecaster, 'by="reactive"'),
              legend: 'reactive',
            },
          ],
        }),
        chart({
          title: 'Horizon and start',
          description:
            'How far the forecast looks ahead, and how long a pod takes from being asked for to being ready: as measured, or its budget ' +
            'where no start was.',
          unit: Seconds,
          width: 8,
          queries: [
            { expr: ofItsServer('server_forecast_horizon_seconds', forecaster), legend: 'horizon' },
            { expr: ofItsServer('server_forecast_start_seconds', forecaster), legend: 'start' },
          ],
        }),
      ],
    },
    {
      title: 'Loads and memory',
      panels: [
        chart({
          title: 'Loads and unloads',
          description:
            'Loads by result and unloads by reason, in a quarter of an hour, of all replicas. Many loads of one model mean that models push each other out.',
          unit: Short,
          width: 8,
          queries: [
            { expr: `sum by (result) (${ofModel('model_result:loads:increase15m')})`, legend: 'load, {{result}}' },
            {
              expr: `sum by (reason) (increase(${ofModel('model_unloads_total', 'component="server"')}[15m]))`,
              legend: 'unload, {{reason}}',
            },
          ],
        }),
        chart({
          title: 'Time of a load',
          description: 'On average of the last hour.',
          unit: Seconds,
          width: 8,
          queries: [{ expr: `max by (server) (${ofModel('model:load_seconds:avg1h')})`, legend: '{{server}}' }],
        }),
        chart({
          title: 'Memory',
          description:
            'What Ollama holds for it in all replicas: in the memory of pods (ram) and of GPUs (vram). On a server with GPUs, ram is what did not fit.',
          unit: BytesIEC,
          width: 8,
          stacked: true,
          queries: [{ expr: `sum by (kind) (${ofModel('model_kind:memory_bytes:sum')})`, legend: '{{kind}}' }],
        }),
      ],
    },
  ],
};
