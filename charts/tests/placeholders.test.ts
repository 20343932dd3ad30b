import { expect, test } from 'vitest';
import { fleet, render } from './render.ts';

const warm = (server: string, pods = 2) => ({
  autoscaling: { placeholders: { warm: { server, pods, priorityClassName: 'low' } } },
});
const name = 'model-management-placeholder-warm';

test('renders pods that ask for what those of a server do, on the same nodes, with the priority that is named', async () => {
  const scheduling = { capacity: 'preferSpot', nodeSelector: { disk: 'fast' }, priorityClassName: 'high' };
  const server = { resources: { gpu: 2, cpu: '3', memory: '20G', gpuMemoryMiB: 1000 }, scheduling };
  const rendered = await render(fleet({ a: server }, {}, warm('a')));
  const { spec } = rendered.get('Deployment', name);
  expect(spec.replicas).toBe(2);
  const [own, theirs] = [spec.template.spec, rendered.get('Deployment', 'a').spec.template.spec];
  expect([own.priorityClassName, theirs.priorityClassName]).toEqual(['low', 'high']);
  for (const key of ['nodeSelector', 'tolerations', 'affinity'] as const) expect(own[key]).toEqual(theirs[key]);
  const [ollama, agent] = own.containers;
  expect(ollama!.resources).toEqual(theirs.containers[0]!.resources);
  expect(ollama!.image).toBe(theirs.containers[0]!.image);
  expect(agent!.resources).toEqual(theirs.initContainers!.find((one) => one.name === 'agent')!.resources);
  expect([own.terminationGracePeriodSeconds, own.volumes]).toEqual([0, undefined]);
});

test('renders the claims of a server whose GPUs are claimed', async () => {
  const server = { gpu: { mode: 'dra' }, resources: { gpu: 1, gpuMemoryMiB: 1000 } };
  const rendered = await render(fleet({ a: server }, {}, warm('a')), { kubeVersion: '1.34.0' });
  const { resourceClaims, containers } = rendered.get('Deployment', name).spec.template.spec;
  expect(resourceClaims).toEqual(rendered.get('Deployment', 'a').spec.template.spec.resourceClaims);
  expect(containers[0]!.resources.claims).toEqual([{ name: 'gpu' }]);
});

test('renders them so that nothing takes them for pods of a server', async () => {
  const rendered = await render(fleet({ a: { scheduling: { pack: true } } }, {}, warm('a')));
  const { labels } = rendered.get('Deployment', name).spec.template.metadata;
  expect(labels).not.toHaveProperty('app');
  const matches = (selector: Record<string, string>) =>
    Object.entries(selector).every(([key, value]) => labels[key] === value);
  expect(rendered.all('Service').filter(({ spec }) => matches(spec.selector))).toEqual([]);
  expect(rendered.all('PodDisruptionBudget').filter(({ spec }) => matches(spec.selector.matchLabels))).toEqual([]);
});

test('renders a quota with room for them', async () => {
  const servers = { a: { replicas: { min: 1, max: 3 }, resources: { gpu: 1, gpuMemoryMiB: 1000 } } };
  const hard = async (rest: object) => (await render(fleet(servers, {}, rest))).only('ResourceQuota').spec.hard;
  const [without, withThem] = [await hard({}), await hard(warm('a'))];
  for (const counted of ['pods', 'requests.nvidia.com/gpu']) {
    expect(Number(withThem[counted]) - Number(without[counted])).toBe(2);
  }
});
