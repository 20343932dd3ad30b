import type { Counts } from '../../shared/status.ts';

/** The first bucket has what took less than a millisecond, each further one eight of which make a factor of two. */
const firstSeconds = 0.001;
const perDoubling = 8;

/** Up to 0.001 × 2^24 seconds, which is more than four hours; the last bucket has what is longer. */
const buckets = 24 * perDoubling + 1;

/** Seconds in the middle of a bucket, so that a value is told to within 4.5 %; 0 for the first. */
const secondsOf = (bucket: number) => (bucket === 0 ? 0 : firstSeconds * 2 ** ((bucket - 0.5) / perDoubling));

/** Counts times in buckets whose width grows with them: an addition each, and quantiles of what several processes counted. */
export class Histogram {
  readonly #counts = new Uint32Array(buckets);

  add(seconds: number): void {
    const bucket = seconds < firstSeconds ? 0 : 1 + Math.floor(Math.log2(seconds / firstSeconds) * perDoubling);
    this.#counts[Math.min(bucket, buckets - 1)]!++;
  }

  get counts(): Counts {
    const counts: Counts = [];
    this.#counts.forEach((count, bucket) => {
      if (count > 0) counts.push([bucket, count]);
    });
    return counts;
  }
}

/** What was counted since another time; all of it where that is not given. */
export function difference(now: Counts, before: Counts = []): Counts {
  const had = new Map(before);
  return now.flatMap(([bucket, count]): Counts => {
    const more = count - (had.get(bucket) ?? 0);
    return more > 0 ? [[bucket, more]] : [];
  });
}

/** Seconds which this share of what was counted does not exceed; undefined where nothing was. */
export function quantile(counts: Counts, share: number): number | undefined {
  const total = counts.reduce((sum, [, count]) => sum + count, 0);
  let left = Math.ceil(total * share);
  for (const [bucket, count] of counts) {
    left -= count;
    if (left <= 0) return secondsOf(bucket);
  }
  return undefined;
}

/** A sum of counts, of which some are taken away again. */
export class Sum {
  readonly #counts = new Uint32Array(buckets);

  add(counts: Counts): void {
    for (const [bucket, count] of counts) this.#counts[bucket]! += count;
  }

  take(counts: Counts): void {
    for (const [bucket, count] of counts) this.#counts[bucket]! -= count;
  }

  get isEmpty(): boolean {
    return this.#counts.every((count) => count === 0);
  }

  /** The sum of several. */
  static of(sums: readonly Sum[]): Sum {
    const all = new Sum();
    for (const sum of sums)
      for (let bucket = 0; bucket < buckets; bucket++) all.#counts[bucket]! += sum.#counts[bucket]!;
    return all;
  }

  /** As of counts. */
  quantile(share: number): number | undefined {
    let left = Math.ceil(this.#counts.reduce((sum, count) => sum + count, 0) * share);
    if (left === 0) return undefined;
    for (let bucket = 0; bucket < buckets; bucket++) {
      left -= this.#counts[bucket]!;
      if (left <= 0) return secondsOf(bucket);
    }
    return undefined;
  }
}
