import { describe, expect, test } from 'vitest';
import { environments, fleet, type Rendered, render } from './render.ts';

const label = /^[a-z]([-a-z0-9]*[a-z0-9])?$/;
const cache = { mode: 'shared' };
const identities = ({ byIdentity }: Rendered) => Object.keys(byIdentity);

describe('names', () => {
  test.each(environments)(
    'renders no two objects of one kind and name when the environment is %s',
    async (environment) => {
      expect(identities(await render({}, { environment })).length).toBeGreaterThan(8);
    },
  );

  test('renders the prefix before every name, so that two releases have nothing in common', async () => {
    const servers = { own: {}, shared: { cache } };
    const rest = { ingress: { enabled: true } };
    const plain = identities(await render(fleet(servers, {}, rest)));
    const other = identities(await render(fleet(servers, {}, { ...rest, namePrefix: 'other-' })));
    expect(other.length).toBe(plain.length);
    expect(other.filter((identity) => plain.includes(identity))).toEqual([]);
    for (const identity of other) expect(identity).toMatch(/ other-/);
  });

  test('renders names that refer to each other by the prefixed name', async () => {
    const rendered = await render(fleet({ a: { cache } }, {}, { namePrefix: 'x-' }));
    const names = new Set(identities(rendered));
    for (const { spec } of Object.values(rendered.podTemplates)) {
      expect(names).toContain(`ServiceAccount ${spec.serviceAccountName}`);
      for (const { configMap, persistentVolumeClaim } of spec.volumes) {
        if (configMap) expect(names).toContain(`ConfigMap ${configMap.name}`);
        if (persistentVolumeClaim) expect(names).toContain(`PersistentVolumeClaim ${persistentVolumeClaim.claimName}`);
      }
    }
  });

  test('renders names of at most 63 characters that end as a label may, wherever they are cut', async () => {
    const namePrefix = `${'p'.repeat(39)}-`;
    for (const cut of ['a', '-a', '--a', '---a']) {
      const server = `${'s'.repeat(23 - cut.length + 1)}${cut}${'t'.repeat(39)}`;
      const rendered = await render(fleet({ [server]: { cache } }, {}, { namePrefix, ingress: { enabled: true } }));
      for (const { metadata } of rendered.objects) {
        expect(metadata.name).toMatch(label);
        expect(metadata.name.length).toBeLessThanOrEqual(63);
      }
      expect(rendered.all('Deployment').map(({ metadata }) => metadata.name.slice(0, 40))).toContain(namePrefix);
    }
  });

  test('renders a server of 63 characters under all of its name', async () => {
    const server = 's'.repeat(63);
    const rendered = await render(fleet({ [server]: {} }));
    const { metadata, spec } = rendered.get('Deployment', server);
    expect(metadata.labels['model-management.fineprint.ai/server']).toBe(server);
    expect(spec.selector.matchLabels).toMatchObject({ 'model-management.fineprint.ai/server': server });
  });
});

/** Words that YAML takes for something else than text, where they are allowed. */
describe('words that mean something else in YAML', () => {
  test.each(['on', 'no', 'y', 'true', 'null'])('renders a server called %s', async (word) => {
    const rendered = await render(fleet({ [word]: {} }));
    for (const kind of ['Deployment', 'Service', 'ConfigMap', 'PodDisruptionBudget'] as const) {
      expect(rendered.find(kind, word)?.metadata.name).toBe(word);
    }
    const { spec } = rendered.get('HorizontalPodAutoscaler', word);
    expect(spec.scaleTargetRef.name).toBe(word);
  });

  test.each(['007', '1e3', '1-1'])('renders all objects into a namespace called %s', async (namespace) => {
    const values = fleet({ a: { cache } }, {}, { ingress: { enabled: true } });
    for (const { metadata } of (await render(values, { namespace })).objects)
      expect(metadata.namespace).toBe(namespace);
  });

  test('renders texts for texts wherever the values allow a number', async () => {
    const scheduling = { priorityClassName: '1', runtimeClassName: '2', nodeSelector: { '3': '4', on: 'off' } };
    const image = { repository: 'on', tag: '5', digest: '', pullPolicy: 'Never' };
    const servers = { a: { scheduling, resources: { cpu: '6', gpu: 1, gpuResource: 'yes' } } };
    const gateway = { scheduling, resources: { cpu: '7', memory: '1Gi' } };
    const ingress = { enabled: true, className: '8', host: '9', tls: { secretName: '1e1' } };
    const rest = { gateway, ingress, image, commonLabels: { on: '11' }, imagePullSecrets: ['12'] };
    const rendered = await render(fleet(servers, {}, rest));
    const { spec } = rendered.get('Deployment', 'a').spec.template;
    const selector = { '3': '4', on: 'off' };
    expect(spec).toMatchObject({ priorityClassName: '1', runtimeClassName: '2', nodeSelector: selector });
    expect(spec.imagePullSecrets).toEqual([{ name: '12' }]);
    expect(spec.containers[0]!.resources.limits).toMatchObject({ cpu: '6', yes: 1 });
    const template = rendered.get('Deployment', 'model-management-gateway').spec.template;
    expect(template.metadata.labels.on).toBe('11');
    expect(template.spec.containers[0]).toMatchObject({ image: 'on:5', resources: { requests: { cpu: '7' } } });
    const { ingressClassName, rules, tls } = rendered.only('Ingress').spec;
    expect([ingressClassName, rules[0]!.host, tls]).toEqual(['8', '9', [{ hosts: ['9'], secretName: '1e1' }]]);
  });
});
