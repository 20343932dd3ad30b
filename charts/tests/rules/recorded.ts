import { type Labels, type Series, scraped, series } from './promtool.ts';
import { always, growing, histogram } from './quiet.ts';

const { gateway, gpu, cpu } = scraped;
const asked = { ...gateway, model: 'llama' };
const request = { ...asked, route: '/api/chat' };
const other = { ...gateway, pod: 'x-model-management-gateway-2' };

/** A fleet at work, the same all the time: 66 requests a minute for llama, a tenth of them failing. */
export const atWork: Series = {
  ...Object.fromEntries(
    [gateway, other, gpu, { ...gpu, pod: 'x-gpu-2' }, cpu].map((pod) => [series('up', pod), always(1)]),
  ),
  // Of another release in the same namespace.
  [series('up', { ...gpu, release: 'other', pod: 'x-other-1' })]: always(1),
  ...Object.fromEntries([gateway, gpu].map((pod) => [series('process_start_time_seconds', pod), always(0)])),
  [series('server_replicas', { ...gateway, server: 'x-gpu', state: 'known' })]: always(2),
  [series('server_replicas', { ...gateway, server: 'x-gpu', state: 'ejected' })]: always(1),
  [series('server_replicas', { ...other, server: 'x-gpu', state: 'known' })]: always(1),
  [series('server_replicas', { ...other, server: 'x-gpu', state: 'ejected' })]: always(0),
  [series('server_scheduled_replicas', { ...gateway, server: 'x-gpu' })]: always(2),
  [series('backup_last_success_timestamp_seconds', gateway)]: always(-86_400),
  [series('backup_last_success_timestamp_seconds', other)]: always(0),
  [series('backup_repository_bytes', gateway)]: always(4000),
  [series('backup_repository_bytes', other)]: always(5000),
  [series('model_request_total', { ...request, status: '2xx' })]: growing(60),
  [series('model_request_total', { ...request, status: '5xx' })]: growing(6),
  [series('model_request_total', { ...gateway, model: 'unknown', route: '/api/chat', status: '4xx' })]: growing(600),
  [series('model_requests_rejected_total', { ...asked, reason: 'queue_full' })]: growing(12),
  [series('model_requests_rejected_total', { ...asked, reason: 'key_limit' })]: growing(60),
  [series('model_request_fallbacks_total', { ...asked, answered_by: 'summary' })]: growing(6),
  ...histogram('model_request_duration_seconds', { ...request, status: '2xx' }, { '2.5': 0, '5': 60, '+Inf': 60 }, 240),
  ...histogram('model_time_to_first_token_seconds', asked, { '2.5': 0, '5.0': 54, '10.0': 60, '+Inf': 60 }, 200),
  ...histogram('model_queue_wait_seconds', { ...asked, priority: 'batch' }, { '10': 0, '20': 60, '+Inf': 60 }, 900),
  ...histogram('model_inter_token_seconds', asked, { '0.02': 0, '0.04': 60, '+Inf': 60 }, 2),
  [series('model_tokens_total', { ...asked, direction: 'in' })]: growing(6000),
  [series('model_tokens_total', { ...asked, direction: 'out' })]: growing(1200),
  [series('model_requests_in_flight', asked)]: always(2),
  [series('model_requests_in_flight', { ...other, model: 'llama' })]: always(1),
  [series('queue_depth', { ...asked, priority: 'batch' })]: always(3),
  [series('queue_depth', { ...asked, priority: 'interactive' })]: always(0),
  [series('model_memory_usage_bytes', { ...gpu, model: 'llama', kind: 'ram' })]: always(200 * 2 ** 20),
  [series('model_memory_usage_bytes', { ...gpu, model: 'llama', kind: 'vram' })]: always(600 * 2 ** 20),
  [series('model_memory_usage_bytes', { ...cpu, model: 'summary', kind: 'ram' })]: always(2 ** 20),
  [series('model_memory_usage_bytes', { ...cpu, model: 'summary', kind: 'vram' })]: always(0),
  [series('model_loads_total', { ...gpu, model: 'llama', result: 'success' })]: growing(1),
  [series('model_load_duration_seconds_count', { ...gpu, model: 'llama', result: 'success' })]: growing(1),
  [series('model_load_duration_seconds_sum', { ...gpu, model: 'llama', result: 'success' })]: growing(30),
  ...usage('x-gpu-1', 'ollama', { working: 900, active: 200, limit: 1000 }),
  ...usage('x-gpu-2', 'agent', { working: 500, limit: 1000 }),
  ...usage('of-another-release', 'ollama', { working: 500, limit: 1000 }),
  [series('kubelet_volume_stats_available_bytes', { namespace: 'ns', persistentvolumeclaim: 'x-gpu-1-models' })]:
    always(250),
  [series('kubelet_volume_stats_capacity_bytes', { namespace: 'ns', persistentvolumeclaim: 'x-gpu-1-models' })]:
    always(1000),
  [series('kubelet_volume_stats_available_bytes', {
    namespace: 'ns',
    persistentvolumeclaim: 'x-model-management-models',
  })]: always(1),
  [series('kubelet_volume_stats_capacity_bytes', {
    namespace: 'ns',
    persistentvolumeclaim: 'x-model-management-models',
  })]: always(4),
  [series('DCGM_FI_DEV_GPU_UTIL', { namespace: 'ns', pod: 'x-gpu-1', gpu: '0', device: 'nvidia0' })]: always(70),
  [series('DCGM_FI_DEV_GPU_UTIL', {
    namespace: 'op',
    pod: 'dcgm',
    exported_namespace: 'ns',
    exported_pod: 'x-gpu-2',
    gpu: '1',
  })]: always(30),
  ...metered('x-gpu-1', { cpu: 4, memoryGiB: 10, gpu: 1 }),
  ...onNode('x-gpu-1', 'n1', { cpu: 2, memory: 6000 }),
  ...onNode('x-gpu-2', 'n2', { cpu: 1, memory: 2000 }),
  ...onNode('of-another-release', 'n2', { cpu: 1, memory: 2000 }),
  // It asks for nothing any more.
  ...onNode('done', 'n2', { cpu: 2, memory: 1000 }, 'Succeeded'),
  // None of ours is there.
  ...onNode('elsewhere', 'n3', { cpu: 4, memory: 8000 }),
  ...Object.fromEntries(
    ['n1', 'n2', 'n3'].flatMap((node) => [
      [series('kube_node_status_allocatable', { node, resource: 'cpu', unit: 'core' }), always(4)],
      [series('kube_node_status_allocatable', { node, resource: 'memory', unit: 'byte' }), always(8000)],
    ]),
  ),
  [series('kube_node_labels', { node: 'n1', label_karpenter_sh_capacity_type: 'on-demand' })]: always(1),
  [series('kube_node_labels', { node: 'n2', label_eks_amazonaws_com_capacity_type: 'SPOT' })]: always(1),
};

