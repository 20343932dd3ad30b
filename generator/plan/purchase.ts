import { roomOf } from './capacity.ts';
import type { Item, Offer, PackedNode } from './pack.ts';
import type { Instance, Prices } from './prices.ts';
import type { Workload } from './workload.ts';

/** Ways to pay for nodes. */
export const purchases = ['onDemand', 'spot', 'commitment'] as const;
export type Purchase = (typeof purchases)[number];

/** US dollars from – to: what depends on days and contracts is no single figure. */
export interface Range {
  low: number;
  high: number;
}

export const range = (low: number, high = low): Range => ({ low, high });
export const add = (a: Range, b: Range): Range => range(a.low + b.low, a.high + b.high);
export const times = (a: Range, factor: number): Range => range(a.low * factor, a.high * factor);

/** Part of the time for which a spot node's work is on a node on demand, because there is no spot to be had: an assumption. */
export const fallbackShare = 0.1;

/**
 * US dollars an hour for a node: on demand the list price; spot from what spare nodes cost on an average to the same with its
 * fallback on demand for a tenth of the time, and on demand where none are let; by a commitment of a year, the widest to the least saving.
 */
export function usdPerHour({ usdPerHour, spot }: Instance, purchase: Purchase, { commitment }: Prices): Range {
  if (purchase === 'onDemand') return range(usdPerHour);
  const less = (percent: number) => usdPerHour * (1 - percent / 100);
  if (purchase === 'commitment')
    return range(less(commitment.savingsPercent.high), less(commitment.savingsPercent.low));
  if (!spot) return range(usdPerHour);
  const spare = less(spot.savingsPercent);
  return range(spare, spare * (1 - fallbackShare) + usdPerHour * fallbackShare);
}

/** What nodes can be had for the pods of a release, at the upper end of what they cost; beside spot nodes, those on demand. */
export function offersOf(prices: Prices, purchase: Purchase): Offer[] {
  const offers = Object.entries(prices.instances).map(([type, instance]) => ({
    type,
    usdPerHour: usdPerHour(instance, purchase, prices).high,
    room: roomOf(instance),
    ...(instance.gpu && { gpuType: instance.gpu.type }),
  }));
  if (purchase !== 'spot') return offers;
  return [...offers.map((offer) => ({ ...offer, spot: true })), ...offersOf(prices, 'onDemand')];
}

/** The pods of a workload, so many of them, that nodes are wanted for: those that stay off spot nodes, and the others. */
export function itemsOf({ name, need, gpuType, firmPods }: Workload, count: number, purchase: Purchase): Item[] {
  const item = { name, need, ...(gpuType && { gpuType }) };
  if (purchase !== 'spot') return [{ ...item, count }];
  const firm = Math.min(count, firmPods);
  return [
    { ...item, count: firm },
    { ...item, spot: true, count: count - firm },
  ];
}

/** US dollars an hour for nodes that were packed for a way to pay. */
export function usdPerHourOf(nodes: PackedNode[], purchase: Purchase, prices: Prices): Range {
  const paid = ({ spot }: Offer) => (purchase === 'spot' && !spot ? 'onDemand' : purchase);
  return nodes.reduce(
    (sum, { offer }) => add(sum, usdPerHour(prices.instances[offer.type]!, paid(offer), prices)),
    range(0),
  );
}
