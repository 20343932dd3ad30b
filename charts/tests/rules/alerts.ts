import { type Labels, type RuleTest, type Series, scraped, series } from './promtool.ts';
import { always, between, growing, growingBetween } from './quiet.ts';

/** An alert, what it takes to fire and to be quiet again, and what is just too little. */
export interface AlertCase {
  alert: string;
  severity: 'critical' | 'warning';
  /** Over the fleet that is well: bad from minute 20 on, good again from minute 60 on. */
  series: Series;
  /** The minute of the fault, where it is another than 20. */
  since?: number;
  /** A minute at which it is pending, unless it fires at once. */
  pending?: number;
  /** A minute at which it fires, and one at which it has resolved. */
  firing: number;
  resolved: number;
  /** Labels beside namespace, release and severity. */
  labels: Labels;
  summary: string;
  description: string;
  /** What else fires at the same time, by its name. */
  beside?: string[];
  /** What stays quiet all the time, because it is just below. */
  near: Series;
  /** Whether it is tried without the fleet that is well. */
  alone?: boolean;
  /** Minutes between samples and evaluations; 1 unless given. */
  every?: RuleTest['every'];
}

const { gateway, gpu, cpu } = scraped;
const of = (metric: string, labels: Labels, values: string): Series => ({ [series(metric, labels)]: values });
const llama = { model: 'llama', server: 'gpu' };
const bad = (good: number, bad: number) => between(20, 60, [good, bad, good]);
const pod = { component: 'server', server: 'gpu', pod: 'x-gpu-1' };
const container = (name: string, labels: Labels = {}) => ({
  namespace: 'ns',
  pod: 'x-gpu-1',
  container: name,
  ...labels,
});

/** Half of the requests wait at most so long, the rest as long as the second bound. */
function waiting(bounds: [string, string], share: number): Series {
  const labels = { ...gateway, model: 'llama', priority: 'standard' };
  const [short, long] = bounds;
  const counts = { [short]: 1 - share, [long]: 1, '+Inf': 1 };
  return Object.fromEntries(
    Object.entries(counts).map(([le, part]) => [
      series('model_queue_wait_seconds_bucket', { ...labels, le }),
      growingBetween(20, 60, 100 * part),
    ]),
  );
}

const memory = (name: string, share: number, rest: Labels = {}): Series => ({
  ...of('container_memory_working_set_bytes', container(name, { id: '/a', ...rest }), bad(100, 1000 * share + 50)),
  ...of('container_memory_total_active_file_bytes', container(name, { id: '/a', ...rest }), always(50)),
  ...of('container_spec_memory_limit_bytes', container(name, { id: '/a', ...rest }), always(1000)),
});

const failing = (perMinute: number): Series =>
  of(
    'model_request_total',
    { ...gateway, model: 'llama', route: '/api/chat', status: '5xx' },
    growingBetween(20, 60, perMinute),
  );

const autoscaler = (horizontalpodautoscaler: string, condition: string, values: string): Series =>
  of(
    'kube_horizontalpodautoscaler_status_condition',
    { namespace: 'ns', horizontalpodautoscaler, condition, status: 'false' },
    values,
  );

const theirs = { namespace: 'ns', horizontalpodautoscaler: 'keda-hpa-x-gpu' };

const restarts = (name: string, kind: '' | 'init_', count: number): Series =>
  of(`kube_pod_${kind}container_status_restarts_total`, container(name, { uid: '1' }), `0x30 ${count}x90`);

const downloadFailures = (count: number) =>
  of('model_download_failures_total', { ...gpu, model: 'llama', reason: 'no_route' }, `_x20 ${count}x100`);

const certificate = (days: number, label: 'namespace' | 'exported_namespace') => {
  const left = (minutes: number) => minutes * 60 + days * 86_400;
  return of(
    'certmanager_certificate_expiration_timestamp_seconds',
    { [label]: 'ns', name: 'model-management-tls' },
    // At minute 40 it has just so many days.
    between(20, 60, [1e8, left(40), 1e8]),
  );
};

const volume = (free: string, claim = 'x-gpu-1-models'): Series => ({
  ...of('kubelet_volume_stats_available_bytes', { namespace: 'ns', persistentvolumeclaim: claim }, free),
  ...of('kubelet_volume_stats_capacity_bytes', { namespace: 'ns', persistentvolumeclaim: claim }, always(1000)),
});

