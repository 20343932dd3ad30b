import { backupRecords } from './backups.ts';
import { nodes } from './nodes.ts';
import { objectives } from './objectives.ts';
import {
  agents,
  by,
  byServerKey,
  gateway,
  growth,
  inNamespace,
  marks,
  max,
  ofOurPods,
  on,
  ours,
  requests,
  sum,
} from './promql.ts';
import type { RecordingRule, RuleGroup } from './rules.ts';
import { scaling } from './scaling.ts';

/** Quantiles by a histogram of the gateway. Without any traffic there is none. */
function quantiles(record: string, histogram: string, what: string): RecordingRule[] {
  return ['0.5', '0.95', '0.99'].map((quantile) => ({
    record,
    labels: { quantile },
    expr: `histogram_quantile(${quantile}, ${sum(['model', 'le'], `rate(${requests(`${histogram}_bucket`)}[5m])`)}) >= 0`,
    what: `${what}, quantiles 0.5, 0.95 and 0.99, s`,
    by: ['model', 'quantile'],
  }));
}

const pods: RuleGroup<RecordingRule> = {
  name: 'model-management-pods',
  rules: [
    {
      record: 'pod:server:info',
      expr: `group ${by('component', 'server', 'pod')} (${ours('up')})`,
      what: 'Each pod that is scraped, or would be if it answered, and the server that it is of; 1',
      by: ['component', 'server', 'pod'],
    },
    {
      record: 'server:pods:count',
      expr: `count ${by('server')} (${ours('pod:server:info', 'component="server"')})`,
      what: 'Pods that there are, ready or not',
      by: ['server'],
    },
    {
      record: 'server:replicas_known:max',
      expr: max(['server'], byServerKey(gateway('server_replicas', 'state="known"'))),
      what: 'Replicas that a gateway knows, which are those that are ready',
      by: ['server'],
    },
    {
      record: 'server:replicas_ejected:max',
      expr: max(['server'], byServerKey(gateway('server_replicas', 'state="ejected"'))),
      what: 'Replicas of these that a gateway sends nothing to, because they failed',
      by: ['server'],
    },
    {
      record: 'server:replicas_available:max',
      expr: max(
        ['server'],
        byServerKey(
          `${gateway('server_replicas', 'state="known"')} - ignoring (state) ${gateway('server_replicas', 'state="ejected"')}`,
        ),
      ),
      what: 'Replicas that a gateway sends requests to',
      by: ['server'],
    },
    {
      record: 'pod:settled:info',
      // The agent is there before the download.
      expr:
        `time() - ${agents('process_start_time_seconds')} > ${on('server')} group_left () ` +
        `(${ours('server:download_budget:seconds')} + ${ours('server:load_budget:seconds')})` +
        ` or time() - ${gateway('process_start_time_seconds')} > 60`,
      what: 'Pods that have had the time to download and load their models; seconds since their start',
      by: ['component', 'server', 'pod'],
    },
  ],
};

