import { describe, expect, it } from 'vitest';
import { canonicalName, namespaceOf } from './names.ts';

describe('canonicalName', () => {
  it.each([
    ['llama3', 'registry.ollama.ai/library/llama3:latest'],
    ['Llama3:70B', 'registry.ollama.ai/library/llama3:70b'],
    ['me/model', 'registry.ollama.ai/me/model:latest'],
    ['host.example:5000/me/model', 'host.example:5000/me/model:latest'],
    ['https://host.example:5000/me/model:v1', 'host.example:5000/me/model:v1'],
    ['registry.ollama.ai/library/llama3:latest', 'registry.ollama.ai/library/llama3:latest'],
  ])('spells %s as %s', (name, canonical) => {
    expect(canonicalName(name)).toBe(canonical);
  });
});

describe('namespaceOf', () => {
  it('is library for a bare name, else what stands before the model', () => {
    expect(['llama3:70b', 'me/model', 'host/me/model'].map(namespaceOf)).toEqual(['library', 'me', 'me']);
  });
});
