import { backupAlerts } from './backups.ts';
import { burn } from './objectives.ts';
import {
  agents,
  by,
  gateway,
  growth,
  inNamespace,
  marks,
  max,
  ofOurPods,
  on,
  ours,
  sum,
  withServer,
} from './promql.ts';
import type { AlertRule, RuleGroup } from './rules.ts';

/** For descriptions: a value that the chart made a constant of, for the labels of the alert; Prometheus fills it in. */
function constant(record: string, labels: readonly string[], format = ''): string {
  const matchers = ['namespace', 'release', ...labels].map((label) => `${label}='%s'`).join(',');
  const values = ['namespace', 'release', ...labels].map((label) => `$labels.${label}`).join(' ');
  return `{{ with printf "${record}{${matchers}}" ${values} | query }}{{ . | first | value${format} }}{{ end }}`;
}

const seconds = ' | humanizeDuration';
const percent = ' | humanizePercentage';
const model = '{{ $labels.model }}';
const server = '{{ $labels.server }}';
const pod = '{{ $labels.pod }}';
const container = '{{ $labels.container }}';

const requests: RuleGroup<AlertRule> = {
  name: 'model-management-alerts-requests',
  rules: [
    {
      alert: 'ModelQueueWaitHigh',
      severity: 'warning',
      expr: withServer(
        `max ${by('model')} (${ours('model_quantile:queue_wait_seconds:rate5m', 'quantile="0.95"')})` +
          ` > ${on('model')} ${ours('model:queue_wait_alert:seconds')}`,
      ),
      for: '2m',
      summary: `Requests for ${model} wait long for a place`,
      description:
        `One request in twenty for ${model} waited longer than {{ $value${seconds} }} for a place on ${server} in the last 5 ` +
        `minutes; the bound is ${constant('model:queue_wait_alert:seconds', ['model'], seconds)}.`,
    },
    {
      alert: 'ModelRequestsRejected',
      severity: 'warning',
      expr: withServer(
        `${ours('model:rejections:ratio_increase5m')} > ${on('model')} ${ours('model:rejected_alert:ratio')}`,
      ),
      for: '1m',
      summary: `Requests for ${model} are turned away`,
      description:
        `{{ $value${percent} }} of the requests for ${model} found no room on ${server} in the last 5 minutes: its queue was ` +
        `full, they waited too long, or it has no pod. The bound is ${constant('model:rejected_alert:ratio', ['model'], percent)}.`,
    },
    {
      alert: 'ModelErrorBudgetBurnsFast',
      severity: 'critical',
      expr: burning(`(${burn('1h')} > 14.4 and ${burn('5m')} > 14.4) or (${burn('6h')} > 6 and ${burn('30m')} > 6)`),
      for: '2m',
      summary: `${model} fails its clients`,
      description:
        `What may go wrong with ${model} in four weeks ({{ $labels.slo }}, objective ` +
        `${constant('model:slo_objective:ratio', ['model', 'slo'], percent)}) is being used up {{ $value | humanize }} times too ` +
        'fast: more than 2 % of it in an hour, or 5 % in six.',
    },
    {
      alert: 'ModelErrorBudgetBurnsSlowly',
      severity: 'warning',
      expr: burning(`(${burn('1d')} > 3 and ${burn('2h')} > 3) or (${burn('3d')} > 1 and ${burn('6h')} > 1)`),
      for: '15m',
      summary: `${model} will not keep its objective`,
      description:
        `What may go wrong with ${model} in four weeks ({{ $labels.slo }}, objective ` +
        `${constant('model:slo_objective:ratio', ['model', 'slo'], percent)}) is being used up {{ $value | humanize }} times too ` +
        'fast: more than a tenth of it in a day or three.',
    },
  ],
};

/** Of a handful of requests nobody can tell: one of three that fails would page. */
function burning(expr: string): string {
  return withServer(`(${expr}) and avg_over_time(${ours('model:slo_total:rate5m')}[1h]) * 3600 >= 10`);
}

