import type {
  Autoscaler,
  Claim,
  ConfigMap,
  Deployment,
  DisruptionBudget,
  EndpointSlice,
  HttpRoute,
  Ingress,
  Job,
  KubernetesEvent,
  Named,
  Node,
  Pod,
  PodMetrics,
  Quota,
  Service,
} from './kubernetes.ts';

/** What is read of a cluster: kind of object → where it is. `*` stands for the namespace's part of a path. */
export const sources = {
  nodes: '/api/v1/nodes',
  storageclasses: '/apis/storage.k8s.io/v1/storageclasses',
  ingressclasses: '/apis/networking.k8s.io/v1/ingressclasses',
  apiservices: '/apis/apiregistration.k8s.io/v1/apiservices',
  clusterissuers: '/apis/cert-manager.io/v1/clusterissuers',
  certificates: '/apis/cert-manager.io/v1/*/certificates',
  deployments: '/apis/apps/v1/*/deployments',
  jobs: '/apis/batch/v1/*/jobs',
  pods: '/api/v1/*/pods',
  services: '/api/v1/*/services',
  endpointslices: '/apis/discovery.k8s.io/v1/*/endpointslices',
  configmaps: '/api/v1/*/configmaps',
  persistentvolumeclaims: '/api/v1/*/persistentvolumeclaims',
  horizontalpodautoscalers: '/apis/autoscaling/v2/*/horizontalpodautoscalers',
  poddisruptionbudgets: '/apis/policy/v1/*/poddisruptionbudgets',
  httproutes: '/apis/gateway.networking.k8s.io/v1/*/httproutes',
  issuers: '/apis/cert-manager.io/v1/*/issuers',
  ingresses: '/apis/networking.k8s.io/v1/*/ingresses',
  roles: '/apis/rbac.authorization.k8s.io/v1/*/roles',
  rolebindings: '/apis/rbac.authorization.k8s.io/v1/*/rolebindings',
  resourcequotas: '/api/v1/*/resourcequotas',
  events: '/api/v1/*/events',
  podmetrics: '/apis/metrics.k8s.io/v1beta1/*/pods',
} as const;

export type ListSource = keyof typeof sources;
/** All that somebody may be refused. */
export type Source = ListSource | 'secrets' | 'pods/log' | 'pods/proxy' | 'nodes/proxy';

export interface Kinds {
  nodes: Node;
  storageclasses: Named;
  ingressclasses: Named;
  apiservices: Named;
  clusterissuers: Named;
  certificates: Named;
  deployments: Deployment;
  jobs: Job;
  pods: Pod;
  services: Service;
  endpointslices: EndpointSlice;
  configmaps: ConfigMap;
  persistentvolumeclaims: Claim;
  horizontalpodautoscalers: Autoscaler;
  poddisruptionbudgets: DisruptionBudget;
  httproutes: HttpRoute;
  issuers: Named;
  ingresses: Ingress;
  roles: Named;
  rolebindings: Named;
  resourcequotas: Quota;
  events: KubernetesEvent;
  podmetrics: PodMetrics;
}
