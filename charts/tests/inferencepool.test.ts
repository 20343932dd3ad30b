import { expect, test } from 'vitest';
import { fleet, render } from './render.ts';

const pools = async (servers: Record<string, object>, inferencePool: object = {}, rest: object = {}) =>
  render(fleet(servers, {}, { inferencePool: { enabled: true, ...inferencePool }, ...rest }));

test('omits it when it is switched off, as by default', async () => {
  expect((await render()).all('InferencePool')).toEqual([]);
});

test('renders a pool for each server, of its pods alone and the port of their agents', async () => {
  const rendered = await pools({ a: {}, b: {}, off: { enabled: false } });
  expect(rendered.all('InferencePool').map(({ metadata }) => metadata.name)).toEqual(['a', 'b']);
  for (const { apiVersion, metadata, spec } of rendered.all('InferencePool')) {
    expect(apiVersion).toBe('inference.networking.k8s.io/v1');
    const chosen = Object.entries(rendered.podTemplates).filter(([_, template]) =>
      Object.entries(spec.selector.matchLabels).every(([key, value]) => template.metadata.labels[key] === value),
    );
    expect(chosen.map(([name]) => name)).toEqual([metadata.name]);
    const [agent] = chosen[0]![1].spec.initContainers!;
    expect(spec.targetPorts).toEqual([{ number: agent!.ports!.find(({ name }) => name === 'http')!.containerPort }]);
  }
});

test('renders the endpoint picker of each pool by the name that the charts of the extension give it', async () => {
  const server = 's'.repeat(63);
  const rendered = await pools({ a: {}, [server]: {} }, {}, { namePrefix: 'x-' });
  const picker = (name: string) => rendered.get('InferencePool', name).spec.endpointPickerRef;
  expect(picker('x-a')).toEqual({ kind: 'Service', name: 'x-a-epp', port: { number: 9002 }, failureMode: 'FailClose' });
  expect(picker(`x-${'s'.repeat(61)}`).name).toBe(`x-${'s'.repeat(57)}-epp`);
});

test('renders the endpoint picker that the values name', async () => {
  const endpointPicker = { service: 'picker', port: 65_535, failureMode: 'FailOpen' };
  const rendered = await pools({ a: {} }, { endpointPicker });
  expect(rendered.only('InferencePool').spec.endpointPickerRef).toEqual({
    kind: 'Service',
    name: 'picker',
    port: { number: 65_535 },
    failureMode: 'FailOpen',
  });
});
