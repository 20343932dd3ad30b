import { isReady } from '../cluster/namespace.ts';
import { Metrics } from '../doctor/metrics.ts';
import { type Forward, forward } from './forward.ts';
import type { Place } from './place.ts';
import type { Measured } from './verdict.ts';

/** Reads the metrics of pods, and keeps the ways to them. */
export class Gauge implements Disposable {
  readonly #place: Place;
  readonly #ways = new Map<string, Forward>();

  constructor(place: Place) {
    this.#place = place;
  }

  /** The metrics of those pods of a selector that are ready, by pod; of those whose way is just breaking, nothing. */
  async measure(selector: string): Promise<Measured> {
    const items = await this.#place.list('pods', selector);
    const names: string[] = items.filter(isReady).map((pod: { metadata: { name: string } }) => pod.metadata.name);
    const all = await Promise.all(names.map(async (name) => [name, await this.#read(name)] as const));
    return new Map(all.flatMap(([name, metrics]) => (metrics ? [[name, metrics]] : [])));
  }

  /** The metrics of the same pods once more. */
  async again(before: Measured): Promise<Measured> {
    const all = await Promise.all([...before.keys()].map(async (name) => [name, await this.#read(name)] as const));
    return new Map(all.flatMap(([name, metrics]) => (metrics ? [[name, metrics]] : [])));
  }

  async #read(pod: string): Promise<Metrics | undefined> {
    try {
      let way = this.#ways.get(pod);
      if (!way) {
        way = await forward(this.#place.where, this.#place.access.env, `pod/${pod}`, [9090]);
        this.#ways.set(pod, way);
      }
      const answer = await fetch(`${way.urls[0]}/metrics`, { signal: AbortSignal.timeout(10_000) });
      return Metrics.parse(await answer.text());
    } catch {
      this.#ways.get(pod)?.[Symbol.dispose]();
      this.#ways.delete(pod);
      return undefined;
    }
  }

  [Symbol.dispose](): void {
    for (const way of this.#ways.values()) way[Symbol.dispose]();
    this.#ways.clear();
  }
}
