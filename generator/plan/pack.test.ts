import { describe, expect, test } from 'vitest';
import { randomFrom } from '../../ci/testing/random.ts';
import { fitsInto, type Resources } from './capacity.ts';
import { type Item, type Offer, pack } from './pack.ts';

const need = (cpu: number, memory: number, gpus = 0): Resources => ({ cpu, memory, gpus, pods: 1 });
const room = (cpu: number, memory: number, gpus = 0, pods = 100): Resources => ({ cpu, memory, gpus, pods });

const total = (needs: Resources[]) =>
  needs.reduce((sum, one) => ({
    cpu: sum.cpu + one.cpu,
    memory: sum.memory + one.memory,
    gpus: sum.gpus + one.gpus,
    pods: sum.pods + one.pods,
  }));

/** Pods and nodes by chance: whole and odd sizes, and prices that do not go by size. */
function problem(seed: number, kinds: number, most: number): { items: Item[]; offers: Offer[] } {
  const random = randomFrom(seed);
  const items = Array.from({ length: kinds }, (_, index) => ({
    name: `pod-${index}`,
    need: need(100 + random.below(3000), 100 + random.below(9000)),
    count: random.below(most + 1),
  }));
  const offers = Array.from({ length: 3 }, (_, index) => ({
    type: `node-${index}`,
    usdPerHour: 0.1 * (index + 1) + random.below(20) / 100,
    room: room(3100 + index * 4000 + random.below(2000), 9100 + index * 9000 + random.below(9000), 0, 4 + 2 * index),
  }));
  return { items, offers };
}

/** The least that any packing costs, by trying every way to give each pod to a node that is open or to a new one. */
function byForce({ items, offers }: { items: Item[]; offers: Offer[] }): number {
  const pods = items.flatMap(({ need, count }) => Array<Resources>(count).fill(need));
  let best = Number.POSITIVE_INFINITY;
  const groups: Resources[][] = [];
  const cheapest = (group: Resources[]) =>
    Math.min(
      ...offers.filter(({ room }) => fitsInto(total(group), room)).map(({ usdPerHour }) => usdPerHour),
      Number.POSITIVE_INFINITY,
    );
  const search = (index: number): void => {
    const cost = groups.reduce((sum, group) => sum + cheapest(group), 0);
    // What is too much for every node stays so, and no group gets cheaper by another pod.
    if (cost >= best) return;
    const pod = pods[index];
    if (!pod) {
      best = cost;
      return;
    }
    for (const group of groups) {
      group.push(pod);
      search(index + 1);
      group.pop();
    }
    groups.push([pod]);
    search(index + 1);
    groups.pop();
  };
  search(0);
  return best;
}