const servers: RuleGroup<AlertRule> = {
  name: 'model-management-alerts-servers',
  rules: [
    {
      alert: 'ModelServerDown',
      severity: 'critical',
      expr: `time() - ${ours('server:available:timestamp_seconds')} > ${on('server')} ${ours('server:load_budget:seconds')}`,
      for: '1m',
      summary: `${server} answers nobody`,
      description:
        `No replica of ${server} has taken requests for {{ $value${seconds} }}, which is longer than a new pod may take to load ` +
        `(${constant('server:load_budget:seconds', ['server'], seconds)}).`,
    },
    {
      alert: 'ModelReplicaEjected',
      severity: 'warning',
      expr: `${ours('server:replicas_ejected:max')} > 0`,
      for: '2m',
      summary: `A replica of ${server} fails`,
      description:
        `{{ $value }} of ${constant('server:replicas_known:max', ['server'])} ready replicas of ${server} get no requests, because ` +
        'they failed to answer; a gateway tries them again and again.',
    },
    {
      alert: 'ModelServerAtMaximum',
      severity: 'warning',
      expr:
        `(${ours('server:replicas_known:max')} >= ${on('server')} ${ours('server:replicas:max')})` +
        ` and ${on('server')} (min_over_time(${ours('server:queue_depth:sum')}[5m]) > 0)` +
        ` and ${on('server')} (avg_over_time(${ours('server:queue_depth:sum')}[5m])` +
        ` > (avg_over_time(${ours('server:queue_depth:sum')}[5m] offset 10m) or 0 * ${ours('server:queue_depth:sum')}))`,
      for: '2m',
      summary: `${server} has all of its pods, and its queue grows`,
      description:
        `${server} has {{ $value }} ready replicas, which is the most that it may have, ` +
        `${constant('server:queue_depth:sum', ['server'])} requests wait, and ten minutes ago there were fewer.`,
    },
    {
      alert: 'AutoscalingMetricsMissing',
      severity: 'warning',
      // An autoscaler is called like the Deployment that it scales, or has KEDA's prefix before that.
      expr:
        `max by (namespace, server) (label_replace(${inNamespace('kube_horizontalpodautoscaler_status_condition', 'condition="ScalingActive"', 'status="false"')}` +
        // At none it rests, unless it is the one who may take it there: KEDA does, or somebody by hand.
        ` unless on (namespace, horizontalpodautoscaler) (${inNamespace('kube_horizontalpodautoscaler_status_current_replicas')} == 0` +
        ` and on (namespace, horizontalpodautoscaler) ${inNamespace('kube_horizontalpodautoscaler_spec_min_replicas')} > 0),` +
        ` "server", "$1", "horizontalpodautoscaler", "(?:keda-hpa-)?${marks.prefix}(.+)"))` +
        ` * on (namespace, server) group_left (release) ${ours('server:replicas:max')} > 0` +
        // As long as none of its pods is ready there is no CPU to go by: that is the pods' trouble.
        ` unless ${on('server')} (${ours('server:pods:count')} unless ${on('server')} ${ours('server:replicas_available:max')} > 0)`,
      for: '5m',
      summary: `${server} is not scaled`,
      description:
        `The autoscaler of ${server} gets no metrics that it could go by, and keeps the pods that there are ` +
        `(${constant('server:pods:count', ['server'])}), whatever is asked of them.`,
      needs: ['kube-state-metrics'],
    },
    {
      alert: 'ModelServerMetricsMissing',
      severity: 'warning',
      expr:
        `(${ours('server:replicas_known:max')} - ${on('server')} (count ${by('server')} (${agents('up')} == 1)` +
        ` or 0 * ${ours('server:replicas_known:max')})) > 0`,
      for: '10m',
      summary: `Some pods of ${server} are not scraped`,
      description: `{{ $value }} of the ready replicas of ${server} give no metrics: what is said of its memory and its loads is not whole.`,
    },
    {
      alert: 'GatewayMetricsMissing',
      severity: 'critical',
      // Not `absent`, which would tell neither namespace nor release of what is compared.
      expr: `group ${by()} (${ours('model:server:info')}) unless ${on()} (${gateway('up')} == 1)`,
      for: '5m',
      summary: 'No gateway is scraped',
      description:
        'Prometheus has had no metrics of any gateway of {{ $labels.release }} in {{ $labels.namespace }} for 5 minutes: it is ' +
        'down, or not found. Nobody would notice anything else that goes wrong.',
    },
    {
      alert: 'GatewayCertificateExpiring',
      severity: 'warning',
      expr: certificateDays(14),
      for: '10m',
      summary: 'The certificate of the gateway was not renewed',
      description:
        'The certificate {{ $labels.name }} in {{ $labels.namespace }} ends in {{ $value | printf "%.0f" }} days, and cert-manager ' +
        'should have renewed it.',
      needs: ['cert-manager'],
    },
    {
      alert: 'GatewayCertificateExpiring',
      severity: 'critical',
      expr: certificateDays(3),
      for: '10m',
      summary: 'The certificate of the gateway ends',
      description:
        'The certificate {{ $labels.name }} in {{ $labels.namespace }} ends in {{ $value | printf "%.0f" }} days: from then on no ' +
        'client gets through.',
      needs: ['cert-manager'],
    },
  ],
};

