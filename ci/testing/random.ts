/** Random choices that are the same for the same seed, so that what a test finds it finds again. */
export interface Random {
  /** A whole number from 0 up to, but not including, this. */
  below(limit: number): number;
  of<T>(list: readonly T[]): T;
}

/** Numbers from 0 up to, but not including, 1. By mulberry32: 32 bits of state are plenty for tests. */
export function numbersFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export function randomFrom(seed: number): Random {
  const next = numbersFrom(seed);
  const below = (limit: number) => Math.floor(next() * limit);
  return { below, of: (list) => list[below(list.length)]! };
}
