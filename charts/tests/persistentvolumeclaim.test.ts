import { expect, test } from 'vitest';
import { fleet, render } from './render.ts';

const shared = fleet({ a: { cache: { mode: 'shared' } }, b: { cache: { mode: 'shared' } } });

test('omits the shared claim when no server uses it', async () => {
  const servers = { a: { cache: { mode: 'ephemeral' } }, off: { enabled: false, cache: { mode: 'shared' } } };
  expect((await render(fleet(servers))).all('PersistentVolumeClaim')).toEqual([]);
});

test('renders one claim for all servers that share', async () => {
  const { metadata, spec } = (await render(shared)).only('PersistentVolumeClaim');
  expect(metadata.name).toBe('model-management-models');
  expect(spec).toMatchObject({ accessModes: ['ReadWriteMany'] });
  expect(spec).not.toHaveProperty('storageClassName');
});

test('renders size, class and access mode as the values have them', async () => {
  const sharedCache = { size: '3Ti', storageClass: '1e3' };
  const { spec } = (await render({ ...shared, sharedCache })).only('PersistentVolumeClaim');
  expect(spec).toEqual({
    accessModes: ['ReadWriteMany'],
    storageClassName: '1e3',
    resources: { requests: { storage: '3Ti' } },
  });
});

test('omits the claim, and mounts the one that is there, when one is named', async () => {
  const rendered = await render({ ...shared, sharedCache: { existingClaim: '007' } });
  expect(rendered.all('PersistentVolumeClaim')).toEqual([]);
  const templates = [rendered.get('Deployment', 'a'), rendered.only('Job')].map(({ spec }) => spec.template);
  for (const { spec } of templates) expect(spec.volumes[0]!.persistentVolumeClaim!.claimName).toBe('007');
});
