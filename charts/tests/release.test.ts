import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { run } from '../../ci/tools/run.ts';
import { tool } from '../../ci/tools/tools.ts';
import { chart, environments, fleet, mistakes, model, type Rendered, type RenderOptions, render } from './render.ts';

const folders: string[] = [];
afterAll(async () => {
  for (const folder of folders) await rm(folder, { recursive: true });
});

async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), 'chart-'));
  folders.push(folder);
  return folder;
}

/** The objects of which two renderings have different ones, or only one has any. */
function changed(before: Rendered, after: Rendered): string[] {
  const [old, now] = [before.byIdentity, after.byIdentity];
  const identities = [...new Set([...Object.keys(old), ...Object.keys(now)])];
  return identities.filter((identity) => JSON.stringify(old[identity]) !== JSON.stringify(now[identity])).toSorted();
}

/** The makers of pods that a change from one rendering to the other restarts. */
function restarted(before: Rendered, after: Rendered): string[] {
  const [old, now] = [before.podTemplates, after.podTemplates];
  return Object.keys(now).filter((name) => old[name] && JSON.stringify(old[name]) !== JSON.stringify(now[name]));
}

describe('a change', () => {
  const servers = { a: {}, b: {}, c: {} };

  test('of one model renders anew its server and what tells of it, and nothing else', async () => {
    const before = await render(fleet(servers));
    const prompt = await render(fleet(servers, { b: model('b', { system: 'Be brief.' }) }));
    expect(changed(before, prompt)).toEqual(['ConfigMap b', 'Deployment b']);
    const name = await render(fleet(servers, { b: model('other') }));
    expect(changed(before, name)).toEqual(['ConfigMap b', 'ConfigMap model-management-gateway', 'Deployment b']);
    expect(restarted(before, name)).toEqual(['b']);
    const template = (rendered: Rendered) => ({ ...rendered.get('Deployment', 'b').spec, template: undefined });
    expect(template(name)).toEqual(template(before));
  });

  test('of what the gateway alone is told of a model restarts nothing', async () => {
    const before = await render(fleet(servers));
    const words = { aliases: ['x'], fallbacks: ['a'], canary: { model: 'a', percent: 1 }, queue: { depth: 1 } };
    expect(changed(before, await render(fleet(servers, { b: model('b', words) })))).toEqual([
      'ConfigMap model-management-gateway',
    ]);
  });

  test('of when a model is unloaded renders anew its server, and nothing else', async () => {
    const before = await render(fleet(servers));
    const after = await render(fleet(servers, { b: model('b', { keepAlive: '-1' }) }));
    expect(changed(before, after)).toEqual(['ConfigMap b', 'Deployment b']);
  });

  test('of one model in a shared cache renders anew its server and the Job', async () => {
    const shared = { a: { cache: { mode: 'shared' } }, b: { cache: { mode: 'shared' } } };
    const before = await render(fleet(shared));
    const after = await render(fleet(shared, { b: model('b', { system: 'Be brief.' }) }));
    expect(restarted(before, after)).toEqual(['b']);
    const jobs = [before, after].map((rendered) => rendered.only('Job').metadata.name);
    const expected = ['ConfigMap b', 'Deployment b', ...jobs.flatMap((job) => [`ConfigMap ${job}`, `Job ${job}`])];
    expect(changed(before, after)).toEqual(expected.toSorted());
  });

  test('of the servers restarts none that stays, and not the gateway', async () => {
    const before = await render(fleet({ a: {}, b: {} }));
    const after = await render(fleet({ a: {}, c: {} }));
    expect(restarted(before, after)).toEqual([]);
    expect(changed(before, after)).toContain('ConfigMap model-management-gateway');
  });

  test('of how many pods there may be, of the Ingress and of bounds restarts nothing', async () => {
    const before = await render(fleet(servers));
    const rest = { gateway: { replicas: { max: 9 } }, ingress: { enabled: true }, limitRange: { enabled: false } };
    const after = await render(fleet({ ...servers, a: { replicas: { min: 2, max: 9 } } }, {}, rest));
    expect(changed(before, after)).toContain('HorizontalPodAutoscaler a');
    expect(restarted(before, after)).toEqual([]);
  });
});

