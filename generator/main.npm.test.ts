// What a platform engineer does: each test works on a copy of the project and runs `npm run gen-values` in it.
import { readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { copyProject, type ProjectCopy } from '../ci/testing/project.ts';
import type { Values } from '../schema/values.ts';

const generated = [
  'charts/values.yaml',
  'charts/values.schema.json',
  'service/config.schema.json',
  'charts/files/rules/recording.yaml',
  'charts/files/rules/alerts.yaml',
  'charts/README.md',
  'docs/rules.md',
  'charts/files/dashboards/overview.json',
  'charts/files/dashboards/model.json',
  'charts/files/dashboards/capacity.json',
  'environments/local/values.yaml',
  'environments/staging/values.yaml',
  'environments/production/values.yaml',
];

const ofEnvironment = (file: string) => file.startsWith('environments/');
const copy = () =>
  copyProject('schema', 'generator', 'environments', 'ci/testing', ...generated.filter((file) => !ofEnvironment(file)));
const contents = (project: ProjectCopy) => Promise.all(generated.map((file) => project.read(file)));
const values = async (project: ProjectCopy): Promise<Values> => parse(await project.read('charts/values.yaml'));

const change = async (project: ProjectCopy, file: string, from: string, to: string) => {
  const text = await project.read(file);
  expect(text).toContain(from);
  await project.write(file, text.replace(from, to));
};

const mistral = `
import { defineModel } from '../model.ts';

export default defineModel({
  purpose: 'translations',
  facts: {
    name: 'mistral:7b',
    sizeGB: 4.4,
    quantisation: 'Q4_K_M',
    layers: 32,
    heads: 32,
    kvHeads: 8,
    headDim: 128,
    embedding: { width: 4096, vocabulary: 32_768, input: 'Q4_K', output: 'Q6_K' },
    feedForward: 14_336,
    trainedContext: 32_768,
    licence: 'Apache-2.0',
    source: 'https://ollama.com/library/mistral:7b',
  },
  serving: {
    context: 8192,
    parallel: 1,
    replicas: { min: 1, max: 3 },
    cpu: 4,
    memoryGB: 8,
    priority: 'batch',
  },
});
`;

describe.concurrent('npm run gen-values', () => {
  it('finds everything in place when nothing changed', async () => {
    await using project = await copy();
    const check = await project.npm('gen-values', '--check');
    expect(check).toEqual({ status: 0, stdout: '', stderr: '' });
    const before = await contents(project);
    const { status, stdout } = await project.npm('gen-values');
    expect([status, stdout]).toEqual([0, `${generated.length} files are up to date\n`]);
    expect(await contents(project)).toEqual(before);
  });

  it('adds a model and its server when one file is added', async () => {
    await using project = await copy();
    await project.write('generator/registry/mistral.ts', mistral);
    const { status, stdout } = await project.npm('gen-values');
    expect(status).toBe(0);
    expect(stdout).toMatch(/^wrote charts\/values\.yaml, /);
    const { models, servers } = await values(project);
    expect(Object.keys(models)).toHaveLength(8);
    expect(models.mistral).toEqual({ name: 'mistral:7b', pull: 'mistral:7b', priority: 'batch', memoryMiB: 5870 });
    expect(servers['ollama-mistral']).toMatchObject({
      models: ['mistral'],
      replicas: { min: 1, max: 3 },
      resources: { cpu: '4', memory: '8G' },
      ollama: { contextLength: 8192 },
      cache: { size: '6Gi' },
    });
    expect((await project.npm('gen-values', '--check')).status).toBe(0);
  });

  it('packs the four business models on one server when one line of packs.ts is changed', async () => {
    await using project = await copy();
    const documented = /^ \* {3}('ollama-business': .+),$/m.exec(await project.read('generator/packs.ts'))![1]!;
    await change(project, 'generator/packs.ts', 'packs: Packs = {};', `packs: Packs = { ${documented} };`);
    const { status } = await project.npm('gen-values');
    expect(status).toBe(0);
    const { servers, models } = await values(project);
    expect(Object.keys(servers).sort()).toEqual(['ollama-business', 'ollama-gpt-oss', 'ollama-llama', 'ollama-qwen']);
    expect(Object.keys(models)).toHaveLength(7);
    expect(servers['ollama-business']!.models).toEqual([
      'legal-analysis',
      'risk-assessment',
      'summary',
      'recommendations',
    ]);
    // 8 GB for the three on the larger base and 4 for the other; two bases of 2 and 1.3 GB on disk, each once.
    expect(servers['ollama-business']!.resources!.memory).toBe('12G');
    expect(servers['ollama-business']!.cache!.size).toBe('5Gi');
    // The local environment has a pack of the same name: it stays on its small base.
    expect(
      parse(await project.read('environments/local/values.yaml')).servers['ollama-business'].resources.memory,
    ).toBe('2G');
  });

  it('refuses a generated file that was edited, with a diff, and mends it', async () => {
    await using project = await copy();
    const before = await project.read('charts/values.yaml');
    await change(project, 'charts/values.yaml', 'generationTimeoutSeconds: 600', 'generationTimeoutSeconds: 900');
    const { status, stdout, stderr } = await project.npm('gen-values', '--check');
    expect([status, stdout]).toEqual([1, '']);
    expect(stderr).toContain('--- charts/values.yaml (on disk)\n+++ charts/values.yaml (generated)\n');
    expect(stderr).toContain('\n- generationTimeoutSeconds: 900\n+ generationTimeoutSeconds: 600\n');
    expect(stderr.trimEnd().split('\n').at(-1)).toBe(
      '1 generated file(s) are stale or were edited: run `npm run gen-values` and commit them',
    );
    expect((await project.npm('gen-values')).stdout).toBe('wrote charts/values.yaml\n');
    expect(await project.read('charts/values.yaml')).toBe(before);
  });

  it('refuses generated files that are stale or missing, and writes nothing by --check', async () => {
    await using project = await copy();
    await change(
      project,
      'generator/registry/llama.ts',
      'replicas: { min: 1, max: 4 }',
      'replicas: { min: 1, max: 7 }',
    );
    await change(
      project,
      'schema/values.ts',
      'Longest time in seconds that one answer may take;',
      'The longest time in seconds;',
    );
    await rm(path.join(project.root, 'environments/staging/values.yaml'));
    const before = await project.read('charts/values.yaml');
    const { status, stderr } = await project.npm('gen-values', '--check');
    expect(status).toBe(1);
    expect(stderr).toContain('\n-       max: 4\n+       max: 7\n');
    expect(stderr).toMatch(
      /\n- # Longest time in seconds that one answer may take;.*\n\+ # The longest time in seconds;/,
    );
    expect(stderr).toMatch(/\n\+ +"description": "The longest time in seconds;/);
    expect(stderr).toContain('environments/staging/values.yaml: missing\n');
    expect(await project.read('charts/values.yaml')).toBe(before);
  });

  it('refuses every mistake of a registry at once, and writes nothing', async () => {
    await using project = await copy();
    const before = await contents(project);
    await change(project, 'generator/registry/llama.ts', 'min: 1, max: 4', 'min: 5, max: 4');
    await change(project, 'generator/registry/qwen.ts', 'context: 8192', 'context: 65_536');
    await change(project, 'generator/registry/gpt-oss.ts', "type: 'L4'", "type: 'T4'");
    await change(project, 'generator/registry/summary.ts', 'memoryGB: 4', 'memoryGB: 2');
    await change(project, 'generator/packs.ts', 'packs: Packs = {};', "packs: Packs = { 'ollama-new': ['sumary'] };");
    await project.write(
      'generator/registry/qwen-again.ts',
      await readFile(path.join(project.root, 'generator/registry/qwen.ts'), 'utf8'),
    );
    const { status, stdout, stderr } = await project.npm('gen-values');
    expect([status, stdout]).toEqual([1, '']);
    const lines = stderr.trimEnd().split('\n');
    for (const expected of [
      /^generator\/registry\/llama\.ts: model 'llama': replicas\.min 5 is above replicas\.max 4: raise max to 5 or lower min to 4$/,
      /^generator\/registry\/qwen\.ts: model 'qwen': context 65536 is over the 32768 tokens that .+: lower context to 32768$/,
      /^generator\/registry\/gpt-oss\.ts: model 'gpt-oss': 1 × T4 has 14\.6 GiB of memory, .+ are needed .+: .+, or take gpu\.type '/,
      /^generator\/registry\/summary\.ts: model 'summary': memoryGB 2 is 1\.9 GiB, .+ are needed .+: raise memoryGB to \d+$/,
      /^generator\/packs\.ts: server 'ollama-new': model 'sumary' does not exist: name one of .*summary.*, or add generator\/registry\/sumary\.ts$/,
      /^generator\/registry\/qwen\.ts: model 'qwen': is called 'qwen2\.5:32b' like the one of generator\/registry\/qwen-again\.ts: remove /,
    ]) {
      expect(lines.filter((line) => expected.test(line))).toHaveLength(1);
    }
    expect(await contents(project)).toEqual(before);
  });

  it('refuses a model that its GPU does not hold, with the changes that each would do, and takes the nearest', async () => {
    await using project = await copy();
    const before = await contents(project);
    const file = 'generator/registry/qwen.ts';
    await change(project, file, 'context: 8192', 'context: 12_288');
    const { status, stdout, stderr } = await project.npm('gen-values');
    expect([status, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(
      new RegExp(
        "^generator/registry/qwen\\.ts: model 'qwen': 1 × L4 has 22\\.0 GiB of memory, 2\\d\\.\\d GiB are needed " +
          '\\(weights 18\\.\\d GiB, context 3\\.0 GiB \\(12288 tokens × 1\\), buffers .+, runtime .+, to stay free 1\\.0 GiB\\): ' +
          "set kvCacheType to 'q8_0', or lower context to \\d+, or pull it in Q3_K_M \\(about 17 GB\\), or take gpu\\.type 'V100-32GB'\n$",
      ),
    );
    expect(await contents(project)).toEqual(before);
    await change(project, file, 'context: 12_288', "context: 12_288,\n    kvCacheType: 'q8_0'");
    expect((await project.npm('gen-values')).status).toBe(0);
    const { servers } = await values(project);
    expect(servers['ollama-qwen']!.ollama).toMatchObject({ contextLength: 12_288, kvCacheType: 'q8_0' });
  });

  it('refuses a value that the schema does not take, with its path, and writes nothing', async () => {
    await using project = await copy();
    const before = await contents(project);
    await change(project, 'generator/registry/llama.ts', 'parallel: 1', 'parallel: 300');
    await change(project, 'generator/registry/llama.ts', 'context: 8192', 'context: 32');
    await change(
      project,
      'environments/staging/environment.ts',
      "host: 'staging.models.fineprint.ai'",
      "host: 'not a host'",
    );
    const { status, stderr } = await project.npm('gen-values');
    expect(status).toBe(1);
    expect(stderr).toContain('servers.ollama-llama.ollama.parallel: must be <= 256\n');
    expect(stderr).toMatch(/^environments\/staging\/values\.yaml: ingress\.host: must match pattern/m);
    expect(await contents(project)).toEqual(before);
  });

  it.each([
    [
      'a registry file exports no model',
      'generator/registry/broken.ts',
      'export const model = {};\n',
      'exports no model: end it with `export default defineModel({ … })`',
    ],
    [
      'a registry file cannot be read',
      'generator/registry/broken.ts',
      'export default defineModel(;\n',
      'cannot be read: ',
    ],
    [
      'an environment exports none',
      'environments/empty/environment.ts',
      'export const environment = {};\n',
      'exports no environment: end it with `export default defineEnvironment({ … })`',
    ],
  ])('names the file when %s', async (_when, file, text, problem) => {
    await using project = await copy();
    await project.write(file, text);
    const { status, stderr } = await project.npm('gen-values');
    expect(status).toBe(1);
    expect(stderr).toContain(`${file}: ${problem}`);
    expect(stderr).not.toContain('    at ');
  });

  it('refuses an option that it does not know', async () => {
    await using project = await copy();
    const { status, stderr } = await project.npm('gen-values', '--chekc');
    expect(status).toBe(1);
    expect(stderr).toContain('--chekc');
  });
});
