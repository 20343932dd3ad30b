import type { Instance, Prices } from './prices.ts';
import { add, type BoughtNode, type Range, range } from './purchase.ts';

/** What is taken for the upper end of a band that has none (`>20%`), in percent: an assumption. */
const openEnd = 40;

/** Nodes of a type that are taken back in a month, in parts of one, by the band that the prices have: `5-10%`, `<5%` or `>20%`. */
export function takenBack({ spot }: Instance): Range {
  if (!spot) return range(0);
  const [first, second] = [...spot.interruptions.matchAll(/\d+/g)].map(([digits]) => Number(digits) / 100);
  if (spot.interruptions.startsWith('<')) return range(0, first);
  if (spot.interruptions.startsWith('>')) return range(first!, openEnd / 100);
  return range(first!, second);
}

/** How many of some nodes a cloud takes back in a month, those alone that are on spot. */
export const interruptionsAMonth = (nodes: BoughtNode[], prices: Prices): Range =>
  nodes
    .filter(({ purchase }) => purchase === 'spot')
    .map(({ offer }) => takenBack(prices.instances[offer.type]!))
    .reduce(add, range(0));