describe('a packing', () => {
  test.each(Array.from({ length: 20 }, (_, seed) => seed))(
    'of a few pods is the cheapest there is (%i)',
    async (seed) => {
      const few = problem(seed, 3, 2);
      const { usdPerHour, lowerBound } = await pack(few.items, few.offers);
      const best = few.items.every(({ count }) => count === 0) ? 0 : byForce(few);
      expect(usdPerHour).toBeCloseTo(best, 6);
      expect(lowerBound).toBeCloseTo(best, 6);
    },
  );

  test.each([
    [1, 3, 5],
    [2, 5, 20],
    [3, 8, 60],
    [4, 10, 100],
    [5, 16, 9],
  ])(
    'has every pod once, no node over its room, and is near its bound (%i: %i kinds, up to %i of each)',
    async (seed, kinds, most) => {
      const { items, offers } = problem(seed, kinds, most);
      const { nodes, usdPerHour, lowerBound } = await pack(items, offers);
      const needs = new Map(items.map(({ name, need }) => [name, need]));
      for (const { offer, pods } of nodes) {
        expect(fitsInto(total(pods.map((pod) => needs.get(pod)!)), offer.room)).toBe(true);
      }
      const placed = Map.groupBy(
        nodes.flatMap(({ pods }) => pods),
        (pod) => pod,
      );
      for (const { name, count } of items) expect(placed.get(name)?.length ?? 0).toBe(count);
      expect(usdPerHour).toBeCloseTo(
        nodes.reduce((sum, { offer }) => sum + offer.usdPerHour, 0),
        6,
      );
      expect(usdPerHour).toBeGreaterThanOrEqual(lowerBound - 1e-6);
      expect(usdPerHour / lowerBound).toBeLessThan(1.05);
    },
  );

  test.each([3, 300])('has no more of a kind on a node than may be together (%i beside them)', async (others) => {
    const offers: Offer[] = [
      { type: 'small', usdPerHour: 1, room: room(4000, 8000) },
      { type: 'large', usdPerHour: 1.9, room: room(8000, 16_000) },
    ];
    const same = need(500, 512);
    const items: Item[] = [
      { name: 'gateway', need: same, count: 12, together: 4 },
      { name: 'other', need: same, count: 2 },
      { name: 'server', need: need(2100, 7000), count: others },
    ];
    const { nodes, usdPerHour, lowerBound } = await pack(items, offers);
    const gateways = nodes.map(({ pods }) => pods.filter((pod) => pod === 'gateway').length);
    expect(gateways.reduce((sum, count) => sum + count)).toBe(12);
    expect(Math.max(...gateways)).toBeLessThanOrEqual(4);
    expect(usdPerHour / lowerBound).toBeLessThan(1.05);
    const free = await pack(
      items.map(({ together, ...item }) => item),
      offers,
    );
    expect(free.lowerBound).toBeLessThanOrEqual(lowerBound + 1e-6);
    const most = Math.max(...free.nodes.map(({ pods }) => pods.filter((pod) => pod === 'gateway').length));
    if (others === 3) expect(most).toBeGreaterThan(4);
  });

  test('is the same each time', async () => {
    const { items, offers } = problem(7, 8, 40);
    expect(await pack(items, offers)).toEqual(await pack(items, offers));
  });

  test('puts pods on nodes with GPUs of their type alone, and none without GPUs there', async () => {
    const offers: Offer[] = [
      { type: 'small', usdPerHour: 1, room: room(4000, 8000) },
      { type: 'l4', usdPerHour: 0.5, room: room(8000, 32_000, 1), gpuType: 'L4' },
      { type: 't4', usdPerHour: 0.1, room: room(8000, 32_000, 1), gpuType: 'T4' },
    ];
    const { nodes } = await pack(
      [
        { name: 'gateway', need: need(500, 512), count: 1 },
        { name: 'llama', need: need(2000, 4000, 1), gpuType: 'L4', count: 2 },
      ],
      offers,
    );
    expect(nodes.map(({ offer, pods }) => [offer.type, pods])).toEqual([
      ['small', ['gateway']],
      ['l4', ['llama']],
      ['l4', ['llama']],
    ]);
  });

  test('takes a node with several GPUs where that is cheaper', async () => {
    const offers: Offer[] = [
      { type: 'one', usdPerHour: 1, room: room(8000, 32_000, 1), gpuType: 'L4' },
      { type: 'four', usdPerHour: 3, room: room(48_000, 190_000, 4), gpuType: 'L4' },
    ];
    const of = (count: number) => [{ name: 'qwen', need: need(2000, 20_000, 1), gpuType: 'L4', count }];
    const types = async (count: number) => (await pack(of(count), offers)).nodes.map(({ offer }) => offer.type).sort();
    expect(await types(3)).toEqual(['one', 'one', 'one']);
    expect(await types(5)).toEqual(['four', 'one']);
  });

  test('is refused where a pod fits no node, or there are none with its GPUs', async () => {
    const offers: Offer[] = [{ type: 'small', usdPerHour: 1, room: room(4000, 8000) }];
    await expect(pack([{ name: 'llama', need: need(2000, 9000), count: 1 }], offers)).rejects.toThrow(
      'llama: a pod asks for 2 cores, 9000 MiB, and the nearest node, small, has 4 cores and 8000 MiB for pods: ' +
        'lower what it asks for, or add a larger node to the prices',
    );
    await expect(pack([{ name: 'llama', need: need(2000, 4000, 1), gpuType: 'L4', count: 1 }], offers)).rejects.toThrow(
      'llama: a pod asks for 2 cores, 4000 MiB, 1 × L4, and the prices have no node with such GPUs: ' +
        'add one, or take another gpu.type',
    );
  });
});
