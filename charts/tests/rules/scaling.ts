import { type Expectation, type Labels, type RuleTest, type Series, scraped, series } from './promtool.ts';
import { always, between } from './quiet.ts';

const { gateway, gpu, cpu } = scraped;
const forecaster = { namespace: 'ns', release: 'rel', component: 'forecaster', pod: 'x-model-management-forecaster-1' };

const inFlight = (model: string, values: string): Series => ({
  [series('model_requests_in_flight', { ...gateway, model })]: values,
});
const pods: Series = Object.fromEntries([gateway, gpu, cpu].map((pod) => [series('up', pod), always(1)]));

/** What is recorded of the servers at a minute, to three decimals; nothing at all of those that are left out. */
const recorded = (minute: number, record: string, ofServers: Record<string, number>): Expectation => ({
  minute,
  expr: `round(${record}, 0.001)`,
  samples: Object.entries(ofServers).map(([server, value]): [Labels, number] => [
    { namespace: 'ns', release: 'rel', server },
    value,
  ]),
});

/** What autoscalers go by. A pod of `gpu` answers two requests at a time, one of `cpu` one, and both are to be seven tenths full. */
export const scalingTests: Record<string, RuleTest> = {
  'ask for as many pods as requests need that are there, with room to spare, and for none where none are': {
    name: 'load',
    series: { ...pods, ...inFlight('llama', '0x9 7x20') },
    expect: [
      recorded(5, 'server:load:replicas', { gpu: 0, cpu: 0 }),
      recorded(10, 'server:demand:replicas', { gpu: 3.5, cpu: 0 }),
      recorded(10, 'server:load:replicas', { gpu: 5, cpu: 0 }),
    ],
  },
  'add up the models of a server, and what waits': {
    name: 'packed',
    series: {
      ...pods,
      ...inFlight('summary', always(1)),
      ...inFlight('v1.5', always(2)),
      [series('queue_depth', { ...gateway, model: 'v1.5', priority: 'standard' })]: always(4),
    },
    expect: [recorded(10, 'server:demand:replicas', { gpu: 0, cpu: 7 })],
  },
  'let pods be full while a trusted forecast looks ahead, and no longer': {
    name: 'forecast',
    series: {
      ...pods,
      ...inFlight('llama', always(7)),
      [series('server_forecast_replicas', { ...forecaster, server: 'gpu' })]: '_x9 4x50',
      [series('server_forecast_trusted', { ...forecaster, server: 'gpu' })]: '_x9 0x9 1x10 0x29',
    },
    expect: [
      // There is no forecaster.
      recorded(5, 'server:load:replicas', { gpu: 5, cpu: 0 }),
      recorded(5, 'server:forecast:replicas', { gpu: 0, cpu: 0 }),
      // It is not trusted yet.
      recorded(15, 'server:load:replicas', { gpu: 5, cpu: 0 }),
      recorded(15, 'server:forecast:replicas', { gpu: 0, cpu: 0 }),
      recorded(25, 'server:load:replicas', { gpu: 3.5, cpu: 0 }),
      recorded(25, 'server:forecast:replicas', { gpu: 4, cpu: 0 }),
      // And no more.
      recorded(40, 'server:load:replicas', { gpu: 5, cpu: 0 }),
      recorded(40, 'server:forecast:replicas', { gpu: 0, cpu: 0 }),
    ],
  },
  'trust no forecast that is not there': {
    name: 'trust alone',
    series: {
      ...pods,
      ...inFlight('llama', always(7)),
      [series('server_forecast_trusted', { ...forecaster, server: 'gpu' })]: always(1),
    },
    expect: [recorded(10, 'server:load:replicas', { gpu: 5, cpu: 0 })],
  },
  'know nothing, rather than nought, while no gateway is scraped': {
    name: 'blind',
    series: {
      ...pods,
      [series('up', gateway)]: between(20, 40, [1, 0, 1]),
      ...inFlight('llama', '7x19 _x19 7x20'),
      [series('server_scheduled_replicas', { ...gateway, server: 'x-gpu' })]: '2x19 _x19 3x20',
    },
    expect: [
      recorded(10, 'server:schedule:replicas', { gpu: 2 }),
      ...['server:demand:replicas', 'server:load:replicas', 'server:schedule:replicas'].map((record) =>
        recorded(30, record, {}),
      ),
      recorded(45, 'server:load:replicas', { gpu: 5, cpu: 0 }),
      recorded(45, 'server:schedule:replicas', { gpu: 3 }),
    ],
  },
  'take the schedule of the gateway that asks for most': {
    name: 'schedule',
    series: {
      ...pods,
      [series('server_scheduled_replicas', { ...gateway, server: 'x-gpu' })]: always(1),
      [series('server_scheduled_replicas', { ...gateway, pod: 'x-model-management-gateway-2', server: 'x-gpu' })]:
        always(2),
    },
    expect: [recorded(10, 'server:schedule:replicas', { gpu: 2 })],
  },
  'tell how long the start of a pod took for an hour, and not when a gateway or an old pod became ready': {
    name: 'start',
    series: {
      ...pods,
      [series('up', { ...gpu, pod: 'x-gpu-2' })]: always(1),
      ...Object.fromEntries(
        [
          { pod: gpu.pod, created: 60, ready: 300 },
          // It was ready before Prometheus looked, and is again.
          { pod: 'x-gpu-2', created: -7000, ready: 300 },
          { pod: gateway.pod, created: 60, ready: 300 },
        ].flatMap(({ pod, created, ready }) => [
          [series('kube_pod_created', { namespace: 'ns', pod, uid: pod }), always(created)],
          [series('kube_pod_status_ready_time', { namespace: 'ns', pod, uid: pod }), `_x4 ${ready}x100`],
        ]),
      ),
    },
    expect: [
      { minute: 3, expr: 'pod:start:seconds', samples: [] },
      ...[6, 64].map((minute) => ({
        minute,
        expr: 'pod:start:seconds',
        samples: [[{ __name__: 'pod:start:seconds', ...gpu }, 240]] as [Labels, number][],
      })),
      { minute: 66, expr: 'pod:start:seconds', samples: [] },
    ],
  },
};
