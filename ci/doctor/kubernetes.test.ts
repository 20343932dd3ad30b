import { expect, it } from 'vitest';
import { amount, tolerates } from './kubernetes.ts';

it.each([
  ['2', 2],
  ['250m', 0.25],
  ['8Gi', 8 * 2 ** 30],
  ['8G', 8e9],
  ['1e3', 1000],
  ['128974848', 128974848],
  ['12345678n', 0.012345678],
  [undefined, 0],
  ['many', 0],
])('takes the quantity %s for %d', (quantity, number) => {
  expect(amount(quantity)).toBeCloseTo(number, 9);
});

const gpu = { key: 'nvidia.com/gpu', value: 'present', effect: 'NoSchedule' };

it.each([
  ['nothing', [], false],
  ['everything', [{ operator: 'Exists' }], true],
  ['the key', [{ key: gpu.key, operator: 'Exists' }], true],
  ['the key with its value', [{ key: gpu.key, value: 'present' }], true],
  ['the key with another value', [{ key: gpu.key, value: 'other' }], false],
  ['another key', [{ key: 'spot', operator: 'Exists' }], false],
  ['the key with another effect', [{ key: gpu.key, operator: 'Exists', effect: 'NoExecute' }], false],
])('takes a taint as a pod does that tolerates %s', (_, tolerations, does) => {
  expect(tolerates(tolerations, [gpu])).toBe(does);
});

it('minds no taint that only asks to go elsewhere', () => {
  expect(tolerates([], [{ ...gpu, effect: 'PreferNoSchedule' }])).toBe(true);
});
