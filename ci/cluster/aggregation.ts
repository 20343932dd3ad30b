import { type Layout, nodeName } from './layout.ts';

/** An API group that a process of the node serves, behind the API server. */
export interface AggregatedApi {
  group: string;
  /** Of the Service that leads to it. */
  service: { name: string; namespace: string };
  /** Where it listens on the node's address. */
  port: number;
  /** The user that the process is. */
  user: string;
  /** Takes any certificate, where nobody else says whose it is. */
  insecure: boolean;
}

const rbac = 'rbac.authorization.k8s.io';

/** The user of a process of the node, as the subject of a binding. */
export const subject = (user: string): object => ({ apiGroup: rbac, kind: 'User', name: user });

/** The way to it, its APIService, and its rights to ask who somebody is and what they may. */
export function aggregation({ nodeAddress }: Layout, api: AggregatedApi): object[] {
  const { group, service, port, user, insecure } = api;
  const subjects = [subject(user)];
  return [
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: service,
      spec: { ports: [{ name: 'https', port: 443, targetPort: port }] },
    },
    {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { ...service, labels: { 'kubernetes.io/service-name': service.name } },
      addressType: 'IPv4',
      ports: [{ name: 'https', protocol: 'TCP', port }],
      endpoints: [{ addresses: [nodeAddress], conditions: { ready: true }, nodeName }],
    },
    {
      apiVersion: 'apiregistration.k8s.io/v1',
      kind: 'APIService',
      metadata: { name: `v1beta1.${group}` },
      spec: {
        ...{ group, version: 'v1beta1', groupPriorityMinimum: 100, versionPriority: 100, service },
        ...(insecure && { insecureSkipTLSVerify: true }),
      },
    },
    {
      apiVersion: `${rbac}/v1`,
      kind: 'ClusterRoleBinding',
      metadata: { name: `model-management:${service.name}` },
      roleRef: { apiGroup: rbac, kind: 'ClusterRole', name: 'system:auth-delegator' },
      subjects,
    },
    {
      apiVersion: `${rbac}/v1`,
      kind: 'RoleBinding',
      metadata: { name: service.name, namespace: 'kube-system' },
      roleRef: { apiGroup: rbac, kind: 'Role', name: 'extension-apiserver-authentication-reader' },
      subjects,
    },
  ];
}
