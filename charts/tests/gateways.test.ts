import { describe, expect, test } from 'vitest';
import { type BeforeGateway, keptFor, objectsOf } from '../../ci/delivery/stand.ts';
import type { HelmRelease } from '../../ci/doctor/helm-release.ts';
import { fleet, mistakes, type Rendered, render } from './render.ts';

const colour = 'model-management.fineprint.ai/colour';
const everything = { gateway: { autoscaling: { enabled: true }, podDisruptionBudget: { enabled: true } } };

/** What `npm run deploy` keeps of a gateway. */
function heldOf(rendered: Rendered, slot: 'rolling' | 'blue', next: 'blue' | 'green', retiring: string[] = []): string {
  const release = { name: 'release', values: {}, objects: rendered.objects } as unknown as HelmRelease;
  const before: BeforeGateway = { slot, next, revision: 1, retiring, undo: [], ...objectsOf(release, slot) };
  return JSON.stringify(before);
}

const blueGreen = (active: string, held = '', gateway: object = {}) => ({
  gateway: { ...gateway, strategy: 'blueGreen', blueGreen: { active, held } },
});

const gatewaysOf = (rendered: Rendered) =>
  Object.keys(rendered.podTemplates).filter((name) => name.startsWith('model-management-gateway'));

test('renders one gateway without a colour, to which the Service leads, when the strategy is rolling', async () => {
  const rendered = await render(fleet({ a: {} }, {}, everything));
  expect(gatewaysOf(rendered)).toEqual(['model-management-gateway']);
  expect(rendered.get('Service', 'model-management').spec.selector).not.toHaveProperty([colour]);
  expect(rendered.find('Service', 'model-management-preview')).toBeUndefined();
});

describe('the strategy blueGreen', () => {
  test('renders the active colour alone with all that is its own, and a preview of the other, when nothing is held', async () => {
    const rendered = await render(fleet({ a: {} }, {}, blueGreen('green')));
    expect(gatewaysOf(rendered)).toEqual(['model-management-gateway-green']);
    for (const kind of ['ConfigMap', 'HorizontalPodAutoscaler', 'PodDisruptionBudget'] as const) {
      expect(rendered.find(kind, 'model-management-gateway-green'), kind).toBeDefined();
    }
    expect(rendered.get('Service', 'model-management').spec.selector[colour]).toBe('green');
    expect(rendered.get('Service', 'model-management-preview').spec.selector[colour]).toBe('blue');
    const { spec } = rendered.get('Deployment', 'model-management-gateway-green');
    expect(spec.selector.matchLabels[colour]).toBe('green');
    expect(spec.template.spec.serviceAccountName).toBe('model-management-gateway');
  });

  test('renders what is held as it was, beside the other colour of the values, wherever the Service leads', async () => {
    const before = await render(fleet({ a: {} }, {}, blueGreen('blue')));
    const held = heldOf(before, 'blue', 'green');
    for (const active of ['blue', 'green']) {
      const rendered = await render(
        fleet({ a: {} }, {}, { image: { tag: '9' }, ...blueGreen(active, held, { maxBodyMiB: 16 }) }),
      );
      expect(gatewaysOf(rendered)).toEqual(['model-management-gateway-blue', 'model-management-gateway-green']);
      for (const kind of ['Deployment', 'ConfigMap', 'HorizontalPodAutoscaler', 'PodDisruptionBudget'] as const) {
        const [was, is] = [before, rendered].map((of) => of.get(kind, 'model-management-gateway-blue'));
        expect(is, kind).toEqual(was);
      }
      const { spec } = rendered.get('Deployment', 'model-management-gateway-green').spec.template;
      expect(spec.containers[0]!.image).toBe('model-management:9');
      expect(rendered.get('ConfigMap', 'model-management-gateway-green').data['config.json']).toContain(
        '"maxBodyMiB": 16',
      );
      expect(rendered.get('Service', 'model-management').spec.selector[colour]).toBe(active);
      expect(rendered.get('Service', 'model-management-preview').spec.selector[colour]).not.toBe(active);
    }
  });

  test('keeps the gateway without a colour apart from a colour while the strategy changes', async () => {
    const before = await render(fleet({ a: {} }, {}, everything));
    const rendered = await render(fleet({ a: {} }, {}, blueGreen('rolling', heldOf(before, 'rolling', 'blue'))));
    expect(gatewaysOf(rendered)).toEqual(['model-management-gateway', 'model-management-gateway-blue']);
    expect(rendered.get('Service', 'model-management').spec.selector[colour]).toBe('rolling');
    expect(rendered.podTemplates['model-management-gateway']!.metadata.labels[colour]).toBe('rolling');
    const { selector } = rendered.get('PodDisruptionBudget', 'model-management-gateway').spec;
    expect(selector).toMatchObject({
      matchExpressions: [{ key: colour, operator: 'NotIn', values: ['blue', 'green'] }],
    });
  });

  test('leaves models out of the new configuration, and has their servers, when they are there for the one before alone', async () => {
    const old = fleet({ a: {}, b: {} }, {}, blueGreen('blue'));
    const before = await render(old);
    const kept = heldOf(before, 'blue', 'green', ['b']);
    const rendered = await render(fleet({ a: {}, b: {} }, {}, blueGreen('blue', kept)));
    const models = (name: string) =>
      Object.keys(
        JSON.parse(rendered.get('ConfigMap', `model-management-gateway-${name}`).data['config.json']!).models,
      );
    expect([models('blue'), models('green')]).toEqual([['a', 'b'], ['a']]);
    expect(rendered.find('Deployment', 'b')).toBeDefined();
  });

  test('rejects an active gateway that is not there, and what nobody wrote', async () => {
    expect(await mistakes(fleet({ a: {} }, {}, blueGreen('rolling')))).toEqual([
      expect.stringMatching(/^gateway\.blueGreen\.active: rolling is for the time/),
    ]);
    expect(await mistakes(fleet({ a: {} }, {}, blueGreen('blue', 'x')))).toEqual([
      expect.stringMatching(/^gateway\.blueGreen\.held: is not what/),
    ]);
  });

  test('counts both colours in the quota', async () => {
    const pods = async (values: object) =>
      Number((await render(values)).get('ResourceQuota', 'model-management').spec.hard.pods);
    const quota = { resourceQuota: { enabled: true } };
    const rolling = await pods(fleet({ a: {} }, {}, quota));
    expect(await pods(fleet({ a: {} }, {}, { ...quota, ...blueGreen('blue') }))).toBe(rolling + 6);
  });
});

test('keeps a model that goes, and refuses to move one', () => {
  const serverDefaults = { enabled: true, models: [] };
  const of = (servers: Record<string, object>, models: string[]) =>
    ({ serverDefaults, servers, models: Object.fromEntries(models.map((name) => [name, { pull: name }])) }) as never;
  const before = of({ x: { models: ['a', 'b'] }, y: { models: ['c'] } }, ['a', 'b', 'c']);
  const now = of({ x: { models: ['a'] } }, ['a']);
  expect(keptFor(['a', 'b', 'c'], before, now)).toMatchObject({
    retiring: ['b', 'c'],
    values: {
      models: { b: { pull: 'b' }, c: { pull: 'c' } },
      servers: { x: { models: ['a', 'b'] }, y: { enabled: true, models: ['c'] } },
    },
  });
  expect(() => keptFor(['a'], before, of({ z: { models: ['a'] } }, ['a']))).toThrow(
    'models.a: goes from servers.x to servers.z',
  );
});
