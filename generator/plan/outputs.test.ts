import { readFileSync } from 'node:fs';
import path from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { loadEnvironments } from '../environments.ts';
import { loadRegistry } from '../registry.ts';
import { roomOf } from './capacity.ts';
import { instanceTypes } from './instance-types.ts';
import { karpenterYaml, priorityExpanderYaml } from './node-pools.ts';
import { type Plan, planOf } from './plan.ts';
import { listPrices } from './prices.ts';
import { shortTable } from './report.ts';
import { releaseOf } from './workload.ts';

const prices = listPrices();
let plan: Plan;

beforeAll(async () => {
  const { production } = await loadEnvironments();
  plan = await planOf(releaseOf(await loadRegistry(), 'production', production!), prices);
});

test('the README has the plan of production', () => {
  expect(readFileSync(path.join(import.meta.dirname, '..', '..', 'README.md'), 'utf8')).toContain(shortTable(plan));
});

describe('Karpenter’s pools', () => {
  const objects = () => parseAllDocuments(karpenterYaml(plan, prices, 'made')).map((document) => document.toJS());

  test('have the types that the plan buys, and bounds that hold its maximum', () => {
    const [cpu, gpu, nodeClass] = objects();
    const typesOf = (pool: typeof cpu): string[] => pool.spec.template.spec.requirements[0].values;
    for (const size of ['minimum', 'maximum'] as const) {
      for (const { offer } of plan.nodes.spot[size].nodes)
        expect(typesOf(offer.gpuType ? gpu : cpu)).toContain(offer.type);
    }
    const { nodes } = plan.nodes.onDemand.maximum;
    const gpus = nodes.reduce((sum, { offer }) => sum + offer.room.gpus, 0);
    expect(Number(gpu.spec.limits['nvidia.com/gpu'])).toBeGreaterThanOrEqual(gpus);
    expect(gpu.spec.template.spec.taints).toEqual([{ key: 'nvidia.com/gpu', value: 'true', effect: 'NoSchedule' }]);
    expect(nodeClass.kind).toBe('EC2NodeClass');
  });
});

test('the priority expander prefers spot, and has numbers as priorities', () => {
  const { data } = parse(priorityExpanderYaml(plan, prices, 'made'));
  const priorities = parse(data.priorities, { mapAsMap: true }) as Map<unknown, string[]>;
  expect([...priorities.keys()].every(Number.isInteger)).toBe(true);
  const best = Math.max(...([...priorities.keys()] as number[]));
  expect(priorities.get(best)!.some((pattern) => new RegExp(`^${pattern}$`).test('fleet-spot-c7i-2xlarge-a'))).toBe(
    true,
  );
});

test('instance types for kwok leave as much for pods as the plan reckons with, at the same prices', () => {
  const types = instanceTypes(prices) as {
    name: string;
    offerings: { Price: number }[];
    resources: Record<string, string>;
  }[];
  const g6 = types.find(({ name }) => name === 'g6.2xlarge')!;
  const room = roomOf(prices.instances['g6.2xlarge']!);
  // The provider takes 100m and 10Mi off every node.
  expect(g6.resources).toMatchObject({
    cpu: `${room.cpu + 100}m`,
    memory: `${room.memory + 10}Mi`,
    'nvidia.com/gpu': '1',
  });
  expect(g6.offerings).toHaveLength(6);
  expect(g6.offerings[0]!.Price).toBe(0.9776);
});
