import { roomOf } from './capacity.ts';
import { type Offer, type PackedNode, pack } from './pack.ts';
import type { Instance, Prices } from './prices.ts';
import type { Workload } from './workload.ts';

/** Hours that clouds count a month as. */
export const hoursPerMonth = 730;

/** The system's own disk of each node, in GiB: an assumption, for Ollama's image is 4 of them. */
export const systemDiskGiB = 30;

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

/** Zones that pods are spread over: no more of them are on a node than in a zone, nor than the chart's skew of nodes has it. */
const zones = 3;
const mostOnNode = 4;

/** What nodes can be had for the pods of a release, at the upper end of what they cost. */
export function offersOf(prices: Prices, purchase: Purchase): Offer[] {
  return Object.entries(prices.instances).map(([type, instance]) => ({
    type,
    usdPerHour: usdPerHour(instance, purchase, prices).high,
    room: roomOf(instance),
    ...(instance.gpu && { gpuType: instance.gpu.type }),
  }));
}

/** A node, and how it is paid for: of a fleet on spot, what must not be taken away is on demand. */
export interface BoughtNode extends PackedNode {
  purchase: Purchase;
}

/** Nodes that hold pods, and what no others cost less than, both in US dollars an hour at the upper end and with the disks of nodes. */
export interface Bought {
  nodes: BoughtNode[];
  usdPerHour: number;
  lowerBound: number;
}

/**
 * The cheapest nodes for the fewest or most pods of some workloads. For spot, the pods that never go there have nodes of their own.
 * Throws where a pod fits no node.
 */
export async function buy(
  workloads: Workload[],
  end: 'min' | 'max',
  prices: Prices,
  purchase: Purchase,
): Promise<Bought> {
  const bought = async (as: Purchase, count: (workload: Workload) => number): Promise<Bought> => {
    const items = workloads.map((workload) => {
      const { name, need, gpuType, spread } = workload;
      const wanted = count(workload);
      return {
        ...{ name, need, count: wanted },
        ...(gpuType && { gpuType }),
        ...(spread && { together: Math.min(Math.ceil(wanted / zones), mostOnNode) }),
      };
    });
    const offers = new Map(offersOf(prices, as).map((offer) => [offer.type, offer]));
    // Many small nodes often cost what a few large ones do, but for their disks.
    const disk = (systemDiskGiB * prices.storage.volumeUsdPerGiBMonth) / hoursPerMonth;
    const withDisk = [...offers.values()].map((offer) => ({ ...offer, usdPerHour: offer.usdPerHour + disk }));
    const { nodes, ...cost } = await pack(items, withDisk);
    return { nodes: nodes.map((node) => ({ ...node, offer: offers.get(node.offer.type)!, purchase: as })), ...cost };
  };
  if (purchase !== 'spot') return bought(purchase, ({ pods }) => pods[end]);
  const kept = await bought('onDemand', ({ onDemand }) => onDemand[end]);
  const spare = await bought('spot', ({ pods, onDemand }) => pods[end] - onDemand[end]);
  return {
    nodes: [...kept.nodes, ...spare.nodes],
    usdPerHour: kept.usdPerHour + spare.usdPerHour,
    lowerBound: kept.lowerBound + spare.lowerBound,
  };
}

/** What nodes cost together, US dollars an hour. */
export const usdOf = (nodes: BoughtNode[], prices: Prices): Range =>
  nodes.map(({ offer, purchase }) => usdPerHour(prices.instances[offer.type]!, purchase, prices)).reduce(add, range(0));
