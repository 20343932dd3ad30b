import type { ModelFacts } from './model.ts';

/** Small models that business models are built on. Models on the same base share its layers on disk. */
export const bases = {
  'llama3.2:3b': {
    name: 'llama3.2:3b',
    sizeGB: 2.0,
    layers: 28,
    kvHeads: 8,
    headDim: 128,
    trainedContext: 131_072,
    licence: 'Llama 3.2 Community License',
    source: 'https://ollama.com/library/llama3.2:3b; config.json of meta-llama/Llama-3.2-3B-Instruct',
  },
  'llama3.2:1b': {
    name: 'llama3.2:1b',
    sizeGB: 1.3,
    layers: 16,
    kvHeads: 8,
    headDim: 64,
    trainedContext: 131_072,
    licence: 'Llama 3.2 Community License',
    source: 'https://ollama.com/library/llama3.2:1b; config.json of meta-llama/Llama-3.2-1B-Instruct',
  },
  'qwen2.5:0.5b': {
    name: 'qwen2.5:0.5b',
    sizeGB: 0.4,
    layers: 24,
    kvHeads: 2,
    headDim: 64,
    trainedContext: 32_768,
    licence: 'Apache-2.0',
    source: 'https://ollama.com/library/qwen2.5:0.5b; config.json of Qwen/Qwen2.5-0.5B-Instruct',
  },
} as const satisfies Record<string, ModelFacts>;
