import { defineModel } from '../model.ts';

export default defineModel({
  // The requirements' "GPT-OSS 35B" does not exist: 20b fits the 22 GB that were asked for it, 120b (65 GB) does not.
  purpose: 'reasoning model',
  facts: {
    name: 'gpt-oss:20b',
    sizeGB: 14,
    quantisation: 'MXFP4',
    layers: 24,
    heads: 64,
    kvHeads: 8,
    headDim: 64,
    embedding: { width: 2880, vocabulary: 201_088, input: 'BF16', output: 'BF16' },
    feedForward: 2880,
    experts: { count: 32, used: 4 },
    slidingWindow: { tokens: 128, every: 2 },
    trainedContext: 131_072,
    licence: 'Apache-2.0',
    source: 'https://ollama.com/library/gpt-oss:20b; config.json of openai/gpt-oss-20b',
  },
  serving: {
    context: 16_384,
    parallel: 4,
    replicas: { min: 1, max: 5 },
    cpu: 2,
    memoryGB: 22,
    gpu: { type: 'L4', count: 1 },
    priority: 'interactive',
  },
});