const traffic: RuleGroup<RecordingRule> = {
  name: 'model-management-requests',
  rules: [
    {
      record: 'model_status:requests:rate5m',
      expr: sum(['model', 'status'], `rate(${requests('model_request_total')}[5m])`),
      what: 'Requests that ended, by class of status (2xx, 4xx, 5xx), 1/s',
      by: ['model', 'status'],
    },
    {
      record: 'model:requests:rate5m',
      expr: sum(['model'], ours('model_status:requests:rate5m')),
      what: 'Requests that ended, 1/s',
      by: ['model'],
    },
    {
      record: 'model:errors:ratio_rate5m',
      expr:
        `(${sum(['model'], ours('model_status:requests:rate5m', 'status="5xx"'))} or 0 * ${ours('model:requests:rate5m')})` +
        ` / (${ours('model:requests:rate5m')} > 0)`,
      what: 'Part of the requests that ended with a fault of ours (5xx), 0 to 1',
      by: ['model'],
    },
    {
      record: 'model_reason:rejections:rate5m',
      expr: sum(['model', 'reason'], `rate(${requests('model_requests_rejected_total')}[5m])`),
      what: 'Requests that no replica got, by reason, 1/s',
      by: ['model', 'reason'],
    },
    {
      record: 'model:rejections:ratio_increase5m',
      expr:
        `${sum(['model'], growth(requests('model_requests_rejected_total', 'reason=~"queue_full|queue_timeout|no_replica"'), '5m'))}` +
        ` / (${sum(['model'], growth(requests('model_request_total'), '5m'))} > 0)`,
      what: 'Part of the requests that were turned away for want of room, 0 to 1; above 1 where fallbacks answered',
      by: ['model'],
    },
    ...quantiles('model_quantile:request_seconds:rate5m', 'model_request_duration_seconds', 'Time of a whole answer'),
    ...quantiles(
      'model_quantile:first_token_seconds:rate5m',
      'model_time_to_first_token_seconds',
      'Time to the first token, waiting included',
    ),
    ...quantiles('model_quantile:queue_wait_seconds:rate5m', 'model_queue_wait_seconds', 'Wait for a place'),
    ...quantiles('model_quantile:inter_token_seconds:rate5m', 'model_inter_token_seconds', 'Time between two tokens'),
    {
      record: 'model_direction:tokens:rate5m',
      expr: sum(['model', 'direction'], `rate(${requests('model_tokens_total')}[5m])`),
      what: 'Tokens read (in) and written (out), 1/s',
      by: ['model', 'direction'],
    },
  ],
};

const demand: RuleGroup<RecordingRule> = {
  name: 'model-management-demand',
  rules: [
    {
      record: 'model:queue_depth:sum',
      expr: sum(['model'], requests('queue_depth')),
      what: 'Requests that wait, for a place, a load or a first replica',
      by: ['model'],
    },
    {
      record: 'server:queue_depth:sum',
      expr: `sum ${by('server')} (${ours('model:queue_depth:sum')} * ${on('model')} group_left (server) ${ours('model:server:info')})`,
      what: 'The same, for all models of a server',
      by: ['server'],
    },
    {
      record: 'model:requests_present:sum',
      expr: sum(['model'], requests('', '__name__=~"model_requests_in_flight|queue_depth"')),
      what: 'Requests that are there at this moment, waiting or being answered',
      by: ['model'],
    },
    {
      record: 'model:concurrency:rate5m',
      // Little's law: arrivals a second × seconds that each stays = how many are there on average.
      expr: sum(['model'], `rate(${requests('model_request_duration_seconds_sum')}[5m])`),
      what: 'Requests that were there at a time on average, by those that ended (Little)',
      by: ['model'],
    },
    {
      record: 'model:demand:requests',
      expr: max(['model'], ours('', '__name__=~"model:concurrency:rate5m|model:requests_present:sum"')),
      what: 'Places that are needed: the average by Little or what is there now, whichever is more',
      by: ['model'],
    },
    {
      record: 'model:saturation:ratio',
      expr:
        `(${ours('model:requests_present:sum')} * ${on('model')} group_left (server) ${ours('model:server:info')})` +
        ` / ${on('server')} group_left () (${ours('server:parallel:requests')} * ${on('server')} clamp_min(${ours('server:replicas_available:max')}, 1))`,
      what: 'Requests that are there, by those that its replicas answer at a time; 1 is full, more waits',
      by: ['model', 'server'],
    },
    {
      record: 'server:saturation:ratio',
      expr: max(['server'], ours('model:saturation:ratio')),
      what: 'The same, of the busiest model of a server',
      by: ['server'],
    },
    {
      record: 'server:available:timestamp_seconds',
      expr: availableAt(),
      what:
        'When a server could last answer, Unix time; one that never could gets the time of its download ahead, and one that ' +
        'may have no pods counts as available while nobody asks',
      by: ['server'],
    },
  ],
};

/**
 * Now where there is a replica, or nobody asks a server that may have none, or no gateway tells; else what it was. It looks
 * at its own last value: without kube-state-metrics nothing else tells how old a pod is.
 */
