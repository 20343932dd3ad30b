import { defineModel } from '../model.ts';

export default defineModel({
  purpose: 'secondary model',
  facts: {
    name: 'qwen2.5:32b',
    sizeGB: 20,
    quantisation: 'Q4_K_M',
    layers: 64,
    heads: 40,
    kvHeads: 8,
    headDim: 128,
    embedding: { width: 5120, vocabulary: 152_064, input: 'Q4_K', output: 'Q6_K' },
    feedForward: 27_648,
    trainedContext: 32_768,
    licence: 'Apache-2.0',
    source: 'https://ollama.com/library/qwen2.5:32b; config.json of Qwen/Qwen2.5-32B-Instruct',
  },
  serving: {
    context: 8192,
    parallel: 1,
    replicas: { min: 1, max: 5 },
    cpu: 2,
    memoryGB: 20,
    gpu: { type: 'L4', count: 1 },
    priority: 'interactive',
  },
});
