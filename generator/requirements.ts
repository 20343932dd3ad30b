import { cacheGiB } from './budgets.ts';
import { fleetOf, weightsGB } from './fleet.ts';
import type { Registry } from './registry.ts';
import { valuesOf } from './values.ts';

/** What a cluster has to offer to a server, for all of its pods together. */
export interface Requirement {
  server: string;
  pods: number;
  /** CPU in cores. */
  cpu: number;
  /** Memory in GB (10⁹ bytes). */
  memoryGB: number;
  /** GPUs and their type, or none. */
  gpus: string;
  /** Volumes in GiB, with an ephemeral claim for each pod. */
  storageGiB: number;
}

/** What each server asks for with its fewest or its most pods, without agents and gateway. */
export function requirementsOf(registry: Registry, which: 'min' | 'max'): Requirement[] {
  return fleetOf(registry).map((server) => {
    const { serving, name } = server;
    const pods = serving.replicas[which];
    return {
      server: name,
      pods,
      cpu: pods * serving.cpu,
      memoryGB: pods * serving.memoryGB,
      gpus: serving.gpu ? `${pods * serving.gpu.count} × ${serving.gpu.type}` : '',
      storageGiB: pods * cacheGiB(weightsGB(server)),
    };
  });
}

/** The README's table of what a cluster needs: fewest – most of each server, and the gateway's share. */
export function requirementsTable(registry: Registry): string {
  const least = requirementsOf(registry, 'min');
  const most = requirementsOf(registry, 'max');
  const range = (a: string | number, b: string | number) => (a === b ? `${a}` : `${a} – ${b}`);
  const rows = least.map((low, index) => {
    const high = most[index]!;
    return [
      `\`${low.server}\``,
      range(low.pods, high.pods),
      range(low.cpu, high.cpu),
      range(low.memoryGB, high.memoryGB),
      range(low.gpus, high.gpus) || '–',
      range(low.storageGiB, high.storageGiB),
    ];
  });
  const sum = (of: (row: Requirement) => number) =>
    range(
      least.reduce((total, row) => total + of(row), 0),
      most.reduce((total, row) => total + of(row), 0),
    );
  const gateway = valuesOf(registry).gateway.replicas;
  const total = [
    '**all servers**',
    sum((row) => row.pods),
    sum((row) => row.cpu),
    sum((row) => row.memoryGB),
    '',
    sum((row) => row.storageGiB),
  ];
  const table = [
    ['server', 'pods', 'cores', 'memory, GB', 'GPUs', 'volumes, GiB'],
    Array(6).fill('---'),
    ...rows,
    total,
  ];
  return [
    ...table.map((cells) => `| ${cells.join(' | ')} |`),
    '',
    `Beside them, each pod has an agent, the gateway has ${range(gateway.min, gateway.max)} pods, and the forecaster, where it is on, one.`,
  ].join('\n');
}
