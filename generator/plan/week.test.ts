import { expect, test } from 'vitest';
import { offHours } from '../schedules.ts';
import { quietWeek } from './week.ts';
import type { Release, Workload } from './workload.ts';

const workload = (name: string, more: Partial<Workload> = {}): Workload => ({
  ...{ name, models: [name], pods: { min: 2, max: 8 }, onDemand: { min: 0, max: 0 }, schedule: {}, spread: false },
  ...{ need: { cpu: 1, memory: 1, gpus: 0, pods: 1 }, volumeGiB: 0 },
  ...more,
});
const release = (...workloads: Workload[]): Release => ({
  environment: 'a',
  workloads,
  sharedGiB: 0,
  loadBalancers: 0,
});
const found = (stretches: ReturnType<typeof quietWeek>) =>
  stretches.map(({ hours, workloads }) => [hours, ...workloads.map(({ pods }) => pods.min)]);

test('a week without windows is one stretch, less its busy hours', () => {
  expect(found(quietWeek(release(workload('a')), 40))).toEqual([[128, 2]]);
  expect(found(quietWeek(release(workload('a')), 168))).toEqual([]);
});

test('busy hours come out of those for which most pods are scheduled', () => {
  const nightly = workload('a', { schedule: offHours(1) });
  // From 7 to 20 on five days: 65 hours, and 103 of nights and the weekend.
  expect(found(quietWeek(release(nightly, workload('b')), 40))).toEqual([
    [103, 1, 2],
    [25, 2, 2],
  ]);
  expect(found(quietWeek(release(nightly, workload('b')), 70))).toEqual([[98, 1, 2]]);
});

test('a pod that stays on demand has one beside it, and one that is on demand as a whole has none', () => {
  const kept = workload('a', { schedule: offHours(1), onDemand: { min: 1, max: 1 } });
  expect(found(quietWeek(release(kept), 0))).toEqual([[168, 2]]);
  const whole = workload('a', { schedule: offHours(0), onDemand: { min: 2, max: 8 } });
  const [quiet] = quietWeek(release(whole), 0);
  expect([quiet!.hours, quiet!.workloads[0]!.onDemand]).toEqual([103, { min: 0, max: 8 }]);
});

test('of many different stretches the longest are told, and the rest is as without windows', () => {
  const many = Array.from({ length: 9 }, (_, hour) =>
    workload(`w${hour}`, { schedule: { w: { days: ['mon'], from: `0${hour}:00`, to: '23:00', min: 1 } } }),
  );
  const stretches = quietWeek(release(...many), 0);
  expect(stretches.length).toBeLessThanOrEqual(7);
  expect(stretches.reduce((sum, { hours }) => sum + hours, 0)).toBeCloseTo(168, 9);
});
