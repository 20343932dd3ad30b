import { defineModel } from '../model.ts';

export default defineModel({
  purpose: 'primary model',
  facts: {
    name: 'llama3:70b',
    sizeGB: 40,
    quantisation: 'Q4_0',
    layers: 80,
    heads: 64,
    kvHeads: 8,
    headDim: 128,
    embedding: { width: 8192, vocabulary: 128_256, input: 'Q4_0', output: 'Q6_K' },
    feedForward: 28_672,
    trainedContext: 8192,
    licence: 'Meta Llama 3 Community License',
    source: 'https://ollama.com/library/llama3:70b; config.json of meta-llama/Meta-Llama-3-70B-Instruct',
  },
  serving: {
    context: 8192,
    parallel: 1,
    replicas: { min: 1, max: 4 },
    cpu: 4,
    memoryGB: 40,
    // The smallest single GPU that holds 40 GB of weights and a context beside them.
    gpu: { type: 'L40S', count: 1 },
    priority: 'interactive',
    fallbacks: ['qwen'],
  },
});
