import { expect, test } from 'vitest';
import { allocatable, daemonSets, roomOf } from './capacity.ts';
import { listPrices } from './prices.ts';

/**
 * What Karpenter's own reference lists as the resources of each type (github.com/aws/karpenter-provider-aws,
 * website/content/en/preview/reference/instance-types.md): millicores, MiB.
 */
const listed: Record<string, [cpu: number, memory: number]> = {
  'c7i.large': [1930, 3114],
  'c7i.4xlarge': [15_890, 27_381],
  'm7i.8xlarge': [31_850, 118_312],
  'g4dn.2xlarge': [7910, 29_636],
  'g5.12xlarge': [47_810, 173_400],
  'g6.2xlarge': [7910, 29_317],
  'g6e.12xlarge': [47_810, 360_157],
  'p4de.24xlarge': [95_690, 1_082_712],
};

test.each(Object.entries(listed))('a %s has as much for pods as Karpenter lists', (type, [cpu, memory]) => {
  expect(allocatable(listPrices().instances[type]!)).toMatchObject({ cpu, memory });
});

test('DaemonSets take their part of every node', () => {
  const instance = listPrices().instances['g6.2xlarge']!;
  expect(roomOf(instance)).toEqual({
    cpu: 7910 - daemonSets.cpu,
    memory: 29_317 - daemonSets.memory,
    gpus: 1,
    pods: 58 - daemonSets.pods,
  });
});
