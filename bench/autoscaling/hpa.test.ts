import { expect, test } from 'vitest';
import { Hpa, type HpaSpec, type ScalingRules } from './hpa.ts';

// Cases worked out by hand; those marked with a name have the numbers of that test in horizontal_test.go of Kubernetes 1.37.2.

const rules = (policies: ScalingRules['policies'], stabilizationWindowSeconds = 0): ScalingRules => ({
  stabilizationWindowSeconds,
  selectPolicy: 'Max',
  policies,
});
const pods = (value: number, periodSeconds = 60) => ({ type: 'Pods' as const, value, periodSeconds });
const percent = (value: number, periodSeconds = 60) => ({ type: 'Percent' as const, value, periodSeconds });
const free = rules([percent(100_000), pods(1000)]);
const spec = (more: Partial<HpaSpec>): HpaSpec => ({
  minReplicas: 1,
  maxReplicas: 1000,
  tolerance: 0.1,
  scaleUp: free,
  scaleDown: free,
  ...more,
});
const once = (more: Partial<HpaSpec>, current: number, ...metrics: (number | undefined)[]) =>
  new Hpa(spec(more)).decide(0, current, metrics);

test.each([
  ['keeps 10 at 10.9, which is within a tenth', 10, [10.9], 10],
  ['keeps 10 at 9.1', 10, [9.1], 10],
  ['has 12 for 10 at 11.2, rounded up', 10, [11.2], 12],
  ['has 9 for 10 at 8.9, rounded up', 10, [8.9], 9],
  ['follows the highest metric', 4, [2, 7, 5], 7],
  ['keeps to the highest metric that is within tolerance', 10, [2, 9.5], 10],
] as const)('the HPA %s', (_, current, metrics, expected) => {
  expect(once({}, current, ...metrics)).toBe(expected);
});

test.each([
  ['holds when no metric can be read', [undefined], 5],
  ['does not go down on some of its metrics', [undefined, 2], 5],
  ['goes up on some of its metrics', [undefined, 8], 8],
] as const)('the HPA %s', (_, metrics, expected) => {
  expect(once({}, 5, ...metrics)).toBe(expected);
});

test.each([
  ['leaves alone what was scaled to zero', { minReplicas: 1 }, 0, 5, 0],
  ['wakes from zero when its minimum is zero', { minReplicas: 0 }, 0, 0.2, 1],
  ['stays at zero for nothing', { minReplicas: 0 }, 0, 0, 0],
  ['goes to zero for nothing', { minReplicas: 0 }, 1, 0, 0],
  ['comes down to its maximum', { maxReplicas: 8 }, 10, 20, 8],
  ['comes up to its minimum', { minReplicas: 3 }, 2, 1, 3],
] as const)('the HPA %s', (_, more, current, metric, expected) => {
  expect(once(more, current, metric)).toBe(expected);
});

// TestScalingWithRules
test.each([
  ['up', 10, 50, [percent(100, 15), pods(4, 15)], 20],
  ['up', 10, 500, [pods(100), percent(100)], 110],
  ['up', 10, 500, [pods(2), percent(100)], 20],
  ['up', 10, 50, [pods(30)], 40],
  ['up', 10, 500, [percent(200)], 30],
  ['up', 3, 1000, [percent(1)], 4],
  ['down', 100, 2, [pods(20), percent(1)], 80],
  ['down', 100, 2, [pods(2), percent(1)], 98],
  ['down', 10, 2, [pods(5)], 5],
  ['down', 10, 5, [percent(50)], 5],
] as const)('the HPA goes %s from %d for %d under policies %j', (way, current, metric, policies, expected) => {
  expect(once(way === 'up' ? { scaleUp: rules(policies) } : { scaleDown: rules(policies) }, current, metric)).toBe(
    expected,
  );
});

test('the HPA never wakes from zero under policies in percent alone', () => {
  expect(once({ minReplicas: 0, scaleUp: rules([percent(100)]) }, 0, 5)).toBe(0);
  expect(once({ minReplicas: 0, scaleUp: rules([percent(100), pods(2)]) }, 0, 5)).toBe(2);
});

test('the HPA takes the least change with selectPolicy Min, and none with Disabled', () => {
  const both = { ...rules([pods(2), percent(100)]), selectPolicy: 'Min' as const };
  expect(once({ scaleUp: both }, 10, 50)).toBe(12);
  expect(once({ scaleDown: both }, 10, 1)).toBe(8);
  const none = { ...both, selectPolicy: 'Disabled' as const };
  expect(once({ scaleUp: none, scaleDown: none }, 10, 50)).toBe(10);
  expect(once({ scaleUp: none, scaleDown: none }, 10, 1)).toBe(10);
});

test('the HPA counts a period from the replicas that there were when it began', () => {
  const hpa = new Hpa(spec({ scaleUp: rules([percent(100, 60)]) }));
  expect(hpa.decide(0, 2, [20])).toBe(4);
  expect(hpa.decide(15, 4, [20])).toBe(4);
  expect(hpa.decide(59, 4, [20])).toBe(4);
  // What changed a whole period ago is no longer in it.
  expect(hpa.decide(60, 4, [20])).toBe(8);
});

test('the HPA never goes down for a limit on going up that was passed before', () => {
  const hpa = new Hpa(spec({ scaleUp: rules([pods(15, 120)]) }));
  expect(hpa.decide(0, 85, [500])).toBe(100);
  expect(hpa.decide(10, 100, [500])).toBe(100);
});

// TestNormalizeDesiredReplicasWithBehavior: recommendations of 4 and 5, two minutes and one minute ago.
test('the HPA goes down to the highest recommendation of the window, and no further', () => {
  const hpa = new Hpa(spec({ scaleDown: { ...free, selectPolicy: 'Max', stabilizationWindowSeconds: 180 } }));
  hpa.decide(0, 4, [4]);
  hpa.decide(60, 4, [5]);
  expect(hpa.decide(120, 100, [3])).toBe(5);
  // The 5 leaves the window when it is as old as that.
  expect(hpa.decide(239, 5, [3])).toBe(5);
  expect(hpa.decide(240, 5, [3])).toBe(3);
});

test('the HPA goes up to the lowest recommendation of the window, and no further', () => {
  const hpa = new Hpa(spec({ scaleUp: { ...free, stabilizationWindowSeconds: 300 } }));
  hpa.decide(0, 4, [4]);
  hpa.decide(60, 4, [5]);
  expect(hpa.decide(120, 1, [7])).toBe(4);
});
