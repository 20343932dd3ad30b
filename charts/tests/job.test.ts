import { describe, expect, test } from 'vitest';
import { fleet, model, render } from './render.ts';

const cache = { mode: 'shared' };

describe('the puller', () => {
  test('omits itself when no server shares its cache', async () => {
    const rendered = await render(fleet({ a: {} }));
    expect(rendered.all('Job')).toEqual([]);
    expect(rendered.all('ConfigMap').filter(({ metadata }) => metadata.name.includes('puller'))).toEqual([]);
  });

  test('renders one Job that brings the models of all servers that share, and of no other', async () => {
    const rendered = await render(fleet({ a: { cache }, b: { cache, models: ['c', 'd'] }, own: {} }));
    const { name } = rendered.only('Job').metadata;
    const { data } = rendered.get('ConfigMap', name);
    expect(Object.keys(data).toSorted()).toEqual(['a.Modelfile', 'c.Modelfile', 'd.Modelfile', 'models.list']);
    expect(data['models.list']!.trim().split('\n').length).toBe(3);
  });

  test('renders models that the waiting pods look for in the same words', async () => {
    const rendered = await render(fleet({ a: { cache, resources: { cpu: '7' } }, b: { cache } }));
    const list = (name: string) => rendered.get('ConfigMap', name).data['models.list']!.trim().split('\n');
    expect(list(rendered.only('Job').metadata.name)).toEqual([...list('a'), ...list('b')]);
  });

  test('renders a pod that writes to the shared claim and goes on after a failure', async () => {
    const { metadata, spec } = (await render(fleet({ a: { cache } }))).only('Job');
    expect(spec.backoffLimit).toBeGreaterThan(5);
    const { containers, restartPolicy, volumes } = spec.template.spec;
    expect(restartPolicy).toBe('OnFailure');
    expect(containers[0]!.command!.at(-1)).toBe('pull');
    expect(containers[0]!.volumeMounts.find(({ name }) => name === 'models')).not.toHaveProperty('readOnly');
    expect(volumes[0]!.persistentVolumeClaim).toEqual({ claimName: 'model-management-models' });
    expect(volumes.find(({ name }) => name === 'model-specs')!.configMap!.name).toBe(metadata.name);
  });

  test("renders its pod on the server's node when the claim can be on one node only", async () => {
    const values = fleet({ a: { cache, replicas: { min: 1, max: 1 } }, own: {} });
    const rendered = await render({ ...values, sharedCache: { accessMode: 'ReadWriteOnce' } });
    const { matchLabels } = rendered.get('Deployment', 'a').spec.selector;
    expect(rendered.only('Job').spec.template.spec.affinity).toEqual({
      podAffinity: {
        requiredDuringSchedulingIgnoredDuringExecution: [
          { topologyKey: 'kubernetes.io/hostname', labelSelector: { matchLabels } },
        ],
      },
    });
    expect((await render(values)).only('Job').spec.template.spec).not.toHaveProperty('affinity');
  });
});

describe('the name of the puller, since Jobs cannot be changed', () => {
  const nameOf = async (values: object) => (await render(values)).only('Job').metadata.name;
  const servers = { a: { cache } };

  test('stays when nothing that it does changes', async () => {
    const grown = { a: { cache, replicas: { max: 4 } }, own: {} };
    expect(await nameOf(fleet(grown, {}, { gateway: { maxBodyMiB: 7 } }))).toBe(await nameOf(fleet(servers)));
  });

  test('changes with the models, and with anything in its pod', async () => {
    const others = [
      fleet(servers),
      fleet({ ...servers, b: { cache } }),
      fleet(servers, { a: model('a', { system: 'Be brief.' }) }),
      fleet(servers, { a: model('a', { digest: `sha256:${'0'.repeat(64)}` }) }),
      fleet(servers, {}, { modelRegistry: { insecure: true } }),
      fleet(servers, {}, { serverDefaults: { resources: { memory: '5G' } } }),
      fleet(servers, {}, { commonLabels: { team: 'a' } }),
    ];
    const names = await Promise.all(others.map(nameOf));
    expect(new Set(names).size).toBe(others.length);
  });

  test('is no longer than a label when the prefix is long', async () => {
    const namePrefix = `${'x'.repeat(39)}-`;
    const name = await nameOf(fleet(servers, {}, { namePrefix }));
    expect(name.length).toBeLessThanOrEqual(63);
    expect(name).toMatch(/-[0-9a-f]{8}$/);
  });
});
