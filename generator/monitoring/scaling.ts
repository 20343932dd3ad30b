import { by, byServerKey, gateway, inNamespace, max, ofOurPods, on, ours } from './promql.ts';
import type { RecordingRule, RuleGroup } from './rules.ts';

/** A metric of the forecaster's pods, which calls servers by their keys. */
const forecaster = (metric: string) => ours(metric, 'component="forecaster"');

/** Servers whose forecast is there and worth following. */
const trusted = `(${max(['server'], forecaster('server_forecast_trusted'))} == 1 and ${on('server')} ${forecaster('server_forecast_replicas')})`;

const ready = inNamespace('kube_pod_status_ready_time');

const demand = ours('server:demand:replicas');

/**
 * What autoscalers go by, in pods: each takes the largest. Where something has nothing to say it is 0, and where nothing is known
 * there is no sample: then an autoscaler takes no pod away.
 */
export const scaling: RuleGroup<RecordingRule> = {
  name: 'model-management-scaling',
  rules: [
    {
      record: 'server:demand:replicas',
      // Each model of a server has places of its own in a pod, but the cores or the GPU behind them are the same: what is asked of
      // one takes from the others, so all of it counts together. Who has not been asked since its gateways began is in no metric.
      expr:
        `sum ${by('server')} (${ours('model:demand:requests')} * ${on('model')} group_left (server) ${ours('model:server:info')})` +
        ` / ${on('server')} ${ours('server:parallel:requests')}` +
        ` or 0 * ${ours('server:parallel:requests')} and ${on()} (${gateway('up')} == 1)`,
      what: 'Pods that the requests of all models of a server take when each pod is full; what is being loaded for or held counts',
      by: ['server'],
    },
    {
      record: 'server:load:replicas',
      // Only a forecast that is trusted, which has headroom of its own, may run pods fuller than they are to be.
      expr: `${demand} / ${on('server')} (${ours('server:target_utilization:ratio')} unless ${on('server')} ${trusted}) or ${demand}`,
      what: 'Pods that are needed now: as full as `targetUtilizationPercent` says, or all full where a trusted forecast looks ahead',
      by: ['server'],
    },
    {
      record: 'server:schedule:replicas',
      expr: max(['server'], byServerKey(gateway('server_scheduled_replicas'))),
      what: 'Pods that the schedule asks for at this time of the week; of servers that are scaled by demand',
      by: ['server'],
    },
    {
      record: 'pod:start:seconds',
      // Whoever looks back takes each pod by its least: one that was not ready for a while gets another time when it is again.
      // After two hours it is that which is seen, and no start.
      expr: `${ofOurPods(
        `max by (namespace, pod) ((${ready} - on (namespace, pod) ${inNamespace('kube_pod_created')} < 7200)` +
          ` and on (namespace, pod) (${ready} > time() - 3600))`,
      )} and on (namespace, pod) ${ours('pod:server:info', 'component="server"')}`,
      what: "Time from a pod's being asked for to its being ready, for an hour from then on, s",
      by: ['component', 'server', 'pod'],
      needs: ['kube-state-metrics'],
    },
    {
      record: 'server:forecast:replicas',
      expr:
        `${max(['server'], forecaster('server_forecast_replicas'))} and ${on('server')} ${trusted}` +
        ` or 0 * ${ours('server:parallel:requests')}`,
      what: 'Pods that will be needed by the time that a new one is ready, by a forecast that is trusted; else 0',
      by: ['server'],
    },
  ],
};
