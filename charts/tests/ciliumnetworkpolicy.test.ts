import { describe, expect, test } from 'vitest';
import { fleet, render } from './render.ts';

const cilium = (networkPolicy: object = {}) => ({
  networkPolicy: { enabled: true, engine: 'cilium', ...networkPolicy },
});
const named = <T extends { metadata: { name: string } }>(objects: T[], name: string) =>
  objects.find(({ metadata }) => metadata.name === `model-management-${name}`)!;

describe('the engine cilium', () => {
  test('renders the model registry by its names, DNS by way of the proxy and the API server as Cilium knows it', async () => {
    const forecasts = {
      autoscaling: { signals: 'demand', prometheusUrl: 'http://prometheus:9090' },
      forecaster: { enabled: true },
      monitoring: { rules: { delivery: 'configMap' } },
    };
    const rendered = await render({ ...cilium(), ...forecasts });
    const policies = rendered.all('CiliumNetworkPolicy');
    const dns = { rules: { dns: [{ matchPattern: '*' }] }, ports: [{ port: '53', protocol: 'ANY' }] };
    const kubeDns = {
      'k8s:io.cilium.k8s.namespace.labels.kubernetes.io/metadata.name': 'kube-system',
      'k8s:k8s-app': 'kube-dns',
    };
    const lookups = [
      { toEndpoints: [{ matchLabels: kubeDns }], toPorts: [dns] },
      { toCIDRSet: [{ cidr: '169.254.20.10/32' }], toPorts: [dns] },
    ];
    expect(named(policies, 'server-models').spec.egress).toEqual([
      ...lookups,
      {
        toFQDNs: [{ matchName: 'registry.ollama.ai' }, { matchPattern: '*.r2.cloudflarestorage.com' }],
        toPorts: [{ ports: [{ port: '443', protocol: 'TCP' }] }],
      },
    ]);
    expect(named(policies, 'gateway-egress').spec.egress).toEqual([...lookups, { toEntities: ['kube-apiserver'] }]);
    expect(named(policies, 'forecaster-egress').spec.egress).toEqual(lookups);
    // What a NetworkPolicy lets through, no other takes back.
    const rules = rendered.all('NetworkPolicy').flatMap(({ spec }) => spec.egress ?? []);
    expect(rules.flatMap(({ ports }) => ports.map(({ port }) => port)).sort()).toEqual([8080, 9090, 9090, 9090]);
    expect(JSON.stringify(rules)).not.toContain('ipBlock');
  });

  test('renders addresses of a registry that has no names there', async () => {
    const rendered = await render(cilium({ modelRegistry: { names: [], addresses: ['10.1.2.3/32'], ports: [5000] } }));
    const { egress } = named(rendered.all('NetworkPolicy'), 'server-models').spec;
    expect(egress).toEqual([{ to: [{ ipBlock: { cidr: '10.1.2.3/32' } }], ports: [{ protocol: 'TCP', port: 5000 }] }]);
    const all = rendered.all('CiliumNetworkPolicy');
    expect(JSON.stringify(all)).not.toContain('toFQDNs');
  });

  test('omits the names where all models come through a proxy', async () => {
    const rest = {
      modelRegistry: { httpsProxy: 'http://proxy.example.com' },
      ...cilium({ httpsProxy: { addresses: ['10.1.2.3/32'] } }),
    };
    const rendered = await render(fleet({ a: {} }, {}, rest));
    expect(JSON.stringify(rendered.all('CiliumNetworkPolicy'))).not.toContain('toFQDNs');
    expect(named(rendered.all('NetworkPolicy'), 'server-models').spec.egress![0]!.ports).toEqual([
      { protocol: 'TCP', port: 80 },
    ]);
  });
});
