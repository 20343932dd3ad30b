import { describe, expect, test } from 'vitest';
import { fleet, mistakes, render } from './render.ts';

const spot = {
  'karpenter.sh/capacity-type': 'spot',
  'eks.amazonaws.com/capacityType': 'SPOT',
  'cloud.google.com/gke-spot': 'true',
  'kubernetes.azure.com/scalesetpriority': 'spot',
};

const server = async (scheduling: object, rest: object = {}) =>
  (await render(fleet({ a: { scheduling, ...rest } }))).get('Deployment', 'a').spec.template;

describe('spot nodes', () => {
  test('renders a preference for those of every cloud, and their taints tolerated, with nothing required', async () => {
    const { spec } = await server({ capacity: 'preferSpot' });
    const { nodeAffinity } = spec.affinity!;
    expect(nodeAffinity).not.toHaveProperty('requiredDuringSchedulingIgnoredDuringExecution');
    const preferred = nodeAffinity!.preferredDuringSchedulingIgnoredDuringExecution!;
    const terms = preferred.map(({ preference }) => preference.matchExpressions.map((one) => [one.key, one.values]));
    expect(Object.fromEntries(terms.flat())).toEqual(
      Object.fromEntries(Object.entries(spot).map(([key, value]) => [key, [value]])),
    );
    expect(terms.every((term) => term.length === 1)).toBe(true);
    expect(Object.fromEntries(spec.tolerations!.map(({ key, value }) => [key, value]))).toEqual(spot);
  });

  test('renders none of them for what is to run on demand', async () => {
    const { spec } = await server({ capacity: 'onDemand' });
    const [term, ...others] =
      spec.affinity!.nodeAffinity!.requiredDuringSchedulingIgnoredDuringExecution!.nodeSelectorTerms;
    expect(others).toEqual([]);
    expect(
      Object.fromEntries(term!.matchExpressions.map(({ key, operator, values }) => [key, [operator, ...values]])),
    ).toEqual(Object.fromEntries(Object.entries(spot).map(([key, value]) => [key, ['NotIn', value]])));
    expect(spec).not.toHaveProperty('tolerations');
  });

  test('renders both what GPUs require and what spot nodes are preferred for', async () => {
    const { spec } = await server({ capacity: 'onDemand' }, { resources: { gpu: 1 } });
    const [term] = spec.affinity!.nodeAffinity!.requiredDuringSchedulingIgnoredDuringExecution!.nodeSelectorTerms;
    expect(term!.matchExpressions.map(({ key }) => key).sort()).toEqual(
      ['nvidia.com/gpu.sharing-strategy', ...Object.keys(spot)].sort(),
    );
    const preferring = await server({ capacity: 'preferSpot' }, { resources: { gpu: 1 } });
    expect(preferring.spec.tolerations).toHaveLength(5);
  });

  test('omits all of it when any node will do', async () => {
    const { spec } = await server({ capacity: 'any' });
    for (const key of ['affinity', 'tolerations', 'topologySpreadConstraints', 'schedulerName']) {
      expect(spec).not.toHaveProperty(key);
    }
  });

  test('refuses a node selector that says the same or the contrary', async () => {
    const nodeSelector = { 'karpenter.sh/capacity-type': 'on-demand' };
    const values = (capacity: string) => fleet({ a: { scheduling: { capacity, nodeSelector } } });
    expect(await mistakes(values('preferSpot'))).toEqual([
      'servers.a.scheduling.nodeSelector: karpenter.sh/capacity-type is what capacity preferSpot is about: remove it, or set capacity to any',
    ]);
    expect((await render(values('any'))).get('Deployment', 'a').spec.template.spec.nodeSelector).toEqual(nodeSelector);
  });

  test('refuses the same of the gateway', async () => {
    const scheduling = { capacity: 'onDemand', nodeSelector: { 'cloud.google.com/gke-spot': 'true' } };
    expect(await mistakes({ gateway: { scheduling } })).toEqual([
      'gateway.scheduling.nodeSelector: cloud.google.com/gke-spot is what capacity onDemand is about: remove it, or set capacity to any',
    ]);
  });
});