/** What kube-state-metrics tells of a pod whose only container that asks for something is an Ollama, and of the agent beside it. */
function onNode(pod: string, node: string, asks: { cpu: number; memory: number }, phase = 'Running'): Series {
  const of = { namespace: 'ns', pod, node };
  return {
    [series('kube_pod_info', of)]: always(1),
    [series('kube_pod_created', { namespace: 'ns', pod })]: always(20),
    [series('kube_pod_status_ready_time', { namespace: 'ns', pod })]: always(60),
    [series('kube_pod_status_phase', { namespace: 'ns', pod, phase })]: always(1),
    [series('kube_pod_status_phase', { namespace: 'ns', pod, phase: 'Failed' })]: always(0),
    [series('kube_pod_container_resource_requests', { ...of, container: 'ollama', resource: 'cpu', unit: 'core' })]:
      always(asks.cpu),
    [series('kube_pod_container_resource_requests', { ...of, container: 'ollama', resource: 'memory', unit: 'byte' })]:
      always(asks.memory),
    [series('kube_pod_init_container_resource_requests', { ...of, container: 'agent', resource: 'cpu', unit: 'core' })]:
      always(0.1),
  };
}

function usage(pod: string, container: string, bytes: { working: number; active?: number; limit: number }): Series {
  const labels = { namespace: 'ns', pod, container, id: `/${pod}` };
  return {
    [series('container_memory_working_set_bytes', labels)]: always(bytes.working),
    ...(bytes.active && { [series('container_memory_total_active_file_bytes', labels)]: always(bytes.active) }),
    [series('container_spec_memory_limit_bytes', labels)]: always(bytes.limit),
  };
}

