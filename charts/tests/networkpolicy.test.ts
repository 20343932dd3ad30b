import { describe, expect, test } from 'vitest';
import { type ConnectionRow, connectionTable } from '../../ci/testing/connections.ts';
import { type Connection, type End, reach } from '../../ci/testing/reach.ts';
import { mergeValues } from '../../generator/environment.ts';
import { environments, fleet, type Rendered, type RenderOptions, render } from './render.ts';

const table = connectionTable();

/** Somebody on the network, and what the table may call them. */
interface Party {
  name: string;
  roles: string[];
  end: End;
  /** Whether it is a pod of the release. */
  own: boolean;
}

const app = (name: string) => ({ 'app.kubernetes.io/name': name });
const proxy = { app: 'squid' };
const collector = { app: 'collector' };
const inference = { app: 'inference' };
const switches = {
  modelRegistry: { httpsProxy: 'http://proxy.example.com:3128' },
  tracing: { endpoint: 'http://collector.observability:4318/v1/traces' },
  inferencePool: { enabled: true },
  backup: { enabled: true, existingSecret: 'repository', repository: 's3:https://s3.example.com/bucket' },
  networkPolicy: {
    httpsProxy: { namespaceLabels: { 'kubernetes.io/metadata.name': 'egress' }, podLabels: proxy },
    collector: { namespaceLabels: { 'kubernetes.io/metadata.name': 'observability' }, podLabels: collector },
    inferenceGateway: { namespaceLabels: { 'kubernetes.io/metadata.name': 'inference' }, podLabels: inference },
  },
};

const namespace = 'models';
let addresses = 0;
const pod = (labels: Record<string, string>, where = namespace): End => {
  addresses += 1;
  const namespaceLabels = { 'kubernetes.io/metadata.name': where };
  return { ip: `10.0.${addresses >> 8}.${addresses & 255}`, pod: { namespace: where, namespaceLabels, labels } };
};

/**
 * Who is not of the release: whoever is in the table, and some who look like them and are not. Those of its namespace may be denied
 * everything like itself.
 */
function others(own: Party[], areDenied: boolean): Party[] {
  const gateway = own.find(({ roles }) => roles.includes('gateway'))!.end.pod!.labels;
  const inside: [string, string, End][] = [
    ['the ingress controller', 'client', pod(app('ingress-nginx'), 'ingress-nginx')],
    ['Prometheus', 'Prometheus', pod(app('prometheus'), 'monitoring')],
    ['CoreDNS', 'DNS', pod({ 'k8s-app': 'kube-dns' }, 'kube-system')],
    ['the proxy', 'proxy', pod(proxy, 'egress')],
    ['the collector', 'collector', pod(collector, 'observability')],
    ['the inference gateway', 'inference gateway', pod(inference, 'inference')],
    ['a neighbour', '', pod({ app: 'neighbour' })],
    ['a neighbour called prometheus', '', pod(app('prometheus'))],
    ['another release in the namespace', '', pod({ ...gateway, 'app.kubernetes.io/instance': 'other' })],
    ['a gateway in another namespace', '', pod(gateway, 'other')],
    ['another pod of ingress-nginx', '', pod(app('other'), 'ingress-nginx')],
    ['another pod of monitoring', '', pod(app('grafana'), 'monitoring')],
  ];
  const outside: [string, string[], string][] = [
    ['NodeLocal DNSCache', ['DNS'], '169.254.20.10'],
    ['the metadata service', [], '169.254.169.254'],
    ['the API server', ['private address'], '172.20.0.1'],
    ['the model registry', ['public address'], '104.21.75.227'],
    ['the model registry by IPv6', ['public address'], '2606:4700::1'],
    ['a machine of the private network by IPv6', ['private address'], 'fd00::1'],
  ];
  return [
    ...inside.map(([name, role, end]) => {
      const roles = areDenied && end.pod!.namespace === namespace ? [] : [role, 'private address'];
      return { name, roles, end, own: false };
    }),
    ...outside.map(([name, roles, ip]) => ({ name, roles, end: { ip }, own: false })),
  ];
}

/** The pods of a release, one of each template, and of those that are several of one kind a second one. */
function pods(rendered: Rendered): Party[] {
  const parties = Object.entries(rendered.podTemplates).map(([name, { metadata, spec }]) => {
    const component = metadata.labels['app.kubernetes.io/component']!;
    const pulls = spec.initContainers?.some(({ command }) => command?.includes('pull'));
    const roles = pulls ? [component, `${component} that pulls`] : [component];
    return { name, roles, end: pod(metadata.labels), own: true };
  });
  const gateway = parties.find(({ roles }) => roles.includes('gateway'))!;
  return [...parties, { ...gateway, name: 'another gateway', end: pod(gateway.end.pod!.labels) }];
}

const ports = ['TCP', 'UDP'].flatMap((protocol) =>
  [22, 53, 80, 443, 3128, 4318, 5000, 6443, 8080, 9090, 10_250, 11_434].map((port) => `${protocol} ${port}`),
);

interface Asked extends Connection {
  what: string;
  rows: ConnectionRow[];
}

/** Every connection that a pod of the release may make or take, and the rows that let it through. */
function connections(parties: Party[], holds: (when: string) => boolean): Asked[] {
  const rows = table.filter(({ when }) => holds(when));
  return parties.flatMap((from) =>
    parties
      .filter((to) => from !== to && (from.own || to.own))
      .flatMap((to) => {
        const between = rows.filter((row) => from.roles.includes(row.from) && to.roles.includes(row.to));
        return ports.map((port) => {
          const [protocol, number] = port.split(' ') as ['TCP' | 'UDP', string];
          const what = `${from.name} → ${to.name}, ${port}`;
          const allowing = between.filter((row) => row.ports.includes(port));
          return { what, from: from.end, to: to.end, protocol, port: Number(number), rows: allowing };
        });
      }),
  );
}