function availableAt(): string {
  const now = (servers: string) => `(time() + 0 * (${servers}))`;
  return [
    now(`${ours('server:replicas_available:max')} > 0`),
    now(`(${ours('server:replicas:min')} == 0) unless ${on('server')} (${ours('server:queue_depth:sum')} > 0)`),
    now(`${ours('server:replicas:max')} unless ${on()} (${gateway('up')} == 1)`),
    `(last_over_time(${ours('server:available:timestamp_seconds')}[1h]) and ${on('server')} ${ours('server:replicas:max')})`,
    `(time() + ${ours('server:download_budget:seconds')})`,
  ].join(' or ');
}

const cached = `${inNamespace('container_memory_total_active_file_bytes', 'container!=""')}`;

const memory: RuleGroup<RecordingRule> = {
  name: 'model-management-memory',
  rules: [
    {
      record: 'container:memory_share:ratio',
      // The pages of files, weights among them, are given back by the kernel when memory runs short.
      expr: ofOurPods(
        `max by (namespace, pod, container) (${inNamespace('container_memory_working_set_bytes', 'container!=""')}` +
          ` - on (namespace, pod, container, id) (${cached} or 0 * ${inNamespace('container_memory_working_set_bytes', 'container!=""')}))` +
          ` / max by (namespace, pod, container) (${inNamespace('container_spec_memory_limit_bytes', 'container!=""')} > 0)`,
      ),
      what: 'Memory of a container by its limit, without what the kernel can take back, 0 to 1',
      by: ['component', 'server', 'pod', 'container'],
      needs: ['kubelet'],
    },
    {
      record: 'model_kind:memory_bytes:sum',
      expr: sum(['server', 'model', 'kind'], agents('model_memory_usage_bytes')),
      what: 'Memory of a loaded model in all pods, by kind (ram, vram), bytes',
      by: ['server', 'model', 'kind'],
    },
    {
      record: 'pod:vram_share:ratio',
      expr:
        `${sum(['server', 'pod'], agents('model_memory_usage_bytes', 'kind="vram"'))}` +
        ` / ${on('server')} group_left () ${ours('server:gpu_memory:bytes')}`,
      what: "Memory of a pod's GPUs that its models take, 0 to 1",
      by: ['server', 'pod'],
    },
    {
      record: 'pod_model:outside_gpu:ratio',
      expr:
        `${sum(['server', 'pod', 'model'], agents('model_memory_usage_bytes', 'kind="ram"'))}` +
        ` / (${sum(['server', 'pod', 'model'], agents('model_memory_usage_bytes'))} > 0)` +
        ` and ${on('server')} ${ours('server:gpus:count')}`,
      what: 'Part of a model that runs on the CPU of a server with GPUs, 0 to 1',
      by: ['server', 'pod', 'model'],
    },
    {
      record: 'gpu_utilization_percent',
      // The exporter's own namespace and pod take the names of those that it tells of unless it is scraped with honor_labels.
      expr: ofOurPods(
        `max by (namespace, pod, gpu) (${inNamespace('DCGM_FI_DEV_GPU_UTIL')} or label_replace(label_replace(` +
          `DCGM_FI_DEV_GPU_UTIL{exported_namespace="${marks.namespace}"}, "pod", "$1", "exported_pod", "(.+)"), ` +
          '"namespace", "$1", "exported_namespace", "(.+)"))',
      ),
      what: 'Use of each GPU of our pods, %',
      by: ['component', 'server', 'pod', 'gpu'],
      needs: ['dcgm-exporter'],
    },
    {
      record: 'volume:models_free:ratio',
      expr: modelVolumes(),
      what: 'Room left on the volume of the models, 0 to 1',
      by: ['component', 'server', 'pod', 'persistentvolumeclaim'],
      needs: ['kubelet'],
    },
  ],
};

/** A claim of a pod's own is named after it; the shared one is of no pod. */
function modelVolumes(): string {
  const of = (metric: string, matcher: string) =>
    `max by (namespace, persistentvolumeclaim) (${inNamespace(metric, matcher)})`;
  const free = (matcher: string) =>
    `${of('kubelet_volume_stats_available_bytes', matcher)} / ${of('kubelet_volume_stats_capacity_bytes', matcher)}`;
  const own = free('persistentvolumeclaim=~".+-models"');
  const shared = free(`persistentvolumeclaim="${marks.claim}"`);
  return (
    `${ofOurPods(`label_replace(${own}, "pod", "$1", "persistentvolumeclaim", "(.+)-models")`)}` +
    ` or label_replace(${shared}, "release", "${marks.release}", "", "")`
  );
}

