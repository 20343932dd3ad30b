import { defineModel, type ModelDefinition, type ModelFacts, type Serving } from '../../generator/model.ts';
import type { Registry } from '../../generator/registry.ts';

/** A model without a mistake: 1 GB of weights on two cores, changed as a test needs it. */
export function model(
  facts: Partial<ModelFacts> = {},
  serving: Partial<Serving> = {},
  modelfile?: ModelDefinition['modelfile'],
): ModelDefinition {
  return defineModel({
    purpose: 'a test',
    facts: {
      name: 'tiny:1b',
      sizeGB: 1,
      quantisation: 'Q4_0',
      layers: 16,
      heads: 16,
      kvHeads: 8,
      headDim: 64,
      embedding: { width: 1024, vocabulary: 32_000, input: 'Q4_0', output: 'Q6_K' },
      feedForward: 4096,
      trainedContext: 8192,
      licence: 'Apache-2.0',
      source: 'made up',
      ...facts,
    },
    serving: {
      context: 4096,
      parallel: 1,
      replicas: { min: 1, max: 2 },
      cpu: 2,
      memoryGB: 4,
      priority: 'standard',
      ...serving,
    },
    ...(modelfile && { modelfile }),
  });
}

/** A registry of these models and packs. */
export const registryOf = (models: Registry['models'], packs: Registry['packs'] = {}): Registry => ({ models, packs });