const probes = (type: string, result: string, perMinute: number): Series =>
  of(
    'prober_probe_total',
    container('agent', { probe_type: type, result, pod_uid: '1' }),
    growingBetween(20, 60, perMinute),
  );

export const alertCases: AlertCase[] = [
  {
    alert: 'ModelQueueWaitHigh',
    severity: 'warning',
    series: waiting(['10', '20'], 0.1),
    pending: 22,
    firing: 40,
    resolved: 70,
    labels: llama,
    summary: 'Requests for llama wait long for a place',
    description:
      'One request in twenty for llama waited longer than 15s for a place on gpu in the last 5 minutes; the bound is 10s.',
    near: waiting(['10', '20'], 0.05),
  },
  {
    alert: 'ModelRequestsRejected',
    severity: 'warning',
    series: of(
      'model_requests_rejected_total',
      { ...gateway, model: 'llama', reason: 'no_replica' },
      growingBetween(20, 60, 0.9),
    ),
    firing: 40,
    resolved: 70,
    labels: llama,
    summary: 'Requests for llama are turned away',
    description:
      '1.5% of the requests for llama found no room on gpu in the last 5 minutes: its queue was full, they waited too long, or it ' +
      'has no pod. The bound is 1%.',
    near: of(
      'model_requests_rejected_total',
      { ...gateway, model: 'llama', reason: 'no_replica' },
      growingBetween(20, 60, 0.6),
    ),
  },
  {
    alert: 'ModelErrorBudgetBurnsFast',
    severity: 'critical',
    series: failing(20),
    firing: 40,
    resolved: 110,
    labels: { ...llama, slo: 'available' },
    summary: 'llama fails its clients',
    description:
      'What may go wrong with llama in four weeks (available, objective 99.9%) is being used up 142.9 times too fast: more than 2 % ' +
      'of it in an hour, or 5 % in six.',
    // A day begins with the first minute that there is.
    beside: ['ModelErrorBudgetBurnsSlowly'],
    near: failing(0.3),
  },
  {
    alert: 'ModelServerDown',
    severity: 'critical',
    series: of('server_replicas', { ...gateway, server: 'x-gpu', state: 'known' }, bad(1, 0)),
    pending: 22,
    firing: 40,
    resolved: 62,
    labels: { server: 'gpu' },
    summary: 'gpu answers nobody',
    description:
      'No replica of gpu has taken requests for 21m 0s, which is longer than a new pod may take to load (2m 0s).',
    near: of('server_replicas', { ...gateway, server: 'x-gpu', state: 'known' }, between(20, 22, [1, 0, 1])),
  },
  {
    alert: 'ModelReplicaEjected',
    severity: 'warning',
    series: {
      ...of('server_replicas', { ...gateway, server: 'x-gpu', state: 'known' }, always(2)),
      ...of('server_replicas', { ...gateway, server: 'x-gpu', state: 'ejected' }, bad(0, 1)),
    },
    pending: 21,
    firing: 40,
    resolved: 62,
    labels: { server: 'gpu' },
    summary: 'A replica of gpu fails',
    description:
      '1 of 2 ready replicas of gpu get no requests, because they failed to answer; a gateway tries them again and again.',
    beside: ['ModelServerMetricsMissing'],
    near: of('server_replicas', { ...gateway, server: 'x-gpu', state: 'ejected' }, between(20, 22, [0, 1, 0])),
  },
  {
    alert: 'ModelServerAtMaximum',
    severity: 'warning',
    series: of('queue_depth', { ...gateway, model: 'summary', priority: 'batch' }, '0x20 1+1x39 0x60'),
    pending: 26,
    firing: 40,
    resolved: 62,
    labels: { server: 'cpu' },
    summary: 'cpu has all of its pods, and its queue grows',
    description:
      'cpu has 1 ready replicas, which is the most that it may have, 20 requests wait, and ten minutes ago there were fewer.',
    near: of('queue_depth', { ...gateway, model: 'summary', priority: 'batch' }, '20x120'),
  },
  {
    alert: 'AutoscalingMetricsMissing',
    severity: 'warning',
    series: {
      // Of KEDA's, and of one of ours that has been replaced by it.
      ...autoscaler('keda-hpa-x-gpu', 'ScalingActive', bad(0, 1)),
      ...autoscaler('x-gpu', 'ScalingActive', '0x20'),
      // It could take the server to none itself, or has not.
      ...of('kube_horizontalpodautoscaler_status_current_replicas', theirs, between(30, 45, [1, 0, 1])),
      ...of('kube_horizontalpodautoscaler_spec_min_replicas', theirs, between(30, 45, [1, 0, 1])),
    },
    pending: 22,
    firing: 40,
    resolved: 62,
    labels: { server: 'gpu' },
    summary: 'gpu is not scaled',
    description:
      'The autoscaler of gpu gets no metrics that it could go by, and keeps the pods that there are (1), whatever is asked of them.',
    near: {
      // For a moment, and later because it rests: somebody else took the server to none.
      ...autoscaler('keda-hpa-x-gpu', 'ScalingActive', '0x19 1x3 0x36 1x40 0x20'),
      ...of('kube_horizontalpodautoscaler_status_current_replicas', theirs, between(60, 101, [1, 0, 1])),
      ...of('kube_horizontalpodautoscaler_spec_min_replicas', theirs, always(1)),
      ...autoscaler('x-gpu', 'AbleToScale', always(1)),
      // Of the gateway, and of somebody else's.
      ...autoscaler('x-model-management-gateway', 'ScalingActive', always(1)),
      ...autoscaler('gpu', 'ScalingActive', always(1)),
      // None of its pods is ready.
      ...autoscaler('x-cpu', 'ScalingActive', always(1)),
      ...of('server_replicas', { ...gateway, server: 'x-cpu', state: 'known' }, always(0)),
    },
  },
  {
    alert: 'ModelServerMetricsMissing',
    severity: 'warning',
    series: of('up', gpu, bad(1, 0)),
    pending: 25,
    firing: 40,
    resolved: 62,
    labels: { server: 'gpu' },
    summary: 'Some pods of gpu are not scraped',
    description:
      '1 of the ready replicas of gpu give no metrics: what is said of its memory and its loads is not whole.',
    near: of('up', gpu, between(20, 29, [1, 0, 1])),
  },
  {
    alert: 'GatewayMetricsMissing',
    severity: 'critical',
    series: of('up', gateway, bad(1, 0)),
    pending: 22,
    firing: 40,
    resolved: 62,
    labels: {},
    summary: 'No gateway is scraped',
    description:
      'Prometheus has had no metrics of any gateway of rel in ns for 5 minutes: it is down, or not found. Nobody would notice ' +
      'anything else that goes wrong.',
    near: of('up', { ...gateway, pod: 'x-model-management-gateway-2' }, always(0)),
  },
  {
    alert: 'BackupTooOld',
    severity: 'warning',
    series: of('backup_last_success_timestamp_seconds', gateway, bad(0, -100_000)),
    pending: 25,
    firing: 40,
    resolved: 62,
    labels: {},
    summary: 'The last good copy of rel is too old',
    description:
      'The last copy of rel in ns that was found to be whole is 1d 4h 26m 40s old: the runs after it failed, or there were none.',
    near: of('backup_last_success_timestamp_seconds', gateway, bad(0, -86_000)),
  },
  {
    alert: 'GatewayCertificateExpiring',
    severity: 'warning',
    series: certificate(13, 'namespace'),
    pending: 22,
    firing: 40,
    resolved: 62,
    labels: { name: 'model-management-tls' },
    summary: 'The certificate of the gateway was not renewed',
    description: 'The certificate model-management-tls in ns ends in 13 days, and cert-manager should have renewed it.',
    near: certificate(14.1, 'namespace'),
  },
  {
    alert: 'GatewayCertificateExpiring',
    severity: 'critical',
    series: certificate(2, 'exported_namespace'),
    pending: 22,
    firing: 40,
    resolved: 62,
    labels: { name: 'model-management-tls' },
    summary: 'The certificate of the gateway ends',
    description: 'The certificate model-management-tls in ns ends in 2 days: from then on no client gets through.',
    beside: ['GatewayCertificateExpiring'],
    near: certificate(14.1, 'exported_namespace'),
  },
  {
    alert: 'ModelLoadFailing',
    severity: 'warning',
    // The first failure is the first that is heard of the counter.
    series: of('model_loads_total', { ...gpu, model: 'llama', result: 'failure' }, '_x20 1x100'),
    firing: 30,
    resolved: 40,
    labels: llama,
    summary: 'llama cannot be loaded',
    description:
      'Loading llama on gpu failed 1 times in the last 15 minutes: by an error of Ollama, or because it took longer than 2m 0s.',
    near: {
      ...of('model_loads_total', { ...gpu, model: 'llama', result: 'failure' }, always(7)),
      ...of('model_loads_total', { ...gpu, model: 'llama', result: 'success' }, growing(1)),
    },
  },
  {
    alert: 'ModelLoadSlow',
    severity: 'warning',
    series: {
      ...of('model_load_duration_seconds_count', { ...gpu, model: 'llama', result: 'success' }, '_x20 1x100'),
      ...of('model_load_duration_seconds_sum', { ...gpu, model: 'llama', result: 'success' }, '_x20 91x100'),
    },
    firing: 70,
    resolved: 90,
    labels: llama,
    summary: 'llama loads slowly',
    description:
      'Loading llama on gpu took 1m 31s on average of the last hour, which is near to its budget of 2m 0s: over that it fails.',
    near: {
      ...of('model_load_duration_seconds_count', { ...gpu, model: 'llama', result: 'success' }, '_x20 1x100'),
      ...of('model_load_duration_seconds_sum', { ...gpu, model: 'llama', result: 'success' }, '_x20 90x100'),
    },
  },
  {
    alert: 'ModelNotLoaded',
    severity: 'warning',
    series: {
      ...of('process_start_time_seconds', gpu, always(20 * 60)),
      ...of('model_loaded', { ...gpu, model: 'llama' }, bad(1, 0)),
    },
    pending: 33,
    firing: 40,
    resolved: 62,
    labels: { ...pod, model: 'llama' },
    summary: 'llama is still not loaded in a pod',
    description:
      'llama has not been loaded in x-gpu-1, whose agent has been there for longer than the models of gpu may take to download ' +
      '(10m 0s) and to load (2m 0s): the pod serves nobody.',
    near: {
      ...of('process_start_time_seconds', gpu, always(20 * 60)),
      ...of('model_loaded', { ...gpu, model: 'llama' }, between(20, 33, [1, 0, 1])),
    },
  },
  {
    alert: 'ModelOutsideGpu',
    severity: 'warning',
    series: {
      ...of('model_memory_usage_bytes', { ...gpu, model: 'llama', kind: 'ram' }, bad(0, 20)),
      ...of('model_memory_usage_bytes', { ...gpu, model: 'llama', kind: 'vram' }, bad(1000, 980)),
    },
    pending: 22,
    firing: 40,
    resolved: 62,
    labels: { server: 'gpu', pod: 'x-gpu-1', model: 'llama' },
    summary: 'llama does not fit into its GPU',
    description: '2% of llama in x-gpu-1 run on the CPU, which makes it many times slower.',
    near: {
      ...of('model_memory_usage_bytes', { ...gpu, model: 'llama', kind: 'ram' }, bad(0, 10)),
      ...of('model_memory_usage_bytes', { ...gpu, model: 'llama', kind: 'vram' }, bad(1000, 990)),
      // It has no GPU to be outside of.
      ...of('model_memory_usage_bytes', { ...cpu, model: 'summary', kind: 'ram' }, always(1000)),
    },
  },
  {
    alert: 'ModelDownloadFailing',
    severity: 'warning',
    series: {
      ...downloadFailures(2),
      // Young enough for nobody to miss the model yet.
      ...of('process_start_time_seconds', gpu, always(20 * 60)),
      ...of('model_loaded', { ...gpu, model: 'llama' }, bad(1, 0)),
    },
    pending: 20,
    firing: 30,
    // The third attempt brought it.
    resolved: 62,
    labels: { ...llama, reason: 'no_route' },
    summary: 'llama cannot be downloaded',
    description:
      'Downloading llama for gpu failed 2 times (no_route), and it is still not there. The log of the model-downloader says more.',
    near: {
      ...downloadFailures(1),
      ...of('process_start_time_seconds', gpu, always(20 * 60)),
      ...of('model_loaded', { ...gpu, model: 'llama' }, between(20, 30, [1, 0, 1])),
    },
  },
  {
    alert: 'ModelVolumeFilling',
    severity: 'warning',
    // 1 of 1000 in a minute.
    series: volume('195-1x60 600x60'),
    since: 46,
    firing: 58,
    resolved: 70,
    labels: { ...pod, persistentvolumeclaim: 'x-gpu-1-models' },
    summary: 'A volume of models fills up',
    description:
      'The volume x-gpu-1-models has 13.7% of its room left, and at the rate of the last six hours it will be full within a day.',
    near: volume('149-0.05x120'),
  },
  {
    alert: 'ModelVolumeFilling',
    severity: 'critical',
    series: volume('29x60 500x60', 'x-model-management-models'),
    since: 0,
    firing: 40,
    resolved: 62,
    labels: { persistentvolumeclaim: 'x-model-management-models' },
    summary: 'A volume of models is full',
    description: 'The volume x-model-management-models has 2.9% of its room left: the next download fails.',
    near: volume(always(30), 'x-model-management-models'),
  },
  {
    alert: 'ContainerMemoryHigh',
    severity: 'warning',
    series: memory('ollama', 0.81),
    pending: 22,
    firing: 40,
    resolved: 62,
    labels: { ...pod, container: 'ollama' },
    summary: 'ollama of x-gpu-1 is near its limit of memory',
    description:
      'The container ollama of x-gpu-1 takes 81% of its limit of memory, what the kernel can take back not counted; the bound is ' +
      '80%. At the limit it is killed.',
    near: {
      ...memory('ollama', 0.8),
      ...memory('gateway', 0.85, { pod: gateway.pod }),
      ...memory('ollama', 0.7, { pod: cpu.pod }),
    },
  },
  {
    alert: 'ContainerRestarting',
    severity: 'warning',
    series: restarts('agent', 'init_', 2),
    since: 31,
    firing: 35,
    resolved: 50,
    labels: { ...pod, container: 'agent' },
    summary: 'agent of x-gpu-1 restarts again and again',
    description:
      'The container agent of x-gpu-1 was restarted 2 times in the last 15 minutes; the bound is 1. What it was answering was lost.',
    near: restarts('agent', 'init_', 1),
  },
  {
    alert: 'ContainerOutOfMemory',
    severity: 'warning',
    series: {
      ...restarts('ollama', '', 1),
      ...of(
        'kube_pod_container_status_last_terminated_reason',
        container('ollama', { reason: 'OOMKilled' }),
        always(1),
      ),
    },
    since: 31,
    firing: 35,
    resolved: 50,
    labels: { ...pod, container: 'ollama' },
    summary: 'ollama of x-gpu-1 was killed for want of memory',
    description: 'The container ollama of x-gpu-1 went over its limit of memory in the last 15 minutes and was killed.',
    near: {
      ...restarts('ollama', '', 1),
      ...of('kube_pod_container_status_last_terminated_reason', container('ollama', { reason: 'Error' }), always(1)),
    },
  },
  {
    alert: 'HealthChecksFailing',
    severity: 'warning',
    series: probes('Liveness', 'failed', 1),
    firing: 40,
    resolved: 70,
    labels: { ...pod, container: 'agent', probe_type: 'Liveness' },
    summary: 'agent of x-gpu-1 fails its health checks',
    description:
      '5 Liveness probes of the container agent of x-gpu-1 failed in the last 5 minutes. After six in a row for liveness it is ' +
      'restarted; while readiness fails it gets no requests.',
    near: { ...probes('Readiness', 'failed', 10), ...probes('Readiness', 'successful', 1) },
  },
  {
    alert: 'HealthChecksFailing',
    severity: 'warning',
    series: probes('Readiness', 'failed', 10),
    firing: 40,
    resolved: 70,
    labels: { ...pod, container: 'agent', probe_type: 'Readiness' },
    summary: 'agent of x-gpu-1 fails its health checks',
    description:
      '50 Readiness probes of the container agent of x-gpu-1 failed in the last 5 minutes. After six in a row for liveness it is ' +
      'restarted; while readiness fails it gets no requests.',
    // It may still be loading.
    near: { ...probes('Readiness', 'failed', 10), ...of('process_start_time_seconds', gpu, '0+60x120') },
  },
  {
    alert: 'GpuUtilizationHigh',
    severity: 'warning',
    series: of(
      'DCGM_FI_DEV_GPU_UTIL',
      { namespace: 'gpu-operator', pod: 'dcgm', exported_namespace: 'ns', exported_pod: 'x-gpu-1', gpu: '0' },
      bad(10, 91),
    ),
    pending: 30,
    firing: 40,
    resolved: 70,
    labels: { ...pod, gpu: '0' },
    summary: 'A GPU of gpu is at its limit',
    description: 'GPU 0 of x-gpu-1 has been used to 91 % for a quarter of an hour; the bound is 90 %.',
    near: of('DCGM_FI_DEV_GPU_UTIL', { namespace: 'ns', pod: 'x-gpu-1', gpu: '0' }, always(90)),
  },
];
