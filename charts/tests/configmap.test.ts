import { readFileSync } from 'node:fs';
import path from 'node:path';
import { Ajv } from 'ajv';
import { describe, expect, test } from 'vitest';
import { root } from '../../ci/tools/paths.ts';
import { environments, fleet, forecasting, model, render } from './render.ts';

const schema = JSON.parse(readFileSync(path.join(root, 'service', 'config.schema.json'), 'utf8'));
const ajv = new Ajv({ allErrors: true, strict: false }).addSchema(schema, 'config');

/** Parses a configuration as the service does, and throws where the service would refuse it. */
function configOf(kind: 'GatewayConfig' | 'AgentConfig' | 'ForecasterConfig', data: Record<string, string>) {
  const config = JSON.parse(data['config.json']!);
  if (!ajv.validate(`config#/definitions/${kind}`, config)) throw new Error(ajv.errorsText());
  return config;
}

const gateway = 'model-management-gateway';

/** What the gateway and the agents are told of a model that says nothing itself. */
const unsaid = {
  gateway: { aliases: [], fallbacks: [], queue: { depth: 128, waitSeconds: 60, holdSeconds: 300 } },
  agent: { priority: 'standard', idleSeconds: 600, memoryMiB: 0, runnerOptions: 'replace' },
};

describe('the configuration of the service', () => {
  test.each(environments)(
    'renders one that gateway and agents accept when the environment is %s',
    async (environment) => {
      const rendered = await render({}, { environment });
      const { servers, models } = configOf('GatewayConfig', rendered.get('ConfigMap', gateway).data);
      expect(Object.keys(servers).length).toBeGreaterThan(0);
      const served = Object.keys(servers).map((name) => configOf('AgentConfig', rendered.get('ConfigMap', name).data));
      expect(served.flatMap((config) => Object.keys(config.models)).toSorted()).toEqual(Object.keys(models).toSorted());
    },
  );

  test('renders the models of the gateway with the address of their server', async () => {
    const names = { 'a.1': model('library/a:7b'), b: model('b') };
    const values = fleet({ packed: { models: ['a.1', 'b'] } }, names, { namePrefix: 'x-' });
    const resources = { memory: '4Gi' };
    const rest = { gateway: { maxBodyMiB: 1024, resources }, agent: { resources } };
    const rendered = await render({ ...values, ...rest }, { namespace: '007' });
    expect(configOf('GatewayConfig', rendered.get('ConfigMap', `x-${gateway}`).data)).toEqual({
      models: {
        'a.1': { name: 'library/a:7b', server: 'x-packed', ...unsaid.gateway },
        b: { name: 'b', server: 'x-packed', ...unsaid.gateway },
      },
      servers: { 'x-packed': { url: 'http://x-packed.007.svc:8080', slots: 2, pods: { min: 1, max: 1 } } },
      namespace: '007',
      apiKeysFile: '',
      generationTimeoutSeconds: 600,
      maxBodyMiB: 1024,
      logLevel: 'info',
      tracing: { endpoint: '', sampleRatio: 1 },
      statusPage: { service: 'x-model-management' },
    });
  });

  test('renders the servers that are scaled, their targets and the budgets of their starts for the forecaster', async () => {
    const forecaster = { enabled: true, binMinutes: 5, quantilePercent: 92.5, logLevel: 'debug' };
    const servers = {
      a: { autoscaling: { targetUtilizationPercent: 80 }, startup: { downloadSeconds: 1000, loadSeconds: 86_400 } },
      fixed: { autoscaling: { enabled: false } },
    };
    const values = fleet(servers, {}, { ...forecasting, forecaster, namePrefix: 'x-' });
    const options = { namespace: '007', release: 'rel' };
    const config = async (kubeVersion: string) =>
      configOf(
        'ForecasterConfig',
        (await render(values, { ...options, kubeVersion })).get('ConfigMap', 'x-model-management-forecaster').data,
      );
    expect(await config('1.37.2')).toEqual({
      prometheusUrl: 'http://prometheus:9090/prom',
      namespace: '007',
      release: 'rel',
      binSeconds: 300,
      quantile: 0.925,
      tolerance: 0,
      servers: { a: { deployment: 'x-a', target: 0.8, startSeconds: 87_400 } },
      logLevel: 'debug',
    });
    const rendered = await render(values, options);
    expect(configOf('GatewayConfig', rendered.get('ConfigMap', `x-${gateway}`).data).statusPage).toEqual({
      service: 'x-model-management',
      forecaster: 'http://x-model-management-forecaster.007.svc:9090',
    });
    // Before 1.35 autoscalers leave alone what is over by a tenth.
    expect((await config('1.34.0')).tolerance).toBe(0.1);
  });

  test('omits the status page when it is off', async () => {
    const rendered = await render({ gateway: { statusPage: { enabled: false } } });
    expect(configOf('GatewayConfig', rendered.get('ConfigMap', gateway).data)).not.toHaveProperty('statusPage');
  });

  test('renders how many pods each server is to have', async () => {
    const rendered = await render(fleet({ a: { replicas: { min: 0, max: 7 } }, b: { replicas: { min: 2, max: 2 } } }));
    const { servers } = configOf('GatewayConfig', rendered.get('ConfigMap', gateway).data);
    expect([servers.a.pods, servers.b.pods]).toEqual([
      { min: 0, max: 7 },
      { min: 2, max: 2 },
    ]);
  });

  test('renders where agents see how far a download is, when they are not in an image already', async () => {
    const image = { mode: 'image', image: { reference: 'registry:5000/models:1' } };
    const rendered = await render(fleet({ a: {}, b: { cache: { mode: 'shared' } }, c: { cache: image } }));
    const folderOf = (name: string) => configOf('AgentConfig', rendered.get('ConfigMap', name).data).modelsFolder;
    expect(['a', 'b', 'c'].map(folderOf)).toEqual(['/models', '/models', undefined]);
  });

  test('renders further names, fallbacks, the canary and the queue of each model as it says, and otherwise as the gateway does', async () => {
    const words = {
      ...{ aliases: ['gpt-4o-mini', 'library/x:1b'], fallbacks: ['c', 'b'] },
      canary: { model: 'c', percent: 7 },
    };
    const models = {
      a: model('a', { ...words, queue: { depth: 0 } }),
      b: model('b', { queue: { holdSeconds: 86_400 } }),
    };
    const queue = { depth: 100_000, waitSeconds: 7, holdSeconds: 8 };
    const rendered = await render(fleet({ a: {}, b: {}, c: {} }, models, { gateway: { queue } }));
    const told = configOf('GatewayConfig', rendered.get('ConfigMap', gateway).data).models;
    expect(told.a).toMatchObject({ ...words, queue: { depth: 0, waitSeconds: 7, holdSeconds: 8 } });
    expect(told.b).not.toHaveProperty('canary');
    expect(told.b.queue).toEqual({ ...queue, holdSeconds: 86_400 });
    expect(told.c.queue).toEqual(queue);
  });

  test('renders what a pod costs where that is known', async () => {
    const servers = { a: { costPerHour: 2.24208 }, b: { costPerHour: 1 }, c: {} };
    const { servers: told } = configOf('GatewayConfig', (await render(fleet(servers))).get('ConfigMap', gateway).data);
    expect([told.a.costPerHour, told.b.costPerHour, 'costPerHour' in told.c]).toEqual([2.24208, 1, false]);
  });

  test('renders as much room at a replica as its agents have', async () => {
    const servers = { a: { ollama: { parallel: 4 } }, b: { ollama: { parallel: 256 } } };
    const rendered = await render(fleet(servers, {}, { agent: { allowance: 3 } }));
    const { servers: told } = configOf('GatewayConfig', rendered.get('ConfigMap', gateway).data);
    expect([told.a.slots, told.b.slots]).toEqual([7, 259]);
    for (const name of ['a', 'b']) {
      const { parallel, allowance } = configOf('AgentConfig', rendered.get('ConfigMap', name).data);
      expect(parallel + allowance).toBe(told[name].slots);
    }
  });

  test('renders where the API keys are when they are asked for', async () => {
    const apiKeys = { enabled: true, existingSecret: 'keys', secretKey: 'mine.json' };
    const fileOf = async (values: object) =>
      configOf('GatewayConfig', (await render({ gateway: { apiKeys: values } })).get('ConfigMap', gateway).data)
        .apiKeysFile;
    expect(await fileOf(apiKeys)).toBe('/etc/model-management-keys/mine.json');
    expect(await fileOf({ ...apiKeys, enabled: false })).toBe('');
  });

  test('renders what the agents of a server are to know', async () => {
    const settings = { models: ['a', 'b'], ollama: { parallel: 256 }, startup: { loadSeconds: 86_400 } };
    const rest = { agent: { allowance: 0, logLevel: 'debug' }, generationTimeoutSeconds: 86_400 };
    const rendered = await render(fleet({ packed: settings }, { b: model('b', { priority: 'batch' }) }, rest));
    expect(configOf('AgentConfig', rendered.get('ConfigMap', 'packed').data)).toEqual({
      server: 'packed',
      models: { a: { name: 'a', ...unsaid.agent }, b: { name: 'b', ...unsaid.agent, priority: 'batch' } },
      ollamaUrl: 'http://127.0.0.1:11434',
      parallel: 256,
      allowance: 0,
      maxBodyMiB: 32,
      memoryMiB: 3814,
      loadTimeoutSeconds: 86_400,
      generationTimeoutSeconds: 86_400,
      logLevel: 'debug',
      modelsFolder: '/models',
      tracing: { endpoint: '', sampleRatio: 1 },
    });
  });

  test('renders when an unused model is unloaded, of every time that Ollama knows, and never as never', async () => {
    const times = { '90s': 90, '10m': 600, '24h': 86_400, '-1': 0, '0': 1, '999999h': 31_536_000 };
    const keys = Object.keys(times).map((_, index) => `m${index}`);
    const models = Object.fromEntries(
      Object.keys(times).map((keepAlive, index) => [keys[index]!, model(`m${index}`, { keepAlive })]),
    );
    const server = { models: [...keys, 'rest'], ollama: { keepAlive: '7m' } };
    const rendered = await render(fleet({ packed: server }, { ...models, rest: model('rest') }));
    const told = configOf('AgentConfig', rendered.get('ConfigMap', 'packed').data).models;
    expect(keys.map((key) => told[key].idleSeconds)).toEqual(Object.values(times));
    expect(told.rest.idleSeconds).toBe(420);
  });

  test('renders what becomes of runner options for each model as it says, and otherwise as for all', async () => {
    const values = fleet(
      { a: {}, b: {} },
      { a: model('a', { runnerOptions: 'replace' }) },
      { agent: { runnerOptions: 'refuse' } },
    );
    const rendered = await render(values);
    const told = (key: string) =>
      configOf('AgentConfig', rendered.get('ConfigMap', key).data).models[key].runnerOptions;
    expect([told('a'), told('b')]).toEqual(['replace', 'refuse']);
  });

  describe('of memory', () => {
    const memoryOf = async (server: object, changes: object = {}) => {
      const rendered = await render(fleet({ a: server }, { a: model('a', changes) }));
      const { memoryMiB, models } = configOf('AgentConfig', rendered.get('ConfigMap', 'a').data);
      return [memoryMiB, models.a.memoryMiB];
    };

    test("renders the pod's for a server on CPUs, and adds to a model the prompts that its runner keeps", async () => {
      const server = { resources: { memory: '8Gi', gpuMemoryMiB: 40_000 }, ollama: { promptCacheMiB: 100 } };
      expect(await memoryOf(server, { memoryMiB: 5000 })).toEqual([8192, 5100]);
    });

    test('renders that of all GPUs for a server that has some, which keep no prompts', async () => {
      const server = { resources: { memory: '8Gi', gpu: 2, gpuMemoryMiB: 40_000 }, ollama: { promptCacheMiB: 100 } };
      expect(await memoryOf(server, { memoryMiB: 5000 })).toEqual([80_000, 5000]);
    });

    test('renders 0 for what is not known, and no more than the agents take', async () => {
      expect(await memoryOf({ resources: { gpu: 1 }, ollama: { promptCacheMiB: 100 } })).toEqual([0, 0]);
      expect((await memoryOf({ resources: { memory: '8000000Ti' } }))[0]).toBe(100_000_000);
      expect(await memoryOf({ resources: { gpu: 64, gpuMemoryMiB: 1_000_000 } }, { memoryMiB: 10_000_000 })).toEqual([
        64_000_000, 10_000_000,
      ]);
    });

    test.each(environments)(
      'renders room for all models of a server at once when the environment is %s',
      async (environment) => {
        const rendered = await render({}, { environment });
        const { servers } = configOf('GatewayConfig', rendered.get('ConfigMap', gateway).data);
        for (const server of Object.keys(servers)) {
          const { data } = rendered.get('ConfigMap', server);
          const { memoryMiB, models } = configOf('AgentConfig', data);
          // Models of the same weights are one to Ollama.
          const weights = new Map(data['models.list']!.split('\n').map((line) => line.split('|') as [string, string]));
          const same = Map.groupBy(Object.keys(models), (key) => weights.get(key)!);
          const each = [...same.values()].map((keys) => Math.max(...keys.map((key) => models[key].memoryMiB)));
          expect(Math.min(...each)).toBeGreaterThan(1000);
          expect(each.reduce((sum, one) => sum + one)).toBeLessThanOrEqual(memoryMiB);
        }
      },
    );
  });

  test('renders where traces go for gateway and agents, which take it up without a restart of their pods', async () => {
    const tracing = { endpoint: 'https://otel-collector.observability:4318/v1/traces', sampleRatio: 0.125 };
    const [off, on] = [await render(fleet({ a: {} })), await render(fleet({ a: {} }, {}, { tracing }))];
    expect(configOf('GatewayConfig', on.get('ConfigMap', gateway).data).tracing).toEqual(tracing);
    expect(configOf('AgentConfig', on.get('ConfigMap', 'a').data).tracing).toEqual(tracing);
    for (const name of ['a', gateway]) {
      expect(on.get('Deployment', name).spec.template).toEqual(off.get('Deployment', name).spec.template);
    }
  });

  test('renders a gateway without models when no server is enabled', async () => {
    const rendered = await render(fleet({ a: { enabled: false } }));
    const { models, servers } = configOf('GatewayConfig', rendered.get('ConfigMap', gateway).data);
    expect([models, servers]).toEqual([{}, {}]);
  });

  test('omits the models of a disabled server from the gateway', async () => {
    const rendered = await render(fleet({ a: {}, off: { enabled: false } }));
    const { models, servers } = configOf('GatewayConfig', rendered.get('ConfigMap', gateway).data);
    expect([Object.keys(models), Object.keys(servers)]).toEqual([['a'], ['a']]);
  });
});