/** cert-manager's own namespace takes the name of that of the certificate unless it is scraped with honor_labels. */
function certificateDays(days: number): string {
  const metric = (namespace: string) =>
    `certmanager_certificate_expiration_timestamp_seconds{${namespace}="${marks.namespace}",name="${marks.certificate}"}`;
  const ends = `min by (name) (${metric('namespace')} or ${metric('exported_namespace')})`;
  const labelled = `label_replace(label_replace(${ends}, "namespace", "${marks.namespace}", "", ""), "release", "${marks.release}", "", "")`;
  return `(${labelled} - time()) / 86400 < ${days}`;
}

const loads: RuleGroup<AlertRule> = {
  name: 'model-management-alerts-loads',
  rules: [
    {
      alert: 'ModelLoadFailing',
      severity: 'warning',
      expr: `${sum(['server', 'model'], ours('model_result:loads:increase15m', 'result="failure"'))} > 0`,
      for: '1m',
      summary: `${model} cannot be loaded`,
      description:
        `Loading ${model} on ${server} failed {{ $value | humanize }} times in the last 15 minutes: by an error of Ollama, or because ` +
        `it took longer than ${constant('server:load_budget:seconds', ['server'], seconds)}.`,
    },
    {
      alert: 'ModelLoadSlow',
      severity: 'warning',
      // A budget is twice what the slowest class of disks takes, and a minute.
      expr: `${ours('model:load_seconds:avg1h')} > ${on('server')} group_left () (0.75 * ${ours('server:load_budget:seconds')})`,
      for: '1m',
      summary: `${model} loads slowly`,
      description:
        `Loading ${model} on ${server} took {{ $value${seconds} }} on average of the last hour, which is near to its budget of ` +
        `${constant('server:load_budget:seconds', ['server'], seconds)}: over that it fails.`,
    },
    {
      alert: 'ModelNotLoaded',
      severity: 'warning',
      expr: `(${agents('model_loaded')} == 0) and on (namespace, pod) ${ours('pod:settled:info')}`,
      for: '2m',
      summary: `${model} is still not loaded in a pod`,
      description:
        `${model} has not been loaded in ${pod}, whose agent has been there for longer than the models of ${server} may take to ` +
        `download (${constant('server:download_budget:seconds', ['server'], seconds)}) and to load ` +
        `(${constant('server:load_budget:seconds', ['server'], seconds)}): the pod serves nobody.`,
    },
    {
      alert: 'ModelOutsideGpu',
      severity: 'warning',
      expr: `${ours('pod_model:outside_gpu:ratio')} > 0.01`,
      for: '5m',
      summary: `${model} does not fit into its GPU`,
      description: `{{ $value${percent} }} of ${model} in ${pod} run on the CPU, which makes it many times slower.`,
    },
    {
      alert: 'ModelDownloadFailing',
      severity: 'warning',
      // Agents count from the start of their pod. A volume that servers share tells all of them of the same failure, and of models
      // that are another's.
      expr: `${max(['server', 'model', 'reason'], `${agents('model_download_failures_total')} and on (namespace, pod, model) (${agents('model_loaded')} == 0)`)} > 1`,
      for: '1m',
      summary: `${model} cannot be downloaded`,
      description:
        `Downloading ${model} for ${server} failed {{ $value | printf "%.0f" }} times ({{ $labels.reason }}), and it is still not ` +
        'there. The log of the model-downloader says more.',
    },
    {
      alert: 'ModelVolumeFilling',
      severity: 'warning',
      expr:
        `${ours('volume:models_free:ratio')} < 0.15` +
        ` and predict_linear(${ours('volume:models_free:ratio')}[6h], 24 * 3600) < 0`,
      for: '10m',
      summary: 'A volume of models fills up',
      description:
        `The volume {{ $labels.persistentvolumeclaim }} has {{ $value${percent} }} of its room left, and at the rate of the last six ` +
        'hours it will be full within a day.',
      needs: ['kubelet'],
    },
    {
      alert: 'ModelVolumeFilling',
      severity: 'critical',
      expr: `${ours('volume:models_free:ratio')} < 0.03`,
      for: '1m',
      summary: 'A volume of models is full',
      description: `The volume {{ $labels.persistentvolumeclaim }} has {{ $value${percent} }} of its room left: the next download fails.`,
      needs: ['kubelet'],
    },
  ],
};

