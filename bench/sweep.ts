/** A point that a policy reaches with one setting of its knob. */
export interface Point {
  cost: number;
  loss: number;
}

/**
 * What is lost at a cost, from the points that a knob sweeps out: straight between them, each as good as the best of those
 * that cost no more; the outermost beyond them.
 */
export function lossAt(cost: number, points: readonly Point[]): number {
  let best = Number.POSITIVE_INFINITY;
  const curve = points
    .toSorted((a, b) => a.cost - b.cost || a.loss - b.loss)
    .map((point) => {
      best = Math.min(best, point.loss);
      return { cost: point.cost, loss: best };
    });
  const after = curve.findIndex((point) => point.cost > cost);
  if (after === -1) return curve.at(-1)!.loss;
  if (after === 0) return curve[0]!.loss;
  const [low, high] = [curve[after - 1]!, curve[after]!];
  return low.loss + ((cost - low.cost) / (high.cost - low.cost)) * (high.loss - low.loss);
}
