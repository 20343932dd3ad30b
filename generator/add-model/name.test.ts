import { describe, expect, it } from 'vitest';
import type { GgufHeader, MetadataValue } from './header.ts';
import { namesOf } from './name.ts';

const header = (metadata: Record<string, MetadataValue> = {}): GgufHeader => ({
  metadata: new Map(Object.entries(metadata)),
  lengths: new Map(),
  tensors: [],
  dataOffset: 0,
  size: 0,
});
const digest = `sha256:${'0a'.repeat(32)}`;

describe('a model is pulled', () => {
  it.each([
    [
      'from Hugging Face by owner, repository and quantisation',
      'https://huggingface.co/bartowski/Llama-3.2-3B-Instruct-GGUF/resolve/main/Llama-3.2-3B-Instruct-Q4_K_M.gguf?download=true',
      'hf.co/bartowski/Llama-3.2-3B-Instruct-GGUF:Q4_K_M',
    ],
    [
      'from Hugging Face without a quantisation that its file does not name',
      'https://huggingface.co/owner/model/blob/main/model.gguf',
      'hf.co/owner/model',
    ],
    [
      'from the public registry by its short name',
      `https://registry.ollama.ai/v2/library/llama3.2/blobs/${digest}`,
      'llama3.2',
    ],
    ['of somebody in the public registry', `https://registry.ollama.ai/v2/some/one/blobs/${digest}`, 'some/one'],
    [
      'from a registry of your own by its host',
      `https://models.example.com:5000/v2/team/one/blobs/${digest}`,
      'models.example.com:5000/team/one',
    ],
    ['by its key where its address tells nothing', 'https://files.example.com/one.gguf', 'one'],
    ['by its key where it is a file', '/models/Some Model.Q8_0.gguf', 'some-model-q8-0'],
  ])('%s', (_how, place, pull) => {
    expect(namesOf(place, header()).pull).toBe(pull);
  });
});

describe('the key of a model', () => {
  it('is what is asked for', () => {
    expect(namesOf('/models/a.gguf', header(), 'mine')).toEqual({ key: 'mine', pull: 'mine' });
  });

  it('is made of what its header says, else of its file', () => {
    const said = header({ 'general.basename': 'Llama-3.2', 'general.size_label': '3B' });
    expect(namesOf('/models/a.gguf', said).key).toBe('llama-3-2-3b');
    expect(namesOf('/models/Mistral_7B.gguf', header()).key).toBe('mistral-7b');
  });

  it('is as long as one may be, and may be none', () => {
    expect(namesOf(`/models/${'a'.repeat(80)}.gguf`, header()).key).toHaveLength(56);
    expect(namesOf('/models/你好.gguf', header()).key).toBe('');
  });
});
