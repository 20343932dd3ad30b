import { expect, test } from 'vitest';
import { interruptionsAMonth, takenBack } from './interruptions.ts';
import { listPrices } from './prices.ts';
import type { BoughtNode } from './purchase.ts';

const prices = listPrices();
const banded = (interruptions: string) => ({
  ...{ usdPerHour: 1, cpu: 1, memoryMiB: 1, pods: 1 },
  spot: { savingsPercent: 50, interruptions },
});

test.each([
  ['<5%', 0, 0.05],
  ['5-10%', 0.05, 0.1],
  ['15-20%', 0.15, 0.2],
  ['>20%', 0.2, 0.4],
])('a band of %s is %f to %f nodes a month', (band, low, high) => {
  expect(takenBack(banded(band))).toEqual({ low, high });
});

test('nodes that are paid on demand, or are not let as spare ones, are never taken back', () => {
  const node = (type: string, purchase: BoughtNode['purchase']): BoughtNode => ({
    ...{ purchase, pods: [] },
    offer: { type, usdPerHour: 1, room: { cpu: 1, memory: 1, gpus: 0, pods: 1 } },
  });
  const nodes = [node('m7i.8xlarge', 'spot'), node('m7i.8xlarge', 'onDemand'), node('p5.4xlarge', 'spot')];
  expect(interruptionsAMonth(nodes, prices)).toEqual({ low: 0, high: 0.05 });
});
