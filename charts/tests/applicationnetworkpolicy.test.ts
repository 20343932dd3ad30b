import { expect, test } from 'vitest';
import { fleet, render } from './render.ts';

const eks = { networkPolicy: { enabled: true, engine: 'eksAutoMode' } };

test('renders the model registry by its names for whoever pulls, and no address of it', async () => {
  const rendered = await render(fleet({ a: {}, b: { cache: { mode: 'shared' } } }, {}, eks));
  const policies = rendered.all('ApplicationNetworkPolicy');
  expect(policies.map(({ metadata }) => metadata.name)).toEqual([
    'model-management-server-models',
    'model-management-puller-models',
  ]);
  for (const { spec } of policies) {
    expect(spec.policyTypes).toEqual(['Egress']);
    expect(spec.egress).toEqual([
      {
        to: [{ domainNames: ['registry.ollama.ai', '*.r2.cloudflarestorage.com'] }],
        ports: [{ protocol: 'TCP', port: 443 }],
      },
    ]);
  }
  expect(JSON.stringify(rendered.all('NetworkPolicy'))).not.toContain('0.0.0.0/0');
});

test('omits them for the other engines', async () => {
  for (const engine of ['kubernetes', 'cilium']) {
    const rendered = await render({ networkPolicy: { enabled: true, engine } });
    expect(rendered.all('ApplicationNetworkPolicy')).toEqual([]);
  }
});