describe('packing', () => {
  test('renders a preference for nodes that have servers of the same kind, with GPUs or without', async () => {
    const scheduling = { pack: true };
    const rendered = await render(
      fleet({ a: { scheduling }, b: {}, g: { scheduling, resources: { gpu: 1 } }, h: { resources: { gpu: 1 } } }),
    );
    const term = (name: string) => {
      const { podAffinity } = rendered.get('Deployment', name).spec.template.spec.affinity!;
      const [only, ...others] = podAffinity!.preferredDuringSchedulingIgnoredDuringExecution!;
      expect(others).toEqual([]);
      expect(only!.podAffinityTerm.topologyKey).toBe('kubernetes.io/hostname');
      return only!.podAffinityTerm.labelSelector.matchLabels;
    };
    const chosen = (labels: Record<string, string>) =>
      Object.entries(rendered.podTemplates)
        .filter(([_, { metadata }]) => Object.entries(labels).every(([key, value]) => metadata.labels[key] === value))
        .map(([name]) => name)
        .sort();
    expect(chosen(term('a'))).toEqual(['a', 'b']);
    expect(chosen(term('g'))).toEqual(['g', 'h']);
  });

  test('renders the scheduler that the values name', async () => {
    expect((await server({ schedulerName: 'packing' })).spec.schedulerName).toBe('packing');
  });
});

describe('spreading', () => {
  test('renders the gateway over zones and nodes, new pods by themselves, and none of it required', async () => {
    const { selector, template } = (await render()).get('Deployment', 'model-management-gateway').spec;
    const spread = template.spec.topologySpreadConstraints!;
    expect(spread.map(({ topologyKey }) => topologyKey)).toEqual([
      'topology.kubernetes.io/zone',
      'kubernetes.io/hostname',
    ]);
    for (const constraint of spread) {
      expect(constraint).toMatchObject({
        whenUnsatisfiable: 'ScheduleAnyway',
        matchLabelKeys: ['pod-template-hash'],
      });
      expect(constraint.labelSelector.matchLabels).toEqual(selector.matchLabels);
    }
    // One node each, were it less: Karpenter buys for it as if it were required.
    expect(spread.map(({ maxSkew }) => maxSkew)).toEqual([1, 4]);
    const off = await render({ gateway: { scheduling: { spread: false } } });
    expect(off.get('Deployment', 'model-management-gateway').spec.template.spec).not.toHaveProperty(
      'topologySpreadConstraints',
    );
  });

  test('renders a server by its own pods', async () => {
    const rendered = await render(fleet({ a: { scheduling: { spread: true } } }));
    const { selector, template } = rendered.get('Deployment', 'a').spec;
    for (const constraint of template.spec.topologySpreadConstraints!) {
      expect(constraint.labelSelector.matchLabels).toEqual(selector.matchLabels);
    }
  });
});

test('renders the Job without spot, packing and spreading, beside the affinity that it may need', async () => {
  const scheduling = { capacity: 'preferSpot', pack: true, spread: true, nodeSelector: { a: 'b' } };
  const rest = { serverDefaults: { scheduling }, sharedCache: { accessMode: 'ReadWriteOnce' } };
  const rendered = await render(fleet({ a: { cache: { mode: 'shared' }, replicas: { min: 1, max: 1 } } }, {}, rest));
  const { spec } = rendered.only('Job').spec.template;
  expect(spec.nodeSelector).toEqual({ a: 'b' });
  expect(Object.keys(spec.affinity!)).toEqual(['podAffinity']);
  expect(spec.affinity!.podAffinity).toHaveProperty('requiredDuringSchedulingIgnoredDuringExecution');
  expect(spec).not.toHaveProperty('topologySpreadConstraints');
});
