import { expect, it } from 'vitest';
import { testCluster } from '../ci/cluster/testing.ts';
import { purchases } from './karpenter/purchases.ts';
import { figuresOf } from './karpenter.ts';
import { table } from './table.ts';

it('foretells within a tenth what Karpenter buys for production, and what it leaves once it has consolidated', {
  timeout: 1_800_000,
}, async () => {
  const figures = figuresOf(await purchases(await testCluster(), console.log));
  console.log(table(figures));
  expect(figures.filter(({ met }) => !met)).toEqual([]);
});
