/** How long to wait before the next try. */
export interface Backoff {
  /** Before the first one, in ms; it doubles with each. */
  firstMs: number;
  longestMs: number;
}

/** The wait after so many tries, in ms: up to half of it is left to chance, so that not all come at once. */
export function waitMs({ firstMs, longestMs }: Backoff, tries: number, random: () => number = Math.random): number {
  return Math.min(longestMs, firstMs * 2 ** tries) * (1 - random() / 2);
}