const everyMode = fleet({
  pulling: {},
  sharing: { cache: { mode: 'shared' } },
  packed: { cache: { mode: 'image', image: { reference: 'registry.example.com/models:1' } } },
});
const cases: [string, object, RenderOptions][] = [
  ...environments.flatMap((environment): typeof cases => [
    [environment, {}, { environment }],
    [`${environment} with a proxy, traces and an inference gateway`, switches, { environment }],
  ]),
  ['every cache mode', everyMode, {}],
  ['every cache mode with a proxy, traces and an inference gateway', mergeValues(everyMode, switches) as object, {}],
];

const used = new Set<ConnectionRow>();

describe('the table of docs/security.md', () => {
  test.each(cases)(
    'renders policies that let through what it says and nothing else: %s',
    async (_, values, options) => {
      const enabled = mergeValues(values, { networkPolicy: { enabled: true } }) as typeof switches;
      const rendered = await render(enabled, { ...options, namespace });
      const conditions: Record<string, boolean> = {
        always: true,
        'no `modelRegistry.httpsProxy`': !enabled.modelRegistry?.httpsProxy,
        '`modelRegistry.httpsProxy`': !!enabled.modelRegistry?.httpsProxy,
        '`tracing.endpoint`': !!enabled.tracing?.endpoint,
        '`inferencePool.enabled`': !!enabled.inferencePool?.enabled,
        '`backup.enabled`': !!enabled.backup?.enabled,
        '`backup.repository`': !!enabled.backup?.repository,
        '`forecaster.enabled`': 'model-management-forecaster' in rendered.podTemplates,
      };
      const holds = (when: string) => {
        if (!(when in conditions)) throw new Error(`docs/security.md: no such condition as ${when}`);
        return conditions[when]!;
      };
      const own = pods(rendered);
      const policies = rendered.all('NetworkPolicy');
      const areDenied = policies.some(({ spec }) => Object.keys(spec.podSelector).length === 0);
      const asked = connections([...own, ...others(own, areDenied)], holds);
      const verdicts = await reach(policies, asked);
      const through = asked.filter((_, index) => verdicts[index]!.out && verdicts[index]!.in);
      const allowed = asked.filter(({ rows }) => rows.length > 0);
      expect(through.map(({ what }) => what)).toEqual(allowed.map(({ what }) => what));
      for (const { rows } of through) for (const row of rows) used.add(row);
    },
  );

  test('has no row that none of these needs', () => {
    expect(table.length).toBeGreaterThan(15);
    expect(table.filter((row) => !used.has(row))).toEqual([]);
  });
});

describe('a NetworkPolicy', () => {
  const policies = async (networkPolicy: object, rest: object = {}, options: RenderOptions = {}) =>
    (await render({ ...rest, networkPolicy: { enabled: true, ...networkPolicy } }, options)).all('NetworkPolicy');

  test('is omitted when they are switched off, as by default', async () => {
    expect((await render()).all('NetworkPolicy')).toEqual([]);
  });

  test('denies the pods of the release alone, or all of the namespace where that is asked for', async () => {
    const deny = async (networkPolicy: object) =>
      (await policies(networkPolicy)).find(({ metadata }) => metadata.name === 'model-management-deny')!.spec;
    expect(await deny({})).toEqual({
      podSelector: {
        matchLabels: { 'app.kubernetes.io/name': 'model-management', 'app.kubernetes.io/instance': 'release' },
      },
      policyTypes: ['Ingress', 'Egress'],
    });
    expect(await deny({ denyNamespace: true })).toEqual({ podSelector: {}, policyTypes: ['Ingress', 'Egress'] });
  });

  test('renders no rule that lets everybody through where a peer or its ports are empty', async () => {
    const nobody = {
      namespaceLabels: { 'kubernetes.io/metadata.name': null },
      podLabels: { 'app.kubernetes.io/name': null },
    };
    const all = await policies({
      clients: { ingress: nobody },
      prometheus: nobody,
      modelRegistry: { ports: [] },
      apiServer: { addresses: [] },
    });
    const rules = all.flatMap(({ spec }) => [...(spec.ingress ?? []), ...(spec.egress ?? [])]);
    expect(rules.length).toBeGreaterThan(4);
    for (const rule of rules) {
      expect(rule.ports.length).toBeGreaterThan(0);
      expect([...(rule.from ?? []), ...(rule.to ?? [])].length).toBeGreaterThan(0);
    }
  });

  test('renders names of its own with a long prefix', async () => {
    const all = await policies({}, { namePrefix: `${'x'.repeat(39)}-` });
    const names = all.map(({ metadata }) => metadata.name);
    expect(new Set(names).size).toBe(names.length);
    for (const name of names) expect(name.length).toBeLessThanOrEqual(63);
  });

  test('selects the servers that pull where others do not', async () => {
    const all = await policies({}, everyMode);
    const selector = (name: string) => all.find(({ metadata }) => metadata.name === name)!.spec.podSelector;
    expect(selector('model-management-server-models').matchExpressions).toEqual([
      { key: 'model-management.fineprint.ai/server', operator: 'In', values: ['pulling'] },
    ]);
    expect(selector('model-management-puller-models')).not.toHaveProperty('matchExpressions');
  });
});
