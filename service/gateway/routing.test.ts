import { describe, expect, it } from 'vitest';
import type { GatewayConfig, GatewayModel } from '../../schema/config.ts';
import { isOllamaName } from '../shared/model-names.ts';
import { checkGatewayConfig, Routing } from './routing.ts';

const model = (name: string, server: string, more: Partial<GatewayModel> = {}): GatewayModel => ({
  ...{ name, server, aliases: [], fallbacks: [], queue: { depth: 1, waitSeconds: 1, holdSeconds: 1 } },
  ...more,
});

const config: GatewayConfig = {
  models: {
    summary: model('fineprint/summary', 'ollama-summary', { aliases: ['gpt-4o-mini', 'OpenAI/GPT-5:mini', 'summary'] }),
    llama: model('llama3:70b', 'ollama-llama', { fallbacks: ['llama3', 'summary'] }),
    // The key of one model may be the name of another: the key wins.
    llama3: model('other:latest', 'ollama-llama', { fallbacks: ['llama'] }),
  },
  servers: {
    'ollama-llama': { url: 'http://ollama-llama:8080', slots: 4 },
    'ollama-summary': { url: 'http://ollama-summary:8080', slots: 4 },
  },
  namespace: '',
  apiKeysFile: '',
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
    ['gpt-4o-mini', 'summary', false],
    ['gpt-4o-mini:latest', 'summary', false],
    ['openai/gpt-5:mini', 'summary', false],
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

  it.each(['summary:v2', 'llama3:8b', 'gpt-4o', 'gpt-5', '', '/', ':', '__proto__', 'constructor'])(
    'does not know %j',
    (given) => {
      expect(routing.resolve(given)).toBeUndefined();
      const problem = { status: 404, code: 'model_not_found', message: `model '${given}' not found` };
      expect(() => routing.find(given)).toThrow(expect.objectContaining(problem));
    },
  );

  it('gives with a model its server and what is configured of it', () => {
    expect(routing.resolve('summary')).toEqual({
      key: 'summary',
      name: 'fineprint/summary',
      server: 'ollama-summary',
      url: 'http://ollama-summary:8080',
      model: config.models.summary,
    });
  });

  it('gives the version on trial for as many conversations as it is to have, and for more of them the same and others', () => {
    const next = (percent: number) => {
      const { llama, ...others } = config.models;
      const canary = { model: 'summary', percent };
      const routing = new Routing({ ...config, models: { ...others, llama: { ...llama!, canary } } });
      const chosen = (affinity: number | undefined, random?: () => number) =>
        routing.canaryOf(routing.resolve('llama')!, affinity, random)?.key === 'summary';
      return chosen;
    };
    // As close together as the numbers of similar conversations are.
    const conversations = Array.from({ length: 20_000 }, (_, index) => index);
    const of = (percent: number) => new Set(conversations.filter((affinity) => next(percent)(affinity)));
    const [none, few, many, all] = [0, 10, 40, 100].map(of) as [Set<number>, Set<number>, Set<number>, Set<number>];
    expect([none.size, all.size]).toEqual([0, conversations.length]);
    // Of a share p of n, the standard deviation is √(n p (1 − p)): 42 and 69 of these.
    expect(Math.abs(few.size - 2000)).toBeLessThan(4 * 42);
    expect(Math.abs(many.size - 8000)).toBeLessThan(4 * 69);
    expect([...few].every((conversation) => many.has(conversation))).toBe(true);
    // Where nothing tells the conversation, chance does.
    expect([0.399, 0.4].map((part) => next(40)(undefined, () => part))).toEqual([true, false]);
    expect(routing.canaryOf(routing.resolve('llama')!, 1)).toBeUndefined();
  });

  it('gives the fallbacks of a model in their order, without those that they have themselves', () => {
    const fallbacks = (key: string) => routing.fallbacksOf(routing.resolve(key)!).map((target) => target.key);
    expect(fallbacks('llama')).toEqual(['llama3', 'summary']);
    expect(fallbacks('llama3')).toEqual(['llama']);
    expect(fallbacks('summary')).toEqual([]);
  });
});

describe('checkGatewayConfig', () => {
  const a = model('llama3', 'ollama-llama');
  const b = model('team/b', 'ollama-llama');
  const problems = (models: Record<string, GatewayModel>) => checkGatewayConfig({ ...config, models });

  it('accepts what is sound', () => {
    expect(checkGatewayConfig(config)).toEqual([]);
  });

  it('refuses a schedule by the clocks of nowhere', () => {
    const scheduled = (timeZone: string) => {
      const server = { ...config.servers['ollama-llama']!, schedule: { timeZone, windows: {}, otherwise: 1 } };
      return checkGatewayConfig({ ...config, servers: { ...config.servers, 'ollama-llama': server } });
    };
    expect(scheduled('Europe/Berlin')).toEqual([]);
    expect(scheduled('Europe/Berlim')).toEqual([
      'servers.ollama-llama.schedule.timeZone: there is no time zone Europe/Berlim: name one as Europe/Berlin',
    ]);
  });

  it('refuses a model of a server that there is not', () => {
    expect(problems({ llama: model('llama3', 'nowhere') })).toEqual([
      'models.llama.server: there is no server nowhere: name one of ollama-llama, ollama-summary',
    ]);
  });

  it('refuses two models of one name, however it is written', () => {
    expect(problems({ a, b: model('Llama3:latest', 'ollama-llama') })).toEqual([
      'models.b.name: Llama3:latest is the name of models.a too: give each its own',
    ]);
  });

  it.each([
    ['the key', 'B:latest', 'models.a.aliases: B:latest is the key of models.b: take another'],
    ['the name', 'Team/B', 'models.a.aliases: Team/B is the name of models.b: take another'],
  ])('refuses an alias that is %s of another model', (_what, alias, problem) => {
    expect(problems({ a: { ...a, aliases: [alias] }, b })).toEqual([problem]);
  });

  it('refuses an alias that two models have, however it is written', () => {
    expect(problems({ a: { ...a, aliases: ['gpt-4o'] }, b: { ...b, aliases: ['GPT-4o:latest'] } })).toEqual([
      'models.b.aliases: GPT-4o:latest is an alias of models.a: take another',
    ]);
  });

  it.each([
    ['a', 'models.a.canary.model: a is the model itself: name its next version'],
    ['c', 'models.a.canary.model: there is no model c: name the key of one'],
    ['b', 'models.a.canary.model: b has a canary itself: take that away'],
  ])('refuses %s as a canary', (canary, problem) => {
    const trial = { model: canary, percent: 10 };
    const found = problems({
      a: { ...a, canary: trial },
      b: { ...b, canary: { model: 'd', percent: 1 } },
      d: model('d', 'ollama-llama'),
    });
    expect(found).toEqual([problem]);
  });

  it('refuses a fallback that there is not, by its key, and the model itself', () => {
    expect(problems({ a: { ...a, fallbacks: ['team/b', 'b', 'a', 'constructor'] }, b })).toEqual([
      'models.a.fallbacks: there is no model team/b: name the key of one',
      'models.a.fallbacks: a is the model itself: name another, or none',
      'models.a.fallbacks: there is no model constructor: name the key of one',
    ]);
  });
});