/** What OpenCost tells of a pod, on a node of 0.1 US$ for a core, 0.01 for a GiB and 0.5 for a GPU. */
function metered(pod: string, of: { cpu: number; memoryGiB: number; gpu: number }): Series {
  const labels = { namespace: 'ns', pod, container: 'ollama', node: 'n1' };
  return {
    [series('container_cpu_allocation', labels)]: always(of.cpu),
    [series('container_memory_allocation_bytes', labels)]: always(of.memoryGiB * 2 ** 30),
    [series('container_gpu_allocation', labels)]: always(of.gpu),
    [series('node_cpu_hourly_cost', { node: 'n1' })]: always(0.1),
    [series('node_ram_hourly_cost', { node: 'n1' })]: always(0.01),
    [series('node_gpu_hourly_cost', { node: 'n1' })]: always(0.5),
  };
}

const model = { namespace: 'ns', release: 'rel', model: 'llama' };
const server = (key: string) => ({ namespace: 'ns', release: 'rel', server: key });
const ofGpu = { ...server('gpu'), component: 'server', pod: 'x-gpu-1' };
const two = { ...ofGpu, pod: 'x-gpu-2' };
const both = (gpu: number, cpu: number): [Labels, number][] => [
  [server('gpu'), gpu],
  [server('cpu'), cpu],
];
const quantiles = (...values: number[]): [Labels, number][] =>
  values.map((value, index) => [{ ...model, quantile: ['0.5', '0.95', '0.99'][index]! }, value]);

