import type { Point } from '../sweep.ts';
import type { Requests } from './requests.ts';

/** Seconds after a request, from one up to another, in which the model is loaded if no other request comes before. */
export type Span = readonly [from: number, to: number];

/**
 * How long a model stays. Takes the times of its requests in seconds; gives what is to be done after the one of that index, and
 * is asked about each in turn. Whoever decides in earnest looks at those before alone.
 */
export type Policy = (times: readonly number[]) => (index: number) => readonly Span[];

/**
 * Plays a policy over all models. Cost is the part of the time that they are loaded, all models alike; loss the part of all
 * requests that find theirs not loaded. A load takes no time.
 */
export function play(policy: Policy, { byModel, from, to }: Requests): Point {
  let [cold, all, loaded] = [0, 0, 0];
  for (const times of byModel.values()) {
    const after = policy(times);
    if (times[0]! >= from) cold++;
    for (const [index, at] of times.entries()) {
      if (at >= from) all++;
      const next = times[index + 1];
      const until = (next ?? to) - at;
      const spans = after(index);
      for (const [start, end] of spans) {
        const [first, last] = [Math.max(at + start, from), Math.min(at + Math.min(end, until), to)];
        loaded += Math.max(0, last - first);
      }
      if (next !== undefined && next >= from && !spans.some(([start, end]) => start <= until && until <= end)) cold++;
    }
  }
  return { cost: loaded / ((to - from) * byModel.size), loss: all > 0 ? cold / all : 0 };
}
