import { registryMistakes } from '../checks.ts';
import { distinctWeights, fleetOf } from '../fleet.ts';
import { gpus } from '../gpus.ts';
import { GB, GiB, loadedBytes, MiB } from '../memory.ts';
import type { Registry } from '../registry.ts';

/** Whether the models of a server fit what it asks for. */
export interface Fit {
  server: string;
  /** Where they are loaded: `1 × L4`, or `memory`. */
  on: string;
  /** What they take with all of their context, and what there is, in GiB. */
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
    const need = distinctWeights(models.map(({ definition }) => definition)).reduce(
      (sum, model) => sum + loadedBytes(model.facts, { ...model.serving, ...serving }),
      0,
    );
    const have = gpu ? gpus[gpu.type].memoryMiB * MiB * gpu.count : memoryGB * GB;
    const problem = mistakes.find((line) =>
      models.some(({ alias }) => line.includes(`generator/registry/${alias}.ts`)),
    );
    return {
      server: name,
      on: gpu ? `${gpu.count} × ${gpu.type}` : 'memory',
      needGiB: need / GiB,
      haveGiB: have / GiB,
      ...(problem && { problem }),
    };
  });
}