/** What each rule makes of it after an hour, to three decimals; of other models and servers only what is said here. */
export const recorded: Record<string, [Labels, number][]> = {
  'pod:server:info': [
    [gateway, 1],
    [other, 1],
    [ofGpu, 1],
    [two, 1],
    [cpu, 1],
  ],
  'server:pods:count': [
    [server('gpu'), 2],
    [server('cpu'), 1],
  ],
  'server:replicas_known:max': [[server('gpu'), 2]],
  'server:replicas_ejected:max': [[server('gpu'), 1]],
  'server:replicas_available:max': [[server('gpu'), 1]],
  'pod:settled:info': [
    [gateway, 3600],
    [gpu, 3600],
  ],
  'pod:node:info': [
    [{ ...ofGpu, node: 'n1' }, 1],
    [{ ...two, node: 'n2' }, 1],
  ],
  'pod:start:seconds': [
    [ofGpu, 40],
    [two, 40],
  ],
  'node:requested:ratio': [
    [{ namespace: 'ns', release: 'rel', node: 'n1', resource: 'cpu' }, 0.525],
    [{ namespace: 'ns', release: 'rel', node: 'n1', resource: 'memory' }, 0.75],
    [{ namespace: 'ns', release: 'rel', node: 'n2', resource: 'cpu' }, 0.55],
    [{ namespace: 'ns', release: 'rel', node: 'n2', resource: 'memory' }, 0.5],
  ],
  'server:pods_on_spot:ratio': [[server('gpu'), 0.5]],
  'model_status:requests:rate5m': [
    [{ ...model, status: '2xx' }, 1],
    [{ ...model, status: '5xx' }, 0.1],
  ],
  'model:requests:rate5m': [[model, 1.1]],
  'model:errors:ratio_rate5m': [[model, 0.091]],
  'model_reason:rejections:rate5m': [
    [{ ...model, reason: 'queue_full' }, 0.2],
    [{ ...model, reason: 'key_limit' }, 1],
  ],
  'model:rejections:ratio_increase5m': [[model, 0.182]],
  'model_quantile:request_seconds:rate5m': quantiles(3.75, 4.875, 4.975),
  'model_quantile:first_token_seconds:rate5m': quantiles(3.889, 7.5, 9.5),
  'model_quantile:queue_wait_seconds:rate5m': quantiles(15, 19.5, 19.9),
  'model_quantile:inter_token_seconds:rate5m': quantiles(0.03, 0.039, 0.04),
  'model_direction:tokens:rate5m': [
    [{ ...model, direction: 'in' }, 100],
    [{ ...model, direction: 'out' }, 20],
  ],
  'model:queue_depth:sum': [[model, 3]],
  'server:queue_depth:sum': [[server('gpu'), 3]],
  'model:requests_present:sum': [[model, 6]],
  'model:concurrency:rate5m': [[model, 4]],
  'model:demand:requests': [[model, 6]],
  'model:saturation:ratio': [[{ ...model, server: 'gpu' }, 3]],
  'server:saturation:ratio': [[server('gpu'), 3]],
  'server:demand:replicas': both(3, 0),
  'server:load:replicas': both(4.286, 0),
  'server:schedule:replicas': [[server('gpu'), 2]],
  'server:forecast:replicas': both(0, 0),
  'server:available:timestamp_seconds': [
    [server('gpu'), 3600],
    [server('cpu'), 3600],
  ],
  'container:memory_share:ratio': [
    [{ ...ofGpu, container: 'ollama' }, 0.7],
    [{ ...two, container: 'agent' }, 0.5],
  ],
  'model_kind:memory_bytes:sum': [
    [{ ...model, server: 'gpu', kind: 'ram' }, 200 * 2 ** 20],
    [{ ...model, server: 'gpu', kind: 'vram' }, 600 * 2 ** 20],
    [{ ...model, model: 'summary', server: 'cpu', kind: 'ram' }, 2 ** 20],
    [{ ...model, model: 'summary', server: 'cpu', kind: 'vram' }, 0],
  ],
  'pod:vram_share:ratio': [[{ ...server('gpu'), pod: 'x-gpu-1' }, 0.6]],
  'pod_model:outside_gpu:ratio': [[{ ...model, server: 'gpu', pod: 'x-gpu-1' }, 0.25]],
  gpu_utilization_percent: [
    [{ ...ofGpu, gpu: '0' }, 70],
    [{ ...two, gpu: '1' }, 30],
  ],
  'volume:models_free:ratio': [
    [{ ...ofGpu, persistentvolumeclaim: 'x-gpu-1-models' }, 0.25],
    [{ namespace: 'ns', release: 'rel', persistentvolumeclaim: 'x-model-management-models' }, 0.25],
  ],
  'model_result:loads:increase15m': [[{ ...model, server: 'gpu', result: 'success' }, 15]],
  'model:load_seconds:avg1h': [[{ ...model, server: 'gpu' }, 30]],
  'model:slo_bad:rate5m': [
    // 6 that failed, and 12 that were turned away, of which another model answered 6.
    [{ ...model, slo: 'available' }, 0.2],
    [{ ...model, slo: 'first_token' }, 0.1],
  ],
  'model:slo_total:rate5m': [
    [{ ...model, slo: 'available' }, 1.2],
    [{ ...model, slo: 'first_token' }, 1],
  ],
  ...Object.fromEntries(
    ['5m', '30m', '1h', '2h', '6h', '1d', '3d'].map((window) => [
      `model:slo_burn:ratio_rate${window}`,
      [
        // A sixth, where a thousandth may fail; a tenth, where a twentieth may be late.
        [{ ...model, slo: 'available' }, 166.667],
        [{ ...model, slo: 'first_token' }, 2],
      ] as [Labels, number][],
    ]),
  ),
  'server:cost_listed:dollars_per_hour': [[server('gpu'), 3]],
  'server:cost_metered:dollars_per_hour': [[server('gpu'), 1]],
  'server:cost:dollars_per_hour': [[server('gpu'), 1]],
  // An hour after the last, which the first of two gateways has not heard of yet.
  'release:backup_age:seconds': [[{ namespace: 'ns', release: 'rel' }, 3600]],
  'release:backup_repository:bytes': [[{ namespace: 'ns', release: 'rel' }, 5000]],
  'release:cost:dollars_per_hour': [[{ namespace: 'ns', release: 'rel' }, 1]],
  'server:tokens:rate1h': [[server('gpu'), 120]],
  'server:cost_per_million_tokens:dollars': [[server('gpu'), 2.315]],
};

