import { describe, expect, it } from 'vitest';
import type { GatewayConfig } from '../../schema/config.ts';
import { checkGatewayConfig, isOllamaName, Routing } from './routing.ts';

const config: GatewayConfig = {
  models: {
    summary: { name: 'fineprint/summary', server: 'ollama-summary' },
    llama: { name: 'llama3:70b', server: 'ollama-llama' },
    // The key of one model may be the name of another: the key wins.
    llama3: { name: 'other:latest', server: 'ollama-llama' },
  },
  servers: {
    'ollama-llama': { url: 'http://ollama-llama:8080' },
    'ollama-summary': { url: 'http://ollama-summary:8080' },
  },
  generationTimeoutSeconds: 600,
  maxBodyMiB: 32,
  logLevel: 'info',
};

describe('Routing', () => {
  const routing = new Routing(config);

  it.each([
    ['summary', 'summary', false],
    ['Summary:latest', 'summary', false],
    ['fineprint/summary', 'summary', true],
    ['FinePrint/Summary:latest', 'summary', true],
    ['llama', 'llama', false],
    ['LLAMA3:70b', 'llama', true],
    ['registry.ollama.ai/library/llama3:70b', 'llama', true],
    ['llama3', 'llama3', false],
    ['other', 'llama3', true],
  ])('takes %s for the model %s', (given, key, ollamaName) => {
    const target = routing.resolve(given)!;
    expect(target.key).toBe(key);
    expect(isOllamaName(target, given)).toBe(ollamaName);
  });

  it.each(['summary:v2', 'llama3:8b', '', '/', ':', '__proto__', 'constructor'])('does not know %j', (given) => {
    expect(routing.resolve(given)).toBeUndefined();
  });
});

describe('checkGatewayConfig', () => {
  it('accepts what is sound', () => {
    expect(checkGatewayConfig(config)).toEqual([]);
  });

  it('refuses a model of a server that there is not', () => {
    const models = { llama: { name: 'llama3', server: 'nowhere' } };
    expect(checkGatewayConfig({ ...config, models })).toEqual([
      'models.llama.server: there is no server nowhere: name one of ollama-llama, ollama-summary',
    ]);
  });

  it('refuses two models of one name, however it is written', () => {
    const models = {
      a: { name: 'llama3', server: 'ollama-llama' },
      b: { name: 'Llama3:latest', server: 'ollama-llama' },
    };
    expect(checkGatewayConfig({ ...config, models })).toEqual([
      'models.b.name: Llama3:latest is the name of models.a too: give each its own',
    ]);
  });
});