describe('what the downloader is told', () => {
  const dataOf = async (changes: object, rest: object = {}, server: object = {}) =>
    (await render(fleet({ a: server }, { a: model('a', changes) }, rest))).get('ConfigMap', 'a').data;
  const modelfile = async (...args: Parameters<typeof dataOf>) => (await dataOf(...args))['a.Modelfile'];
  const line = async (...args: Parameters<typeof dataOf>) => (await dataOf(...args))['models.list']!.trim().split('|');

  test('renders key, pulled name, served name and digest, and a checksum of what is made of them', async () => {
    const digest = `sha256:${'0'.repeat(64)}`;
    const [key, pulled, served, wanted, checksum] = await line({ name: 'ns/a:7b', pull: 'base:1b', digest });
    expect([key, pulled, served, wanted]).toEqual(['a', 'base:1b', 'ns/a:7b', digest]);
    expect(checksum).toMatch(/^[0-9a-f]{64}$/);
  });

  test('renders another checksum when anything in it changes', async () => {
    const lists = await Promise.all([
      line({}),
      line({ system: 'x' }),
      line({ parameters: { seed: 1 } }),
      line({ digest: `sha256:${'1'.repeat(64)}` }),
      line({ name: 'b' }),
      line({ pull: 'b' }),
      line({}, {}, { resources: { cpu: '5' } }),
      line({}, { modelRegistry: { host: 'mirror' } }),
    ]);
    expect(new Set(lists.map((fields) => fields.at(-1))).size).toBe(lists.length);
  });

  test('renders a Modelfile of nothing but its base and its threads when there is nothing else', async () => {
    expect(await modelfile({ pull: 'base:1b' }, {}, { resources: { cpu: '5500m' } })).toBe(
      'FROM base:1b\nPARAMETER num_thread 5\n',
    );
    expect(await modelfile({ pull: 'base:1b' }, {}, { resources: { cpu: '500m' } })).toContain('num_thread 1\n');
  });

  test('renders a model that says what is pulled and nothing else, served under its key', async () => {
    const rendered = await render(fleet({ a: { models: ['1.a'] } }, { '1.a': { pull: 'base:1b' } }));
    const { data } = rendered.get('ConfigMap', 'a');
    expect(data['1.a.Modelfile']).toBe('FROM base:1b\nPARAMETER num_thread 2\n');
    expect(data['models.list']).toMatch(/^1\.a\|base:1b\|1\.a\|\|[0-9a-f]{64}\n$/);
    expect(configOf('AgentConfig', data).models).toEqual({ '1.a': { name: '1.a', ...unsaid.agent } });
  });

  test('renders a system prompt to the letter', async () => {
    const system = '  "Quote", she said\\n | a\tb\n\n# é 😀 {{ .Values }} $HOME `x`\r\ntail \n';
    expect(await modelfile({ system })).toBe(`FROM base-of-a\nSYSTEM """${system}"""\nPARAMETER num_thread 2\n`);
  });

  test('renders parameters as Ollama reads them: no exponents in whole numbers, no escapes in texts', async () => {
    const parameters = { num_predict: 1_000_000, seed: -123_456_789, temperature: 0.7, penalize_newline: false };
    const stop = ' <|a\\n|> é\u00a0';
    expect((await modelfile({ parameters: { ...parameters, stop } }))!.split('\n').slice(1, -2)).toEqual([
      'PARAMETER num_predict 1000000',
      'PARAMETER penalize_newline false',
      'PARAMETER seed -123456789',
      `PARAMETER stop "${stop}"`,
      'PARAMETER temperature 0.7',
    ]);
  });

  test('renders names of the mirror when one is given, but for names with a host of their own', async () => {
    const mirror = { modelRegistry: { host: 'mirror:5000' } };
    const pulled = async (pull: string) => (await line({ pull }, mirror))[1];
    expect(await pulled('base:1b')).toBe('mirror:5000/library/base:1b');
    expect(await pulled('ns/base')).toBe('mirror:5000/ns/base');
    expect(await pulled('other:5000/ns/base:1b')).toBe('other:5000/ns/base:1b');
    expect(await modelfile({ pull: 'base:1b' }, mirror)).toContain('FROM mirror:5000/library/base:1b\n');
  });

  test('renders a model that is served under the name of a pulled one after those that pull it', async () => {
    const models = {
      a: model('base:1b', { pull: 'base:1b' }),
      b: model('b', { pull: 'library/base:1b' }),
      c: model('c'),
    };
    const rendered = await render(fleet({ packed: { models: ['a', 'b', 'c'] } }, models));
    const lines = rendered.get('ConfigMap', 'packed').data['models.list']!.trim().split('\n');
    expect(lines.map((text) => text.split('|')[0])).toEqual(['b', 'c', 'a']);
  });

  test('renders the script in a ConfigMap that all servers share', async () => {
    const { data } = (await render()).get('ConfigMap', 'model-management-servers');
    const file = path.join(root, 'charts', 'files', 'model-downloader.sh');
    expect(data['model-downloader.sh']!.trim()).toBe(readFileSync(file, 'utf8').trim());
  });
});