/** Rules that speak of every model or server, whether anything is known of it: what is zero is left out above. */
export const zeroes = /^model:slo_(bad|total):/;

const all = (llama: number, summary: number, third: number, labels: Labels = {}): [Labels, number][] => [
  [{ ...model, ...labels }, llama],
  [{ ...model, model: 'summary', ...labels }, summary],
  [{ ...model, model: 'v1.5', ...labels }, third],
];

/** The constants that the chart makes of the values. */
export const constant: Record<string, [Labels, number][]> = {
  'model:server:info': [
    [{ ...model, server: 'gpu', priority: 'interactive' }, 1],
    [{ ...model, model: 'summary', server: 'cpu', priority: 'batch' }, 1],
    [{ ...model, model: 'v1.5', server: 'cpu', priority: 'standard' }, 1],
  ],
  'server:parallel:requests': both(2, 1),
  'server:replicas:min': both(1, 0),
  'server:replicas:max': both(2, 1),
  'server:replicas:fixed': both(0, 0),
  'server:target_utilization:ratio': both(0.7, 0.7),
  'server:download_budget:seconds': both(600, 600),
  'server:load_budget:seconds': both(120, 120),
  'server:gpus:count': [[server('gpu'), 1]],
  'server:gpu_memory:bytes': [[server('gpu'), 1000 * 2 ** 20]],
  'server:pod_cost:dollars_per_hour': [[server('gpu'), 1.5]],
  'release:backup_age_alert:seconds': [[{ namespace: 'ns', release: 'rel' }, 93_600]],
  'release:planned_cost:dollars_per_hour': [
    [{ namespace: 'ns', release: 'rel', paid: 'on-demand', size: 'minimum' }, 5.1],
    [{ namespace: 'ns', release: 'rel', paid: 'on-demand', size: 'maximum' }, 22],
    [{ namespace: 'ns', release: 'rel', paid: 'spot', size: 'average' }, 6.5],
  ],
  'server:memory_alert:ratio': [...both(0.8, 0.7), [{ namespace: 'ns', release: 'rel' }, 0.85]],
  'server:restarts_alert:count': [...both(1, 1), [{ namespace: 'ns', release: 'rel' }, 1]],
  'server:gpu_alert:percent': [[server('gpu'), 90]],
  'model:queue_wait_alert:seconds': all(10, 30, 30),
  'model:rejected_alert:ratio': all(0.01, 0.01, 0.01),
  'model:slo_objective:ratio': [
    ...all(0.999, 0.99, 0.995, { slo: 'available' }),
    ...all(0.95, 0.9, 0.95, { slo: 'first_token' }),
  ],
  'model:first_token_objective:info': [
    [{ ...model, le: '5' }, 1],
    [{ ...model, le: '5.0' }, 1],
    [{ ...model, model: 'summary', le: '160' }, 1],
    [{ ...model, model: 'summary', le: '160.0' }, 1],
    [{ ...model, model: 'v1.5', le: '2.5' }, 1],
  ],
};
