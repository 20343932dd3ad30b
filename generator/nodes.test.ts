import { describe, expect, test } from 'vitest';
import { usdPerPodHour } from './nodes.ts';
import { roomOf } from './plan/capacity.ts';
import { listPrices } from './plan/prices.ts';

const instance = (type: string) => listPrices().instances[type]!;
const price = (type: string) => instance(type).usdPerHour;

describe('what a pod costs in an hour', () => {
  test('is its share of the memory of a node, where it takes more of that than of the cores', () => {
    // 15 GiB and what its agent asks for; per GiB the largest of the r7i is the cheapest.
    const memoryGB = (15 * 2 ** 30) / 1e9;
    const share = (15 * 1024 + 256) / roomOf(instance('r7i.8xlarge')).memory;
    expect(usdPerPodHour({ cpu: 1, memoryGB })).toBeCloseTo(price('r7i.8xlarge') * share, 9);
  });

  test('is its share of the cores where it takes more of those', () => {
    const share = 8100 / roomOf(instance('c5.4xlarge')).cpu;
    expect(usdPerPodHour({ cpu: 8, memoryGB: 1 })).toBeCloseTo(price('c5.4xlarge') * share, 9);
  });

  test('is the whole node for its one GPU, on the cheapest that has the memory', () => {
    expect(usdPerPodHour({ cpu: 2, memoryGB: 10, gpu: { type: 'L4', count: 1 } })).toBe(price('g6.xlarge'));
    expect(usdPerPodHour({ cpu: 2, memoryGB: 20, gpu: { type: 'L4', count: 1 } })).toBe(price('g6.2xlarge'));
    expect(usdPerPodHour({ cpu: 4, memoryGB: 40, gpu: { type: 'L40S', count: 1 } })).toBe(price('g6e.2xlarge'));
  });

  test('is a part of a node with several GPUs, as many as pods fit on it', () => {
    expect(usdPerPodHour({ cpu: 10, memoryGB: 40, gpu: { type: 'L4', count: 1 } })).toBe(price('g6.12xlarge') / 4);
    // Two GPUs leave room for another two, three do not.
    expect(usdPerPodHour({ cpu: 2, memoryGB: 20, gpu: { type: 'L4', count: 2 } })).toBe(price('g6.12xlarge') / 2);
    expect(usdPerPodHour({ cpu: 2, memoryGB: 20, gpu: { type: 'L4', count: 3 } })).toBe(price('g6.12xlarge'));
  });

  test('is not known where no node holds it', () => {
    expect(usdPerPodHour({ cpu: 2, memoryGB: 20, gpu: { type: 'L4', count: 5 } })).toBeUndefined();
    expect(usdPerPodHour({ cpu: 32, memoryGB: 1 })).toBeUndefined();
  });
});
