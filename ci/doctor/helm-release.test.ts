import { gzipSync } from 'node:zlib';
import { expect, it } from 'vitest';
import { isOurChart, newestRevisions, readRelease } from './helm-release.ts';

const stored = (over: object) => {
  const release = {
    name: 'fleet',
    version: 3,
    info: { status: 'deployed', description: 'Upgrade complete', last_deployed: '2026-03-01T11:00:00Z' },
    chart: {
      metadata: { name: 'model-management', version: '0.1.0' },
      values: { servers: { a: { enabled: true }, b: {} }, serverDefaults: { replicas: { min: 1, max: 4 } } },
    },
    config: { servers: { b: null, c: {} }, serverDefaults: { replicas: { max: 8 } } },
    manifest:
      '---\nkind: Service\napiVersion: v1\nmetadata: {name: a}\n---\n# nothing\n---\nkind: Ingress\napiVersion: networking.k8s.io/v1\nmetadata: {name: b}\n',
    ...over,
  };
  const packed = gzipSync(JSON.stringify(release)).toString('base64');
  return {
    metadata: {
      name: `sh.helm.release.v1.${release.name}.v${release.version}`,
      labels: { name: release.name, version: String(release.version) },
    },
    type: 'helm.sh/release.v1',
    data: { release: Buffer.from(packed).toString('base64') },
  };
};

it('reads what Helm keeps of a release, with the values as it merged them', () => {
  const release = readRelease(stored({}));
  expect(release).toMatchObject({ name: 'fleet', revision: 3, status: 'deployed', chart: 'model-management' });
  expect(release.values).toEqual({
    servers: { a: { enabled: true }, c: {} },
    serverDefaults: { replicas: { min: 1, max: 8 } },
  });
  expect(release.objects.map(({ kind, metadata }) => `${kind} ${metadata.name}`)).toEqual(['Service a', 'Ingress b']);
  expect(isOurChart(release)).toBe(true);
});

it('finds the values of the chart where it is part of another', () => {
  const release = readRelease(
    stored({
      chart: { metadata: { name: 'platform' }, values: {} },
      config: { web: { x: 1 }, fleet: { servers: { a: {} }, serverDefaults: {} } },
    }),
  );
  expect(release.values).toEqual({ servers: { a: {} }, serverDefaults: {} });
  expect(isOurChart(release)).toBe(true);
  expect(isOurChart(readRelease(stored({ chart: { metadata: { name: 'other' } }, config: null })))).toBe(false);
});

it('takes the newest revision of each release', () => {
  const secrets = [
    stored({ version: 9 }),
    stored({ version: 10 }),
    stored({ name: 'two', version: 1 }),
    { metadata: { name: 'x' }, type: 'Opaque' },
  ];
  const newest = newestRevisions(secrets);
  expect([...newest].map(([name, { metadata }]) => `${name} ${metadata.labels!.version}`)).toEqual([
    'fleet 10',
    'two 1',
  ]);
});