describe('an upgrade of the chart', () => {
  async function chartOf(version: string, appVersion: string): Promise<string> {
    const folder = await temporaryFolder();
    await cp(chart, folder, { recursive: true, filter: (file) => !file.endsWith('.test.ts') });
    const file = path.join(folder, 'Chart.yaml');
    const text = await readFile(file, 'utf8');
    const bumped = text
      .replace(/^version: .*$/m, `version: ${version}`)
      .replace(/^appVersion: .*$/m, `appVersion: ${appVersion}`);
    await writeFile(file, bumped);
    return folder;
  }

  const shared = { servers: { 'ollama-qwen': { cache: { mode: 'shared' } } } };

  test('restarts nothing when the tag of the image is pinned', async () => {
    const values = { ...shared, image: { tag: '0.1.0' } };
    const [before, after] = [await render(values), await render(values, { chart: await chartOf('0.2.0', '0.2.0') })];
    expect(changed(before, after).length).toBe(before.objects.length);
    expect(after.podTemplates).toEqual(before.podTemplates);
  });

  test('restarts all pods of the service when the tag follows the version', async () => {
    const after = await render(shared, { chart: await chartOf('0.2.0', '0.2.0') });
    expect(restarted(await render(shared), after).length).toBe(8);
    expect(after.only('Job').metadata.name).toBe((await render(shared)).only('Job').metadata.name);
  });

  test('renders labels that Kubernetes takes when the versions have build metadata', async () => {
    const rendered = await render({}, { chart: await chartOf('0.2.0+build.1', '0.2.0+build.1') });
    expect(rendered.get('Deployment', 'ollama-llama').metadata.labels).toMatchObject({
      'app.kubernetes.io/version': '0.2.0_build.1',
      'helm.sh/chart': 'model-management-0.2.0_build.1',
    });
  });
});

describe('the oldest Helm', () => {
  const image = { mode: 'image', image: { reference: 'registry/models:1' } };
  const words = { '1.a': model('a', { system: ' \\| "é"\n\n 😀 \n', parameters: { seed: 1e6, stop: '\\n' } }) };
  const everything = fleet(
    {
      on: {},
      b: { cache: { mode: 'shared' } },
      packed: { models: ['1.a', 'd'], resources: { gpu: 2 }, gpu: { mode: 'shared' } },
    },
    words,
    { ingress: { enabled: true }, namePrefix: 'x-', commonLabels: { on: 'off' } },
  );

  const cases: [string, object, RenderOptions][] = [
    ['every environment and Kubernetes', {}, {}],
    ...environments.map((environment): (typeof cases)[number] => [environment, {}, { environment }]),
    ['odd values', everything, { namespace: '007' }],
  ];

  test.each(cases)('renders the same objects for Kubernetes 1.29 as the newest with %s', async (_, values, options) => {
    const of = (helm: 'helm' | 'helm3') => render(values, { ...options, helm, kubeVersion: '1.29.0' });
    const [oldest, newest] = [await of('helm3'), await of('helm')];
    expect(oldest.byIdentity).toEqual(newest.byIdentity);
    expect(oldest.objects.length).toBeGreaterThan(8);
  });

  test('renders the same objects with a model in an image', async () => {
    const of = (helm: 'helm' | 'helm3') => render(fleet({ a: { cache: image } }), { helm });
    expect((await of('helm3')).byIdentity).toEqual((await of('helm')).byIdentity);
  });

  test('refuses what the newest refuses, in the same words', async () => {
    const values = fleet({ a: { models: [], replicas: { min: 2, max: 1 } } });
    expect(await mistakes(values, { helm: 'helm3' })).toEqual(await mistakes(values));
    expect(await mistakes(values)).toHaveLength(2);
  });
});

describe('the package', () => {
  test('holds what Helm needs, and neither tests nor their settings', async () => {
    const folder = await temporaryFolder();
    await run(await tool('helm'), ['package', chart, '--destination', folder]);
    const list = (await run('tar', ['-tzf', path.join(folder, 'model-management-0.1.0.tgz')])).split('\n');
    const top = new Set(list.map((file) => file.split('/')[1]));
    expect([...top].toSorted()).toEqual([
      '.helmignore',
      'Chart.yaml',
      'README.md',
      'files',
      'templates',
      'values.schema.json',
      'values.yaml',
    ]);
    expect(list.filter((file) => file.endsWith('.ts'))).toEqual([]);
  });
});
