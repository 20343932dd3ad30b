import { distinctWeights, type FleetServer } from '../fleet.ts';
import { gpus, migSlices } from '../gpus.ts';
import type { ModelFacts } from '../model.ts';
import type { CacheShape } from './cache.ts';
import { allLayers, estimate, totalBytes } from './estimate.ts';
import { gpuReserve, needOf } from './fit.ts';
import { GiB, MiB } from './units.ts';

/** Whether a model fits a GPU. */
export type Verdict =
  /** It does, and takes more than half of it: `leftBytes` remain, beside the GiB that has to stay free. */
  | { kind: 'alone'; leftBytes: number }
  /** It does, and what remains would hold it once more. */
  | { kind: 'shared'; leftBytes: number }
  /** Only the last so many of its layers do (the output is counted as one), with so many bytes; the host keeps the others. */
  | { kind: 'partly'; layers: number; of: number; gpuBytes: number; hostBytes: number }
  /** Not even one layer and what it takes to compute it. */
  | { kind: 'no' };

/** Whole GPUs and slices of them, by name. */
export const accelerators = { ...gpus, ...migSlices };
export type Accelerator = keyof typeof accelerators;

/** Whether a model that is served in a way fits one GPU or slice. */
export function verdictOf(facts: ModelFacts, shape: CacheShape, accelerator: Accelerator): Verdict {
  const have = accelerators[accelerator].memoryMiB * MiB;
  const { gpu: need } = needOf([facts], shape, 1);
  if (need <= have) {
    const leftBytes = have - need;
    return { kind: leftBytes >= need - gpuReserve ? 'shared' : 'alone', leftBytes };
  }
  return partly(facts, shape, have) ?? { kind: 'no' };
}

/** What a runner does that is left to itself: as many layers as leave a GiB free. (Of a mixture, it takes experts off first.) */
function partly(facts: ModelFacts, shape: CacheShape, have: number): Verdict | undefined {
  for (let layers = facts.layers; layers > 1; layers--) {
    const { gpus, host } = estimate(facts, shape, layers);
    const gpuBytes = totalBytes(gpus[0]!);
    if (gpuBytes + gpuReserve <= have) {
      return { kind: 'partly', layers, of: allLayers(facts), gpuBytes, hostBytes: totalBytes(host) };
    }
  }
  return undefined;
}

/** The verdict of each GPU and slice on a model. */
export function verdictsOf(facts: ModelFacts, shape: CacheShape): Record<Accelerator, Verdict> {
  const names = Object.keys(accelerators) as Accelerator[];
  return Object.fromEntries(names.map((name) => [name, verdictOf(facts, shape, name)])) as Record<Accelerator, Verdict>;
}

/** A verdict in a few words, for a cell of a table. Sizes in GiB. */
export function verdictCell(verdict: Verdict): string {
  const gib = (bytes: number) => `${(bytes / GiB).toFixed(1)} GiB`;
  switch (verdict.kind) {
    case 'alone':
    case 'shared':
      return `${verdict.kind}, ${gib(verdict.leftBytes)} left`;
    case 'partly': {
      const { layers, of, gpuBytes, hostBytes } = verdict;
      return `partly: ${layers} of ${of} layers, ${Math.round((100 * gpuBytes) / (gpuBytes + hostBytes))}% of memory`;
    }
    case 'no':
      return 'no';
  }
}

/** Models that a table is made of: a name for the row, and how each is served. */
export interface Served {
  name: string;
  facts: ModelFacts;
  shape: CacheShape;
}

/** What the servers of a registry run: each set of weights of each, with the context that its server gives it. */
export function servedBy(fleet: FleetServer[]): Served[] {
  return fleet.flatMap(({ models, serving: { context, parallel, kvCacheType } }) =>
    distinctWeights(models.map(({ definition }) => definition)).map(({ facts }) => {
      const { alias } = models.find(({ definition }) => definition.facts.name === facts.name)!;
      return { name: alias, facts, shape: { context, parallel, kvCacheType } };
    }),
  );
}

/**
 * The verdicts in a word each, as rows of cells: a head with the models, then a row for each GPU and slice. What is loaded in part has
 * the part of its memory that the GPU takes.
 */
export function verdictWords(models: Served[]): string[][] {
  const word = (verdict: Verdict) => {
    if (verdict.kind !== 'partly') return verdict.kind;
    const { gpuBytes, hostBytes } = verdict;
    return `partly, ${Math.round((100 * gpuBytes) / (gpuBytes + hostBytes))}%`;
  };
  return [
    ['', ...models.map(({ name }) => name)],
    ...(Object.keys(accelerators) as Accelerator[]).map((accelerator) => [
      accelerator,
      ...models.map(({ facts, shape }) => word(verdictOf(facts, shape, accelerator))),
    ]),
  ];
}

/** The table of verdicts as rows of cells: a head, then a row for each model, a column for each of the GPUs and slices. */
export function verdictRows(models: Served[], columns = Object.keys(accelerators) as Accelerator[]): string[][] {
  return [
    ['model', 'context × parallel', 'needs', ...columns],
    ...models.map(({ name, facts, shape }) => [
      name,
      `${shape.context} × ${shape.parallel}${shape.kvCacheType && shape.kvCacheType !== 'f16' ? ` ${shape.kvCacheType}` : ''}`,
      `${(needOf([facts], shape, 1).gpu / GiB).toFixed(1)} GiB`,
      ...columns.map((name) => verdictCell(verdictOf(facts, shape, name))),
    ]),
  ];
}
