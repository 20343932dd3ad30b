import { BytesIEC, Dollars, Percent, PercentUnit, Seconds, Short } from '@grafana/grafana-foundation-sdk/units';
import type { Frame } from './frame.ts';
import { chart, figure, list } from './panels.ts';
import { tokenCost } from './token-cost.ts';
import { ofServer, ours, variables } from './variables.ts';

const hoursOfDay = 24;

/** What the fleet has, how much of it is used, and what it costs. */
export const capacity: Frame = {
  uid: 'model-management-capacity',
  title: 'Models: capacity and cost',
  description: 'Servers: how full they are, what they have and use, and what that costs.',
  variables: [variables.datasource(), variables.namespace(), variables.release(), variables.servers()],
  rows: [
    {
      title: 'How full is it?',
      panels: [
        list({
          title: 'Servers',
          description:
            'Every server, the fullest first. Saturation is what is there by what its replicas answer at a time; a server at its maximum and above 100 % needs a higher maximum.',
          width: 24,
          by: 'server',
          worstBy: 'Saturation',
          columns: [
            {
              title: 'Saturation',
              expr: `max by (server) (${ofServer('server:saturation:ratio')})`,
              unit: PercentUnit,
              limits: { warning: 1, critical: 2 },
            },
            { title: 'Waiting', expr: `max by (server) (${ofServer('server:queue_depth:sum')})`, unit: Short },
            { title: 'Pods', expr: `max by (server) (${ofServer('server:pods:count')})`, unit: Short },
            { title: 'Ready', expr: `max by (server) (${ofServer('server:replicas_available:max')})`, unit: Short },
            { title: 'Maximum', expr: `max by (server) (${ofServer('server:replicas:max')})`, unit: Short },
            {
              title: 'Memory of limit',
              expr: `max by (server) (${ofServer('container:memory_share:ratio', 'container="ollama"')})`,
              unit: PercentUnit,
              limits: { warning: 0.85, critical: 0.95 },
            },
            {
              title: 'Cost an hour',
              expr: `max by (server) (${ofServer('server:cost:dollars_per_hour')})`,
              unit: Dollars,
            },
            {
              title: 'Cost of a million tokens',
              expr: `max by (server) (${ofServer('server:cost_per_million_tokens:dollars')})`,
              unit: Dollars,
            },
          ],
        }),
        chart({
          title: 'Saturation',
          description:
            'Requests that are there by those that replicas answer at a time, of the busiest model of each server.',
          unit: PercentUnit,
          width: 12,
          limits: { warning: 1, critical: 2 },
          queries: [{ expr: `max by (server) (${ofServer('server:saturation:ratio')})`, legend: '{{server}}' }],
        }),
        chart({
          title: 'Ready replicas',
          description: 'Replicas that gateways send requests to.',
          unit: Short,
          width: 12,
          stacked: true,
          queries: [{ expr: `max by (server) (${ofServer('server:replicas_available:max')})`, legend: '{{server}}' }],
        }),
      ],
    },
    {
      title: 'Memory, GPUs and volumes',
      panels: [
        chart({
          title: 'Memory by its limit',
          description:
            'Of the fullest Ollama container of each server, without what the kernel can take back; at 100 % it is killed.',
          unit: PercentUnit,
          width: 8,
          max: 1,
          limits: { warning: 0.85, critical: 0.95 },
          queries: [
            {
              expr: `max by (server) (${ofServer('container:memory_share:ratio', 'container="ollama"')})`,
              legend: '{{server}}',
            },
          ],
        }),
        chart({
          title: 'Loaded models',
          description: 'Memory of loaded models in all replicas, in pods (ram) and in GPUs (vram).',
          unit: BytesIEC,
          width: 8,
          stacked: true,
          queries: [
            {
              expr: `sum by (server, kind) (${ofServer('model_kind:memory_bytes:sum')})`,
              legend: '{{server}}, {{kind}}',
            },
          ],
        }),
        chart({
          title: 'GPU memory taken by models',
          description: 'Of the fullest pod of each server with GPUs.',
          unit: PercentUnit,
          width: 8,
          max: 1,
          queries: [{ expr: `max by (server) (${ofServer('pod:vram_share:ratio')})`, legend: '{{server}}' }],
        }),
        chart({
          title: 'GPU use',
          description:
            'On average of the GPUs of each server, by the DCGM exporter. A GPU below a third under full load waits for something else.',
          unit: Percent,
          width: 8,
          max: 100,
          queries: [{ expr: `avg by (server) (${ofServer('gpu_utilization_percent')})`, legend: '{{server}}' }],
        }),
        chart({
          title: 'Part of models outside of the GPU',
          description:
            'Of the worst pod of each server with GPUs: above 0 a part of the model runs on the CPU, many times slower.',
          unit: PercentUnit,
          width: 8,
          max: 1,
          queries: [{ expr: `max by (server) (${ofServer('pod_model:outside_gpu:ratio')})`, legend: '{{server}}' }],
        }),
        chart({
          title: 'Room left on the volumes of models',
          description: 'Of the fullest volume of each server; the shared volume is of none.',
          unit: PercentUnit,
          width: 8,
          max: 1,
          queries: [{ expr: `min by (server) (${ours('volume:models_free:ratio')})`, legend: '{{server}}' }],
        }),
      ],
    },
    {
      title: 'Nodes',
      panels: [
        chart({
          title: 'Asked for of the nodes',
          description:
            'What all pods ask of each node on which there are some of ours, of what it has for pods. What is left is paid for, ' +
            'and room for others.',
          unit: PercentUnit,
          width: 12,
          max: 1,
          queries: [
            { expr: `max by (node, resource) (${ours('node:requested:ratio')})`, legend: '{{node}}: {{resource}}' },
          ],
        }),
        chart({
          title: 'Pods on spot nodes',
          description: 'Of all pods of a server whose nodes are known, those on nodes that the cloud can take back.',
          unit: PercentUnit,
          width: 12,
          max: 1,
          queries: [{ expr: `max by (server) (${ofServer('server:pods_on_spot:ratio')})`, legend: '{{server}}' }],
        }),
      ],
    },
    {
      title: 'Cost',
      panels: [
        figure({
          title: 'Cost a day at this rate',
          description: 'Of the pods that there are, for 24 hours.',
          unit: Dollars,
          width: 4,
          height: 8,
          decimals: 2,
          query: { expr: `sum(${ofServer('server:cost:dollars_per_hour')}) * ${hoursOfDay}`, legend: 'cost' },
          noValue: 'no prices',
        }),
        chart({
          title: 'Cost an hour, against its bounds',
          description:
            'What the pods cost, and what they would with the fewest and the most that the values allow, by list prices.',
          unit: Dollars,
          width: 10,
          decimals: 2,
          queries: [
            { expr: `sum(${ofServer('server:cost:dollars_per_hour')})`, legend: 'now' },
            { expr: bound('server:replicas:min'), legend: 'fewest pods' },
            { expr: bound('server:replicas:max'), legend: 'most pods' },
          ],
        }),
        chart({
          title: 'Cost an hour, against the plan',
          description:
            'What the pods cost, and what `npm run plan` foretells of all nodes, with the gateway and what is idle on them, on ' +
            'demand and on spot nodes; where values bring it (monitoring.plannedCost).',
          unit: Dollars,
          width: 10,
          decimals: 2,
          queries: [
            { expr: `sum(${ofServer('server:cost:dollars_per_hour')})`, legend: 'now' },
            {
              expr: `max by (paid, size) (${ours('release:planned_cost:dollars_per_hour')})`,
              legend: '{{size}}, {{paid}}',
            },
          ],
        }),
        tokenCost(ofServer),
      ],
    },
    {
      title: 'Backups',
      panels: [
        figure({
          title: 'Age of the last good copy',
          description: 'Since the last copy of the release that was found to be whole.',
          unit: Seconds,
          width: 6,
          query: { expr: `max(${ours('release:backup_age:seconds')})`, legend: 'age' },
          noValue: 'none',
        }),
        figure({
          title: 'Size of all copies',
          description: 'What the repository takes, with the copies of other releases that are in it.',
          unit: BytesIEC,
          width: 6,
          query: { expr: `max(${ours('release:backup_repository:bytes')})`, legend: 'size' },
          noValue: 'none',
        }),
      ],
    },
  ],
};

function bound(replicas: string): string {
  return `sum(${ofServer(replicas)} * on (namespace, release, server) ${ofServer('server:pod_cost:dollars_per_hour')})`;
}
