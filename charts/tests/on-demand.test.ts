import { describe, expect, test } from 'vitest';
import { fleet, mistakes, type Rendered, render } from './render.ts';

const capacity = 'model-management.fineprint.ai/capacity';
const spot = { scheduling: { capacity: 'preferSpot' } };
const replicas = { min: 3, max: 8, onDemand: 2 };

/** Whether a Deployment's selector takes a pod with these labels, as Kubernetes judges. */
function selects(rendered: Rendered, name: string, labels: Record<string, string>): boolean {
  const { matchLabels, matchExpressions = [] } = rendered.get('Deployment', name).spec.selector;
  return (
    Object.entries(matchLabels).every(([key, value]) => labels[key] === value) &&
    matchExpressions.every(({ key, operator }) => operator === 'DoesNotExist' && !(key in labels))
  );
}

describe('pods that never run on spot nodes', () => {
  test('renders them as a Deployment of their own, of the same server, on demand', async () => {
    const rendered = await render(fleet({ a: { ...spot, replicas } }));
    const [own, others] = [rendered.get('Deployment', 'a-on-demand'), rendered.get('Deployment', 'a')];
    expect(own.spec.replicas).toBe(2);
    const required = (deployment: typeof own) =>
      deployment.spec.template.spec.affinity!.nodeAffinity!.requiredDuringSchedulingIgnoredDuringExecution;
    expect(required(own)!.nodeSelectorTerms[0]!.matchExpressions.map(({ operator }) => operator)).toEqual(
      Array(4).fill('NotIn'),
    );
    expect(required(others)).toBeUndefined();
    const rest = (deployment: typeof own) => {
      const { affinity: _affinity, tolerations: _tolerations, ...spec } = deployment.spec.template.spec;
      return spec;
    };
    expect(rest(own)).toEqual(rest(others));
  });

  test('renders an autoscaler for the others alone, whose selector leaves these out', async () => {
    const rendered = await render(fleet({ a: { ...spot, replicas } }));
    const { scaleTargetRef, minReplicas, maxReplicas } = rendered.get('HorizontalPodAutoscaler', 'a').spec;
    expect([scaleTargetRef.name, minReplicas, maxReplicas]).toEqual(['a', 1, 6]);
    expect(rendered.get('Deployment', 'a').spec).not.toHaveProperty('replicas');
    const labels = (name: string) => rendered.podTemplates[name]!.metadata.labels;
    for (const [of, pods, expected] of [
      ['a', 'a', true],
      ['a', 'a-on-demand', false],
      ['a-on-demand', 'a', false],
      ['a-on-demand', 'a-on-demand', true],
    ] as const) {
      expect([of, pods, selects(rendered, of, labels(pods))]).toEqual([of, pods, expected]);
    }
  });

  test('renders an autoscaler that keeps a pod beside them where a window of the schedule asks for fewer', async () => {
    const nights = { schedule: { nights: { days: ['mon'], from: '20:00', to: '07:00', min: 1 } } };
    const demand = { autoscaling: { signals: 'demand' }, monitoring: { rules: { delivery: 'configMap' } } };
    const rendered = await render(fleet({ a: { ...spot, replicas, autoscaling: nights } }, {}, demand));
    const { minReplicas, maxReplicas } = rendered.get('HorizontalPodAutoscaler', 'a').spec;
    expect([minReplicas, maxReplicas]).toEqual([1, replicas.max - replicas.onDemand]);
  });

  test('renders packing apart from the others, whom they would draw to their nodes', async () => {
    const rendered = await render(fleet({ a: { scheduling: { capacity: 'preferSpot', pack: true }, replicas } }));
    const operators = ['a', 'a-on-demand'].map((name) => {
      const { podAffinity } = rendered.podTemplates[name]!.spec.affinity!;
      const [term] = podAffinity!.preferredDuringSchedulingIgnoredDuringExecution!;
      return term!.podAffinityTerm.labelSelector.matchExpressions;
    });
    expect(operators).toEqual([[{ key: capacity, operator: 'DoesNotExist' }], [{ key: capacity, operator: 'Exists' }]]);
  });

  test('renders Service and disruption budget for both', async () => {
    const rendered = await render(fleet({ a: { ...spot, replicas } }));
    const selectors = [
      rendered.get('Service', 'a').spec.selector,
      rendered.get('PodDisruptionBudget', 'a').spec.selector.matchLabels,
    ];
    for (const selector of selectors) {
      expect(rendered.podTemplates['a-on-demand']!.metadata.labels).toMatchObject(selector);
      expect(selector).not.toHaveProperty([capacity]);
    }
  });

  test('renders a fixed number of the others when nothing scales them', async () => {
    const rendered = await render(fleet({ a: { ...spot, replicas, autoscaling: { enabled: false } } }));
    expect(rendered.get('Deployment', 'a').spec.replicas).toBe(1);
  });

  test('renders a quota with room for a rollout of each Deployment', async () => {
    const pods = async (onDemand: number) =>
      Number(
        (await render(fleet({ a: { ...spot, replicas: { ...replicas, onDemand } } }))).only('ResourceQuota').spec.hard
          .pods,
      );
    expect((await pods(2)) - (await pods(0))).toBe(1);
  });

  test('renders names that end as they should, also where they are cut', async () => {
    const server = `${'s'.repeat(52)}-${'t'.repeat(10)}`;
    const names = (await render(fleet({ [server]: { ...spot, replicas } })))
      .all('Deployment')
      .map(({ metadata }) => metadata.name);
    expect(names).toContain(`${'s'.repeat(52)}-on-demand`);
  });

  test('omits them when there are to be none', async () => {
    const rendered = await render(fleet({ a: { ...spot, replicas: { ...replicas, onDemand: 0 } } }));
    expect(rendered.find('Deployment', 'a-on-demand')).toBeUndefined();
  });

  test.each([
    [
      'no pod prefers spot nodes',
      { replicas },
      'servers.a.replicas.onDemand: is 2, and with scheduling.capacity any no pod prefers spot nodes: set it to 0, or capacity to preferSpot',
      { replicas, ...spot },
    ],
    [
      'none are left for the autoscaler',
      { replicas: { min: 2, max: 8, onDemand: 2 }, ...spot },
      'servers.a.replicas.onDemand: 2 leaves none of min 2 for spot nodes, and an autoscaler starts from one pod: raise min to 3, or set onDemand to 0 and scheduling.capacity to onDemand',
      { replicas: { min: 2, max: 8, onDemand: 1 }, ...spot },
    ],
  ])('refuses them when %s', async (_, server, line, near) => {
    expect(await mistakes(fleet({ a: server }))).toEqual([line]);
    expect((await render(fleet({ a: near }))).find('Deployment', 'a')).toBeDefined();
  });

  test('refuses a server that is called like them', async () => {
    expect(await mistakes(fleet({ a: { ...spot, replicas }, 'a-on-demand': {} }))).toEqual([
      "servers.a-on-demand: would be called 'a-on-demand' like the on-demand pods of servers.a: give it another key",
    ]);
    await render(fleet({ a: { ...spot, replicas }, 'a-ondemand': {} }));
  });
});
