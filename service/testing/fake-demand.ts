/** Numbers from 0 to 1 that look drawn, the same for the same seed (Park and Miller's minimal standard generator). */
export function randomFrom(seed: number): () => number {
  let state = seed * 7919 + 1;
  return () => {
    state = (state * 48_271) % 2_147_483_647;
    return state / 2_147_483_647;
  };
}

/** Days of demand in bins, with a night, a working day, a peak in the morning that is higher on some days, and noise. */
export function fakeDays({ days, binsPerDay, seed }: { days: number; binsPerDay: number; seed: number }): number[] {
  const random = randomFrom(seed);
  return Array.from({ length: days }, () => 0.7 + 0.6 * random()).flatMap((height) =>
    Array.from({ length: binsPerDay }, (_, bin) => {
      const hour = (24 * bin) / binsPerDay;
      const day = 40 + 40 * Math.sin(((hour - 9) * Math.PI) / 12);
      const morning = 120 * height * Math.exp(-(((hour - 9) / 0.8) ** 2));
      return Math.max(0, day + morning + 10 * (random() - 0.5));
    }),
  );
}
