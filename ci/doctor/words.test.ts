import { expect, it } from 'vitest';
import { ago, bytes, counted, listed, oneLine } from './words.ts';

it('lists names, and counts those that are too many', () => {
  expect([[], ['a'], ['a', 'b'], ['a', 'b', 'c', 'd']].map((names) => listed(names))).toEqual([
    'none',
    'a',
    'a and b',
    'a, b, c and d',
  ]);
  expect(listed(['a', 'b', 'c', 'd', 'e', 'f'])).toBe('a, b, c and 3 more');
  expect([counted(1, 'pod'), counted(0, 'pod')]).toEqual(['1 pod', '0 pods']);
});

it('says times and sizes as people do', () => {
  expect([0, 119_000, 120_000, 7_199_000, 7_200_000, 200_000_000].map(ago)).toEqual([
    '0 s',
    '119 s',
    '2 min',
    '120 min',
    '2 h',
    '2 days',
  ]);
  expect([90e6, 2 ** 30, 1.5 * 2 ** 30, 37.2 * 2 ** 30].map(bytes)).toEqual(['86Mi', '1Gi', '1.5Gi', '37Gi']);
});

it('puts what others write on one line that steers no terminal', () => {
  expect(oneLine('a\n\tb\x1b[31mc\x07')).toBe('a b [31mc');
  expect(oneLine(`blob sha256:${'ab'.repeat(32)} is gone`)).toBe('blob sha256:abababab… is gone');
  expect(oneLine('x'.repeat(500))).toHaveLength(400);
});
