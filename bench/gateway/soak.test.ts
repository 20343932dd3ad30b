import { expect, it } from 'vitest';
import { slope } from './soak.ts';

it('tells how memory grows, through what goes up and down', () => {
  const samples = Array.from({ length: 101 }, (_, seconds) => ({ seconds, memoryMB: 80 + 0.5 * seconds }));
  expect(slope(samples)).toBeCloseTo(0.5);
  const sawtooth = samples.map(({ seconds }) => ({ seconds, memoryMB: 80 + (seconds % 10) }));
  expect(Math.abs(slope(sawtooth))).toBeLessThan(0.01);
  expect(slope(samples.slice(0, 1))).toBe(0);
});
