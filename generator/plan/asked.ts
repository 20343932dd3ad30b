import { type GpuType, gpus } from '../gpus.ts';
import { verdictOf } from '../memory/verdicts.ts';
import { GiB, MiB } from '../memory.ts';
import type { Registry } from '../registry.ts';
import type { Prices } from './prices.ts';
import { add, hoursPerMonth, type Range, range, times, usdPerHour } from './purchase.ts';

/** What the requirements say the cluster is made of and costs a month, in US dollars. */
const asked = {
  nodes: [
    { type: 'p3.2xlarge', count: 3, usd: 2750 },
    { type: 'c5.4xlarge', count: 5, usd: 600 },
  ],
  total: 3480,
  spot: 1400,
};

export interface AskedRow {
  what: string;
  saidUsd: number;
  /** What it is by the prices, US dollars a month. */
  trueUsd: Range;
  /** What there is to say of it. */
  note: string;
}

/** The requirements' table beside the true one, row by row. Throws where the prices do not have its nodes. */
export function askedTable(registry: Registry, prices: Prices): AskedRow[] {
  const cost = (purchase: 'onDemand' | 'spot') => (type: string, count: number) => {
    const instance = prices.instances[type];
    if (!instance) throw new Error(`prices: have no ${type}, which the requirements ask for: add it`);
    return times(usdPerHour(instance, purchase, prices), count * hoursPerMonth);
  };
  const control = range(prices.controlPlaneUsdPerHour * hoursPerMonth);
  const total = (purchase: 'onDemand' | 'spot') =>
    asked.nodes.map(({ type, count }) => cost(purchase)(type, count)).reduce(add, control);
  return [
    ...asked.nodes.map(({ type, count, usd }) => ({
      what: `${count} × ${type}`,
      saidUsd: usd,
      trueUsd: cost('onDemand')(type, count),
      note: noteOn(type, registry, prices),
    })),
    { what: 'total', saidUsd: asked.total, trueUsd: total('onDemand'), note: 'with the control plane, on demand' },
    {
      what: 'all on spot',
      saidUsd: asked.spot,
      trueUsd: total('spot'),
      note: 'from spot alone to a tenth of the time on demand',
    },
  ];
}

/** The figure that the requirements hope for, US dollars a month. */
export const hopedUsd = asked.spot;

function noteOn(type: string, registry: Registry, prices: Prices): string {
  const { gpu, cpu, memoryMiB } = prices.instances[type]!;
  if (!gpu) return `${cpu} cores, ${memoryMiB / 1024} GiB each`;
  const gpuType = gpu.type as GpuType;
  const have = gpus[gpuType].memoryMiB * MiB;
  const wanting = Object.entries(registry.models).filter(([, { serving }]) => serving.gpu);
  const fitting = wanting
    .filter(([, { facts, serving }]) => ['alone', 'shared'].includes(verdictOf(facts, serving, gpuType).kind))
    .map(([alias]) => alias);
  const not = wanting.map(([alias]) => alias).filter((alias) => !fitting.includes(alias));
  const holds = fitting.length > 0 ? `holds ${fitting.join(', ')}` : 'holds no model';
  return `as they are served, a ${gpu.type} of ${Math.round(have / GiB)} GiB ${holds}${not.length > 0 ? `, not ${not.join(', ')}` : ''}`;
}