const loads: RuleGroup<RecordingRule> = {
  name: 'model-management-loads',
  rules: [
    {
      record: 'model_result:loads:increase15m',
      expr: sum(['server', 'model', 'result'], growth(agents('model_loads_total'), '15m')),
      what: 'Loads in a quarter of an hour, by result (success, failure)',
      by: ['server', 'model', 'result'],
    },
    {
      record: 'model:load_seconds:avg1h',
      expr:
        `${sum(['server', 'model'], growth(agents('model_load_duration_seconds_sum', 'result="success"'), '1h'))}` +
        ` / (${sum(['server', 'model'], growth(agents('model_load_duration_seconds_count', 'result="success"'), '1h'))} > 0)`,
      what: 'Time of a load that succeeded, on average of an hour, s',
      by: ['server', 'model'],
    },
  ],
};

/** OpenCost's own sum: what a pod has of each resource × what its node asks for that in an hour. */
const openCost = [
  `${inNamespace('container_cpu_allocation')} * on (node) group_left () max by (node) (node_cpu_hourly_cost)`,
  `label_replace(${inNamespace('container_memory_allocation_bytes')} / 1024 ^ 3 * on (node) group_left () max by (node) (node_ram_hourly_cost), "of", "memory", "", "")`,
  `label_replace(${inNamespace('container_gpu_allocation')} * on (node) group_left () max by (node) (node_gpu_hourly_cost), "of", "gpu", "", "")`,
].join(' or ');

const cost: RuleGroup<RecordingRule> = {
  name: 'model-management-cost',
  rules: [
    {
      record: 'server:cost_listed:dollars_per_hour',
      expr: `${ours('server:pods:count')} * ${on('server')} ${ours('server:pod_cost:dollars_per_hour')}`,
      what: 'Cost of the pods that there are, by servers.NAME.costPerHour, US$/h',
      by: ['server'],
    },
    {
      record: 'server:cost_metered:dollars_per_hour',
      expr: `sum ${by('server')} (${ofOurPods(`sum by (namespace, pod) (${openCost})`)})`,
      what: 'The same, by OpenCost where it runs, US$/h',
      by: ['server'],
      needs: ['opencost'],
    },
    {
      record: 'server:cost:dollars_per_hour',
      expr:
        `${ours('server:cost_metered:dollars_per_hour', 'server!=""')}` +
        ` or ${on('server')} ${ours('server:cost_listed:dollars_per_hour')}`,
      what: 'Cost of a server: metered where it is, else listed, US$/h',
      by: ['server'],
    },
    {
      record: 'release:cost:dollars_per_hour',
      expr: `sum ${by()} (${ours('server:cost:dollars_per_hour')})`,
      what: 'Cost of all servers, US$/h',
      by: [],
    },
    {
      record: 'server:tokens:rate1h',
      expr: `sum ${by('server')} (rate(${requests('model_tokens_total')}[1h]) * ${on('model')} group_left (server) ${ours('model:server:info')})`,
      what: 'Tokens read and written by all models of a server, on average of an hour, 1/s',
      by: ['server'],
    },
    {
      record: 'server:cost_per_million_tokens:dollars',
      expr: `${ours('server:cost:dollars_per_hour')} / ${on('server')} (${ours('server:tokens:rate1h')} > 0) / 3600 * 1e6`,
      what: 'Cost of a million tokens at the rate of the last hour, US$',
      by: ['server'],
    },
  ],
};

/** All recording rules, in groups that Prometheus evaluates each in one go: what others build on comes first. */
export const recording: readonly RuleGroup<RecordingRule>[] = [
  pods,
  nodes,
  traffic,
  demand,
  scaling,
  memory,
  loads,
  objectives,
  cost,
  backupRecords,
];
