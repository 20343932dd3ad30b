import { describe, expect, it } from 'vitest';
import { folderOf, layout, maxClusters } from './layout.ts';
import { overlap } from './state.ts';

describe('layout', () => {
  it('gives every cluster addresses of its own, within what is set aside', () => {
    const ranges = Array.from({ length: maxClusters }, (_, number) => layout('x', number)).flatMap((place) => [
      `${place.nodeAddress}/24`,
      place.podCidr,
      place.serviceCidr,
    ]);
    for (const [index, one] of ranges.entries()) {
      expect(overlap(one, '10.245.0.0/16') || overlap(one, '10.246.0.0/15')).toBe(true);
      expect(ranges.slice(index + 1).filter((other) => overlap(one, other))).toEqual([]);
    }
  });

  it('keeps sockets short and the interface within what the kernel takes', () => {
    expect(layout('x', maxClusters - 1).interface.length).toBeLessThan(16);
  });

  it.each(['', 'A', 'a/b', '..', '-a', 'a'.repeat(33)])('refuses %j as a name', (name) => {
    expect(() => folderOf(name)).toThrow('not a name for a cluster');
  });
});

describe('overlap', () => {
  it.each([
    ['10.246.0.0/22', '10.246.3.255', true],
    ['10.246.0.0/22', '10.246.4.0/24', false],
    ['10.0.0.0/8', '10.246.4.0/22', true],
    ['192.0.2.2', '192.0.2.2/32', true],
    ['0.0.0.0/0', '10.247.0.0/22', true],
  ])('%s and %s: %s', (one, other, expected) => {
    expect(overlap(one, other)).toBe(expected);
    expect(overlap(other, one)).toBe(expected);
  });
});
