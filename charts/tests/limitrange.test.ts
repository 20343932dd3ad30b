import { expect, test } from 'vitest';
import { environments, fleet, render } from './render.ts';

const limits = async (values: object) => {
  const { limits } = (await render(values)).only('LimitRange').spec;
  return Object.fromEntries(limits.map(({ type, ...bounds }) => [type, bounds]));
};

test('renders the largest container as the most that one may have', async () => {
  const values = fleet({ a: { resources: { memory: '3Gi' } }, b: { resources: { memory: '3G' } } });
  expect(await limits(values)).toMatchObject({
    Container: {
      max: { memory: `${3 * 2 ** 30}` },
      default: { memory: `${2 ** 29}` },
      defaultRequest: { cpu: '100m', memory: `${2 ** 28}` },
    },
  });
});

test('renders defaults that are no larger than the largest container', async () => {
  const resources = { cpu: '50m', memory: '130Mi' };
  const values = fleet({ a: { resources } }, {}, { agent: { resources }, gateway: { resources, maxBodyMiB: 1 } });
  const memory = `${130 * 2 ** 20}`;
  expect(await limits(values)).toMatchObject({
    Container: { max: { memory }, default: { memory }, defaultRequest: { cpu: '50m', memory } },
  });
});

test('renders the largest claim as the most that one may have', async () => {
  const own = (size: string) => ({ cache: { mode: 'ephemeral', size } });
  const shared = { cache: { mode: 'shared', size: '9Ti' } };
  const claims = async (servers: Record<string, object>, sharedCache: object = {}) =>
    (await limits(fleet(servers, {}, { sharedCache }))).PersistentVolumeClaim;
  expect(await claims({ a: own('3Gi'), b: own('3G') })).toEqual({ max: { storage: `${3 * 2 ** 30}` } });
  expect(await claims({ a: own('3Gi'), b: shared }, { size: '5Gi' })).toEqual({ max: { storage: `${5 * 2 ** 30}` } });
  expect(await claims({ a: own('3Gi'), b: shared }, { size: '5Gi', existingClaim: 'a' })).toEqual({
    max: { storage: `${3 * 2 ** 30}` },
  });
  expect(await claims({ b: { cache: { mode: 'image', image: { reference: 'a:1' } } } })).toBeUndefined();
});

test('renders bounds that every container of every environment keeps', async () => {
  for (const environment of environments) {
    const rendered = await render({}, { environment });
    const { max } = rendered.only('LimitRange').spec.limits.find(({ type }) => type === 'Container')!;
    const templates = Object.values(rendered.podTemplates);
    const containers = templates.flatMap(({ spec }) => [...(spec.initContainers ?? []), ...spec.containers]);
    const bytes = containers.map(({ resources }) => bytesOf(String(resources.limits.memory)));
    expect(Math.max(...bytes)).toBe(Number(max.memory));
  }
});

function bytesOf(quantity: string): number {
  const [, digits, unit] = /^(\d+)(Mi|Gi|M|G)$/.exec(quantity)!;
  return Number(digits) * { M: 1e6, G: 1e9, Mi: 2 ** 20, Gi: 2 ** 30 }[unit as 'M' | 'G' | 'Mi' | 'Gi'];
}

test('omits it when it is switched off', async () => {
  expect((await render({ limitRange: { enabled: false } })).all('LimitRange')).toEqual([]);
});
