import { expect, test } from 'vitest';
import { fakeDays } from '../../service/testing/fake-demand.ts';
import { type Played, play, type Stage, unservedAt } from './play.ts';
import { foresight, reactive, ridge, targets } from './policies.ts';

// The definitions of the experiment once more, as plainly as can be: every replica is one, and equations are solved by elimination.

interface Replica {
  from: number;
}

function plainPlay(demand: number[], want: number[], delay: number): { cost: number; unserved: number } {
  const start = Math.floor(demand.length / 2);
  const capacity = Math.max(...demand) / 16;
  // In the order in which they leave: the newest last.
  let replicas: Replica[] = Array.from({ length: Math.ceil(want[start]!) }, () => ({ from: start }));
  let [hours, lost, all] = [0, 0, 0];
  for (let t = start; t < demand.length - 1; t++) {
    const wanted = Math.min(32, Math.max(1, Math.ceil(want[t]! - 1e-9)));
    while (replicas.length < wanted) replicas.push({ from: t + delay });
    replicas = replicas.slice(0, wanted);
    const serving = replicas.filter(({ from }) => from <= t).length;
    lost += Math.max(0, demand[t + 1]! - serving * capacity);
    all += demand[t + 1]!;
    hours += replicas.length;
  }
  return { cost: hours / (16 * (demand.length - 1 - start)), unserved: lost / all };
}

/** The x with a · x = b, by elimination with the largest pivot. */
function eliminate(a: number[][], b: number[]): number[] {
  const rows = a.map((row, i) => [...row, b[i]!]);
  const n = rows.length;
  for (let i = 0; i < n; i++) {
    const best = rows
      .slice(i)
      .reduce((most, row, k) => (Math.abs(row[i]!) > Math.abs(rows[most]![i]!) ? i + k : most), i);
    [rows[i], rows[best]] = [rows[best]!, rows[i]!];
    for (let k = 0; k < n; k++) {
      if (k === i) continue;
      const times = rows[k]![i]! / rows[i]![i]!;
      rows[k] = rows[k]!.map((value, j) => value - times * rows[i]![j]!);
    }
  }
  return rows.map((row, i) => row[n]! / row[i]!);
}

function plainRidge(demand: number[], h: number): number[] {
  const peak = Math.max(...demand);
  const ago = [0, 1, 2, 3, 5, 8, 144 - h - 1, 144 - h, 144 - h + 1, 144];
  const x = (t: number) => [1, ...ago.map((k) => demand[t - k]! / peak)];
  const forecast = [...demand];
  let coefficients: number[] | undefined;
  for (let t = 146 + 144; t < demand.length; t++) {
    if (!coefficients || t % 36 === 0) {
      const rows = Array.from({ length: t - h - 146 }, (_, i) => x(146 + i));
      const y = rows.map((row, i) => demand[146 + i + h]! / peak - row[1]!);
      const squares = ago.concat(0).map((_, i) =>
        ago.concat(0).map((__, j) => {
          const sum = rows.reduce((total, row) => total + row[i]! * row[j]!, 0);
          return i === j ? sum + (0.01 * rows.length) / 100 : sum;
        }),
      );
      coefficients = eliminate(
        squares,
        squares.map((_, i) => rows.reduce((total, row, k) => total + row[i]! * y[k]!, 0)),
      );
    }
    const now = x(t);
    forecast[t] = Math.max(0, now.reduce((sum, value, i) => sum + value * coefficients![i]!, now[1]!) * peak);
  }
  return forecast;
}

const demand = fakeDays({ days: 6, binsPerDay: 144, seed: 3 });
const capacity = Math.max(...demand) / 16;

test.each([1, 2])(
  'reactive and ridge have the cost and the unserved share of the experiment at a delay of %d bins',
  (delay) => {
    const stage: Stage = { demand, delay, start: demand.length / 2, capacity, peakReplicas: 16 };
    const forecast = plainRidge(demand, delay + 1);
    for (const target of targets.filter((_, index) => index % 5 === 0)) {
      for (const [policy, wanted] of [
        [reactive(stage, target), demand],
        [ridge(stage, target), forecast],
      ] as const) {
        const played = play(policy, stage);
        const want = wanted.map((value) => value / (capacity * target));
        const plain = plainPlay(demand, want, delay);
        expect(played.cost).toBeCloseTo(plain.cost, 9);
        expect(played.unserved).toBeCloseTo(plain.unserved, 9);
      }
    }
    expect(play(reactive(stage, 0.8), stage).unserved).toBeGreaterThan(0);
  },
);

test.each([0, 1, 2])('perfect foresight serves everything at a delay of %d bins', (delay) => {
  const played = play(foresight({ demand, delay, start: 432, capacity, peakReplicas: 16 }), {
    demand,
    delay,
    start: 432,
    capacity,
    peakReplicas: 16,
  });
  // But what comes before its first replicas can be ready.
  expect(played.short).toBeLessThanOrEqual(delay);
});

test('a play counts cost, what goes unserved, short bins and changes', () => {
  // One replica serves 1. At the end of bin 1 two are asked for: the new one is ready a bin later than the next.
  const stage: Stage = { demand: [1, 2, 2, 2, 1, 1], delay: 1, start: 0, capacity: 1, peakReplicas: 2 };
  const played = play((t) => stage.demand[t]!, stage);
  // Bins 1 to 5 have 1, 2, 2, 2, 1 replicas, of which 1, 1, 2, 2, 1 are ready.
  expect(played).toEqual({ cost: 8 / 10, unserved: 2 / 8, short: 2, actions: 2 });
});

test('what goes unserved at a cost is read between points, as good as the best that costs no more', () => {
  const at = (cost: number, unserved: number): Played => ({ cost, unserved, short: 0, actions: 0 });
  const points = [at(3, 0.1), at(1, 0.5), at(2, 0.3), at(4, 0.2)];
  expect(unservedAt(1.5, points)).toBeCloseTo(0.4);
  expect(unservedAt(3.5, points)).toBeCloseTo(0.1);
  expect(unservedAt(0.5, points)).toBe(0.5);
  expect(unservedAt(9, points)).toBe(0.1);
});
