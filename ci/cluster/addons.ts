import { readFileSync } from 'node:fs';
import path from 'node:path';
import { metricsPort } from './components.ts';
import { type Layout, nodeName } from './layout.ts';

type Manifest = Record<string, unknown>;

/** What a managed cluster comes with, as objects: storage classes, DNS, the metrics API, and the rights of what serves them. */
export function addons(layout: Layout): Manifest[] {
  return [
    storageClass('standard', true),
    storageClass('fast-ssd'),
    // Volumes that are exactly as large as claimed, and really run full. In memory: for small ones.
    storageClass('sized', false, { medium: 'memory' }),
    ...hostService(layout, 'kube-dns', 53, [
      { name: 'dns', protocol: 'UDP', port: 53 },
      { name: 'dns-tcp', protocol: 'TCP', port: 53 },
    ]),
    ...hostService(layout, 'metrics-server', metricsPort, [{ name: 'https', protocol: 'TCP', port: 443 }]),
    {
      apiVersion: 'apiregistration.k8s.io/v1',
      kind: 'APIService',
      metadata: { name: 'v1beta1.metrics.k8s.io' },
      spec: {
        group: 'metrics.k8s.io',
        version: 'v1beta1',
        groupPriorityMinimum: 100,
        versionPriority: 100,
        caBundle: readFileSync(path.join(layout.folder, 'pki/ca.crt')).toString('base64'),
        service: { name: 'metrics-server', namespace: 'kube-system' },
      },
    },
    ...rights('coredns', [
      { apiGroups: [''], resources: ['services', 'pods', 'namespaces'], verbs: ['list', 'watch'] },
      { apiGroups: ['discovery.k8s.io'], resources: ['endpointslices'], verbs: ['list', 'watch'] },
    ]),
    ...rights('metrics-server', [
      { apiGroups: [''], resources: ['nodes/metrics'], verbs: ['get'] },
      { apiGroups: [''], resources: ['pods', 'nodes'], verbs: ['get', 'list', 'watch'] },
    ]),
    bind('metrics-server', 'system:auth-delegator'),
    {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'RoleBinding',
      metadata: { name: 'metrics-server-auth-reader', namespace: 'kube-system' },
      roleRef: {
        apiGroup: 'rbac.authorization.k8s.io',
        kind: 'Role',
        name: 'extension-apiserver-authentication-reader',
      },
      subjects: [user('metrics-server')],
    },
    // People and autoscalers read metrics by the same roles as everything else.
    {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRole',
      metadata: {
        name: 'system:aggregated-metrics-reader',
        labels: {
          'rbac.authorization.k8s.io/aggregate-to-view': 'true',
          'rbac.authorization.k8s.io/aggregate-to-edit': 'true',
          'rbac.authorization.k8s.io/aggregate-to-admin': 'true',
        },
      },
      rules: [{ apiGroups: ['metrics.k8s.io'], resources: ['pods', 'nodes'], verbs: ['get', 'list', 'watch'] }],
    },
    ...rights('prometheus', [
      { apiGroups: [''], resources: ['pods', 'nodes'], verbs: ['get', 'list', 'watch'] },
      { apiGroups: [''], resources: ['nodes/metrics'], verbs: ['get'] },
    ]),
    ...rights('kube-state-metrics', [
      { apiGroups: [''], resources: ['nodes', 'pods'], verbs: ['list', 'watch'] },
      { apiGroups: ['apps'], resources: ['deployments'], verbs: ['list', 'watch'] },
      { apiGroups: ['batch'], resources: ['jobs'], verbs: ['list', 'watch'] },
      { apiGroups: ['autoscaling'], resources: ['horizontalpodautoscalers'], verbs: ['list', 'watch'] },
    ]),
    ...rights('kube-router', [
      { apiGroups: [''], resources: ['nodes'], verbs: ['get', 'list', 'watch'] },
      { apiGroups: [''], resources: ['namespaces', 'pods', 'services', 'endpoints'], verbs: ['list', 'watch'] },
      { apiGroups: ['discovery.k8s.io'], resources: ['endpointslices'], verbs: ['list', 'watch'] },
      { apiGroups: ['networking.k8s.io'], resources: ['networkpolicies'], verbs: ['list', 'watch'] },
    ]),
    ...rights('provisioner', [
      {
        apiGroups: [''],
        resources: ['persistentvolumes'],
        verbs: ['get', 'list', 'watch', 'create', 'patch', 'delete'],
      },
      { apiGroups: [''], resources: ['persistentvolumeclaims'], verbs: ['get', 'list', 'watch', 'update'] },
      { apiGroups: [''], resources: ['nodes'], verbs: ['get', 'list', 'watch'] },
      { apiGroups: [''], resources: ['events'], verbs: ['create', 'update', 'patch'] },
      { apiGroups: ['storage.k8s.io'], resources: ['storageclasses'], verbs: ['get', 'list', 'watch'] },
    ]),
  ];
}

function storageClass(name: string, isDefault = false, parameters: Record<string, string> = {}): Manifest {
  return {
    apiVersion: 'storage.k8s.io/v1',
    kind: 'StorageClass',
    metadata: {
      name,
      annotations: isDefault ? { 'storageclass.kubernetes.io/is-default-class': 'true' } : {},
    },
    provisioner: 'model-management/local',
    parameters,
    reclaimPolicy: 'Delete',
    // As the clouds' disks: a claim is bound when a pod that uses it is placed.
    volumeBindingMode: 'WaitForFirstConsumer',
  };
}

/** A Service of kube-system whose one endpoint is a process of the node. */
function hostService(
  layout: Layout,
  name: string,
  targetPort: number,
  ports: { name: string; protocol: string; port: number }[],
): Manifest[] {
  const metadata = { name, namespace: 'kube-system' };
  return [
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata,
      spec: {
        ...(name === 'kube-dns' && { clusterIP: layout.dnsAddress }),
        ports: ports.map((port) => ({ ...port, targetPort })),
      },
    },
    {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { ...metadata, labels: { 'kubernetes.io/service-name': name } },
      addressType: 'IPv4',
      ports: ports.map((port) => ({ ...port, port: targetPort })),
      endpoints: [{ addresses: [layout.nodeAddress], conditions: { ready: true }, nodeName }],
    },
  ];
}

const user = (name: string): Manifest => ({
  apiGroup: 'rbac.authorization.k8s.io',
  kind: 'User',
  name: `system:${name}`,
});

function bind(name: string, role: string): Manifest {
  return {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRoleBinding',
    metadata: { name: `model-management:${name}:${role.replace(/^system:/, '')}` },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: role },
    subjects: [user(name)],
  };
}

function rights(name: string, rules: Manifest[]): Manifest[] {
  const role = `model-management:${name}`;
  return [
    { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'ClusterRole', metadata: { name: role }, rules },
    bind(name, role),
  ];
}
