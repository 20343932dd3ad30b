import { expect, test } from 'vitest';
import { fleet, render } from './render.ts';

test('renders what lets the gateway watch the EndpointSlices of its namespace, and nothing else', async () => {
  const rendered = await render(fleet({ a: {} }, {}, { namePrefix: 'x-' }), { namespace: 'n' });
  const { metadata, rules } = rendered.only('Role');
  expect(rules).toEqual([
    { apiGroups: ['discovery.k8s.io'], resources: ['endpointslices'], verbs: ['get', 'list', 'watch'] },
  ]);
  const { roleRef, subjects } = rendered.only('RoleBinding');
  expect(roleRef).toEqual({ apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: metadata.name });
  const { serviceAccountName } = rendered.get('Deployment', 'x-model-management-gateway').spec.template.spec;
  expect(subjects).toEqual([{ kind: 'ServiceAccount', name: serviceAccountName, namespace: 'n' }]);
});

test('renders nothing that holds beyond the namespace', async () => {
  const kinds = (await render()).objects.map(({ kind }) => kind);
  expect(kinds).toContain('Role');
  expect(kinds.filter((kind) => kind.startsWith('Cluster'))).toEqual([]);
});
