import { registryMistakes } from '../checks.ts';
import { distinctWeights, fleetOf } from '../fleet.ts';
import { gpus } from '../gpus.ts';
import { needOf } from '../memory/fit.ts';
import { GB, GiB, MiB } from '../memory/units.ts';
import type { Registry } from '../registry.ts';

/** Whether the models of a server fit what it asks for. */
export interface Fit {
  server: string;
  /** Where they are loaded: `1 × L4`, or `memory`. */
  on: string;
  /** What they take with all of their context, and what there is, in GiB; of each GPU, what has to stay free included. */
  needGiB: number;
  haveGiB: number;
  /** What is wrong, with what would mend it; none where they fit. */
  problem?: string;
}

/** The fit of every server of a registry, by the rules that gen-values refuses by. */
export function fitOf(registry: Registry): Fit[] {
  const mistakes = registryMistakes(registry);
  return fleetOf(registry).map(({ name, models, serving }) => {
    const { gpu, memoryGB } = serving;
    const weights = distinctWeights(models.map(({ definition }) => definition)).map(({ facts }) => facts);
    const need = needOf(weights, serving, gpu?.count ?? 0);
    const have = gpu ? gpus[gpu.type].memoryMiB * MiB : memoryGB * GB;
    const problem = mistakes.find((line) =>
      models.some(({ alias }) => line.includes(`generator/registry/${alias}.ts`)),
    );
    return {
      server: name,
      on: gpu ? `${gpu.count} × ${gpu.type}` : 'memory',
      needGiB: (gpu ? need.gpu : need.host) / GiB,
      haveGiB: have / GiB,
      ...(problem && { problem }),
    };
  });
}