/** Of containers beside the model-downloader, which has an alert of its own; the agent is an init container to Kubernetes. */
const restarts = inNamespace(
  '',
  '__name__=~"kube_pod_(init_)?container_status_restarts_total"',
  'container!="model-downloader"',
);
const oomKilled = inNamespace(
  '',
  '__name__=~"kube_pod_(init_)?container_status_last_terminated_reason"',
  'reason="OOMKilled"',
);

const containers: RuleGroup<AlertRule> = {
  name: 'model-management-alerts-containers',
  rules: [
    {
      alert: 'ContainerMemoryHigh',
      severity: 'warning',
      expr: `${ours('container:memory_share:ratio')} > ${on('server')} group_left () ${ours('server:memory_alert:ratio')}`,
      for: '5m',
      summary: `${container} of ${pod} is near its limit of memory`,
      description:
        `The container ${container} of ${pod} takes {{ $value${percent} }} of its limit of memory, what the kernel can take back ` +
        'not counted; the bound is ' +
        `${constant('server:memory_alert:ratio', ['server'], percent)}. At the limit it is killed.`,
      needs: ['kubelet'],
    },
    {
      alert: 'ContainerRestarting',
      severity: 'warning',
      expr:
        `round(${ofOurPods(`sum by (namespace, pod, container) (increase(${restarts}[15m]))`)}, 1)` +
        ` > ${on('server')} group_left () ${ours('server:restarts_alert:count')}`,
      for: '0m',
      summary: `${container} of ${pod} restarts again and again`,
      description:
        `The container ${container} of ${pod} was restarted {{ $value }} times in the last 15 minutes; the bound is ` +
        `${constant('server:restarts_alert:count', ['server'])}. What it was answering was lost.`,
      needs: ['kube-state-metrics'],
    },
    {
      alert: 'ContainerOutOfMemory',
      severity: 'warning',
      expr:
        `${ofOurPods(`max by (namespace, pod, container) (${oomKilled} == 1)`)}` +
        ` and on (namespace, pod, container) (sum by (namespace, pod, container) (increase(${restarts}[15m])) > 0)`,
      for: '0m',
      summary: `${container} of ${pod} was killed for want of memory`,
      description: `The container ${container} of ${pod} went over its limit of memory in the last 15 minutes and was killed.`,
      needs: ['kube-state-metrics'],
    },
    {
      alert: 'HealthChecksFailing',
      severity: 'warning',
      expr: failingProbes(),
      for: '1m',
      summary: `${container} of ${pod} fails its health checks`,
      description:
        `{{ $value | humanize }} {{ $labels.probe_type }} probes of the container ${container} of ${pod} failed in the last 5 ` +
        'minutes. After six in a row for liveness it is restarted; while readiness fails it gets no requests.',
      needs: ['kubelet'],
    },
    {
      alert: 'GpuUtilizationHigh',
      severity: 'warning',
      expr: `avg_over_time(${ours('gpu_utilization_percent')}[5m]) > ${on('server')} group_left () ${ours('server:gpu_alert:percent')}`,
      for: '10m',
      summary: `A GPU of ${server} is at its limit`,
      description:
        `GPU {{ $labels.gpu }} of ${pod} has been used to {{ $value | printf "%.0f" }} % for a quarter of an hour; the bound is ` +
        `${constant('server:gpu_alert:percent', ['server'])} %.`,
      needs: ['dcgm-exporter'],
    },
  ],
};

/** Liveness at any time; readiness once a pod has had its time to load, and where no check at all succeeds. */
function failingProbes(): string {
  const probes = (type: string, result: string) =>
    `sum by (namespace, pod, container, probe_type) (${growth(inNamespace('prober_probe_total', `probe_type="${type}"`, `result="${result}"`), '5m')})`;
  const ready = `${probes('Readiness', 'failed')} > 20 unless ${probes('Readiness', 'successful')} > 0`;
  return (
    `${ofOurPods(`${probes('Liveness', 'failed')} > 2`)}` +
    ` or ${ofOurPods(`(${ready}) and on (namespace, pod) ${ours('pod:settled:info')}`)}`
  );
}

/** All alerts. */
export const alerts: readonly RuleGroup<AlertRule>[] = [requests, servers, loads, containers, backupAlerts];
