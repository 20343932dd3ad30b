import { expect, it } from 'vitest';
import { renamed, sample, samplesOf } from './exposition.ts';

it('counts samples, not what is said about them', () => {
  const text = '# HELP a of it\n# TYPE a counter\na{model="x"} 1\na{model="y"} 2\n\nb 3\n';
  expect(samplesOf(text)).toEqual(['a{model="x"} 1', 'a{model="y"} 2', 'b 3']);
});

it('gives labels another value, and leaves those that have another already', () => {
  const text = 'a{model="x",server="x"} 1\na{model="xx"} 2\n';
  expect(renamed(text, { model: ['x', 'z'] })).toBe('a{model="z",server="x"} 1\na{model="xx"} 2\n');
});

it('writes a sample as Prometheus reads it', () => {
  expect(sample('up', { job: 'pods', pod: 'a-1' }, 1)).toBe('up{job="pods",pod="a-1"} 1');
});
