import { readFileSync } from 'node:fs';
import path from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import type { Server } from '../../schema/values.ts';
import { mergeValues } from '../environment.ts';
import { loadEnvironments } from '../environments.ts';
import { gpus } from '../gpus.ts';
import { loadRegistry } from '../registry.ts';
import { roomOf } from './capacity.ts';
import { instanceTypes } from './instance-types.ts';
import { karpenterYaml, priorityExpanderYaml } from './node-pools.ts';
import { type Plan, planOf } from './plan.ts';
import { listPrices } from './prices.ts';
import { shortTable } from './report.ts';
import { releaseOf, releaseValues } from './workload.ts';

// biome-ignore lint/suspicious/noExplicitAny: parsed YAML
type Pool = any;

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

  const typesIn = (pool: Pool): string[] => pool.spec.template.spec.requirements[0].values;

  test('have the types that the plan buys, those of each GPU in one of its own, and bounds that hold its maximum', () => {
    const [cpu, ...rest] = objects();
    const nodeClass = rest.pop();
    expect(nodeClass.kind).toBe('EC2NodeClass');
    const gpuOf = (type: string) => prices.instances[type]!.gpu?.type;
    const pools = new Map<string | undefined, Pool>([cpu, ...rest].map((pool) => [gpuOf(typesIn(pool)[0]!), pool]));
    expect(pools.size).toBe(rest.length + 1);
    for (const [gpuType, pool] of pools) expect(new Set(typesIn(pool).map(gpuOf))).toEqual(new Set([gpuType]));
    for (const size of ['minimum', 'maximum'] as const) {
      for (const { offer } of plan.nodes.spot[size].nodes)
        expect(typesIn(pools.get(offer.gpuType)!)).toContain(offer.type);
    }
    for (const pool of rest) {
      const { nodes } = plan.nodes.onDemand.maximum;
      const gpus = nodes.filter(({ offer }) => offer.gpuType === gpuOf(typesIn(pool)[0]!)).length;
      expect(Number(pool.spec.limits['nvidia.com/gpu'])).toBeGreaterThanOrEqual(gpus);
      expect(pool.spec.template.spec.taints).toEqual([{ key: 'nvidia.com/gpu', value: 'true', effect: 'NoSchedule' }]);
    }
  });

  test('say how much memory their GPUs have, which is what the servers ask for that they are bought for, the cheapest first', async () => {
    const { values } = releaseValues(await loadRegistry(), (await loadEnvironments()).production!);
    const pools: Pool[] = objects().filter(({ spec }) => spec.template?.metadata);
    const memoryOf = (pool: Pool) => Number(pool.spec.template.metadata.labels['nvidia.com/gpu.memory']);
    expect(pools.map(memoryOf)).toEqual([gpus.L4.memoryMiB, gpus.L40S.memoryMiB]);
    expect(pools.map(({ spec }) => spec.weight)).toEqual([2, 1]);
    const holding = (server: string) => {
      const it = mergeValues(values.serverDefaults, values.servers[server]!) as Server;
      expect(it.gpu.matchMemory).toBe(true);
      const { gpuMemoryMiB } = it.resources;
      return pools.filter((pool) => memoryOf(pool) >= gpuMemoryMiB && memoryOf(pool) < 2 * gpuMemoryMiB);
    };
    const [l4, l40s] = pools;
    expect(['ollama-gpt-oss', 'ollama-qwen', 'ollama-llama'].map(holding)).toEqual([[l4], [l4], [l40s]]);
  });

  test('have no type with several GPUs, which Karpenter would fill, where each costs more than alone', () => {
    const gpuCounts = objects()
      .filter(({ spec }) => spec.template?.metadata)
      .flatMap((pool) => typesIn(pool).map((type) => prices.instances[type]!.gpu!.count));
    expect(new Set(gpuCounts)).toEqual(new Set([1]));
  });
});

test('the priority expander prefers spot, and has numbers as priorities', () => {
  const { data } = parse(priorityExpanderYaml(plan, prices, 'made'));
  const priorities = parse(data.priorities, { mapAsMap: true }) as Map<unknown, string[]>;
  expect([...priorities.keys()].every(Number.isInteger)).toBe(true);
  // Of the groups that match a name the highest priority counts.
  const priorityOf = (group: string) =>
    Math.max(
      ...[...priorities].flatMap(([priority, patterns]) =>
        patterns.some((pattern) => new RegExp(`^${pattern}$`).test(group)) ? [Number(priority)] : [],
      ),
    );
  for (const { offer } of plan.nodes.spot.minimum.nodes) {
    const type = offer.type.replace('.', '-');
    expect(priorityOf(`fleet-spot-${type}-a`)).toBeGreaterThanOrEqual(100);
    expect(priorityOf(`fleet-${type}-a`)).toBeLessThan(100);
  }
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
