/** As much of the Kubernetes objects as the tests read. */

export interface KubeObject {
  apiVersion: string;
  kind: string;
  metadata: Metadata & { name: string; namespace: string };
}

export interface Metadata {
  labels: Record<string, string>;
  annotations?: Record<string, string>;
}

export interface Kinds {
  ApplicationNetworkPolicy: KubeObject & { spec: NetworkPolicySpec };
  CiliumNetworkPolicy: KubeObject & { spec: { endpointSelector: Selector; egress: Record<string, object[]>[] } };
  ConfigMap: KubeObject & { data: Record<string, string> };
  Deployment: KubeObject & { spec: DeploymentSpec };
  ExternalSecret: KubeObject & { spec: ExternalSecretSpec };
  Gateway: KubeObject & { spec: { gatewayClassName: string; listeners: GatewayListener[] } };
  GrafanaDashboard: KubeObject & {
    spec: {
      allowCrossNamespaceImport: boolean;
      instanceSelector: { matchLabels: Record<string, string> };
      configMapRef: { name: string; key: string };
      folder?: string;
    };
  };
  HorizontalPodAutoscaler: KubeObject & { spec: HorizontalPodAutoscalerSpec };
  HTTPRoute: KubeObject & { spec: HTTPRouteSpec };
  InferencePool: KubeObject & { spec: InferencePoolSpec };
  Ingress: KubeObject & { spec: IngressSpec };
  CronJob: KubeObject & {
    spec: {
      schedule: string;
      timeZone: string;
      concurrencyPolicy: string;
      jobTemplate: { spec: { activeDeadlineSeconds: number; template: PodTemplate } };
    };
  };
  Job: KubeObject & { spec: { backoffLimit: number; template: PodTemplate } };
  LimitRange: KubeObject & { spec: { limits: LimitRangeItem[] } };
  NetworkPolicy: KubeObject & { spec: NetworkPolicySpec };
  PersistentVolumeClaim: KubeObject & { spec: ClaimSpec };
  PodDisruptionBudget: KubeObject & { spec: PodDisruptionBudgetSpec };
  PodMonitor: KubeObject & { spec: PodMonitorSpec };
  PrometheusRule: KubeObject & { spec: { groups: object[] } };
  Role: KubeObject & {
    rules: { apiGroups: string[]; resources: string[]; verbs: string[]; resourceNames?: string[] }[];
  };
  RoleBinding: KubeObject & {
    roleRef: { apiGroup: string; kind: string; name: string };
    subjects: { kind: string; name: string; namespace: string }[];
  };
  ResourceQuota: KubeObject & { spec: { hard: Record<string, string> } };
  ResourceClaimTemplate: KubeObject & {
    spec: { metadata: Metadata; spec: { devices: { requests: DeviceRequest[] } } };
  };
  ScaledObject: KubeObject & { spec: ScaledObjectSpec };
  Service: KubeObject & { spec: ServiceSpec };
  ServiceAccount: KubeObject & { automountServiceAccountToken: boolean };
  VerticalPodAutoscaler: KubeObject & {
    spec: {
      targetRef: { apiVersion: string; kind: string; name: string };
      updatePolicy: { updateMode: string };
      resourcePolicy: { containerPolicies: object[] };
    };
  };
}

export interface DeploymentSpec {
  replicas?: number;
  strategy: { type: string; rollingUpdate: { maxUnavailable: number; maxSurge: number } };
  progressDeadlineSeconds?: number;
  selector: { matchLabels: Record<string, string>; matchExpressions?: { key: string; operator: string }[] };
  template: PodTemplate;
}

export interface PodTemplate {
  metadata: Metadata;
  spec: PodSpec;
}

export interface PodSpec {
  hostUsers?: boolean;
  serviceAccountName: string;
  automountServiceAccountToken: boolean;
  enableServiceLinks: boolean;
  securityContext: Record<string, unknown>;
  terminationGracePeriodSeconds?: number;
  restartPolicy?: string;
  imagePullSecrets?: { name: string }[];
  nodeSelector?: Record<string, string>;
  tolerations?: Record<string, unknown>[];
  affinity?: Affinity;
  topologySpreadConstraints?: TopologySpreadConstraint[];
  schedulerName?: string;
  resourceClaims?: { name: string; resourceClaimTemplateName: string }[];
  priorityClassName?: string;
  runtimeClassName?: string;
  initContainers?: Container[];
  containers: Container[];
  volumes: Volume[];
}

export interface Affinity {
  nodeAffinity?: {
    requiredDuringSchedulingIgnoredDuringExecution?: { nodeSelectorTerms: NodeSelectorTerm[] };
    preferredDuringSchedulingIgnoredDuringExecution?: { weight: number; preference: NodeSelectorTerm }[];
  };
  podAffinity?: {
    preferredDuringSchedulingIgnoredDuringExecution?: {
      weight: number;
      podAffinityTerm: {
        topologyKey: string;
        labelSelector: {
          matchLabels: Record<string, string>;
          matchExpressions: { key: string; operator: string }[];
        };
      };
    }[];
    requiredDuringSchedulingIgnoredDuringExecution?: object[];
  };
}

export interface NodeSelectorTerm {
  matchExpressions: { key: string; operator: string; values: string[] }[];
}

export interface TopologySpreadConstraint {
  topologyKey: string;
  maxSkew: number;
  whenUnsatisfiable: string;
  matchLabelKeys: string[];
  labelSelector: { matchLabels: Record<string, string> };
}

export interface Container {
  name: string;
  image: string;
  imagePullPolicy: string;
  restartPolicy?: string;
  command?: string[];
  args?: string[];
  env?: { name: string; value: string }[];
  ports?: { name: string; containerPort: number }[];
  resources: {
    requests: Record<string, unknown>;
    limits: Record<string, unknown>;
    claims?: { name: string }[];
  };
  startupProbe?: Probe;
  livenessProbe?: Probe;
  readinessProbe?: Probe;
  lifecycle?: { preStop: { httpGet: { path: string; port: number } } };
  securityContext: Record<string, unknown>;
  volumeMounts: { name: string; mountPath: string; readOnly?: boolean; subPath?: string }[];
}

export interface Probe {
  httpGet: { path: string; port: string | number };
  periodSeconds: number;
  timeoutSeconds: number;
  failureThreshold: number;
}

export interface Volume {
  name: string;
  emptyDir?: object;
  configMap?: { name: string };
  secret?: { secretName: string; defaultMode: number; items: { key: string; path: string }[] };
  persistentVolumeClaim?: { claimName: string; readOnly?: boolean };
  image?: { reference: string; pullPolicy: string };
  ephemeral?: { volumeClaimTemplate: { metadata?: Partial<Metadata>; spec: ClaimSpec } };
}

export interface DeviceRequest {
  name: string;
  exactly: {
    deviceClassName: string;
    allocationMode: string;
    count: number;
    selectors?: { cel: { expression: string } }[];
  };
}

export interface ClaimSpec {
  accessModes: string[];
  storageClassName?: string;
  resources: { requests: { storage: string } };
}

export interface HorizontalPodAutoscalerSpec {
  scaleTargetRef: { apiVersion: string; kind: string; name: string };
  minReplicas: number;
  maxReplicas: number;
  metrics: {
    type: string;
    containerResource?: { name: string; container: string; target: { type: string; averageUtilization: number } };
    external?: {
      metric: { name: string; selector: { matchLabels: Record<string, string> } };
      target: { type: string; averageValue: string };
    };
  }[];
  behavior: ScalingBehavior;
}

export interface ScalingBehavior {
  scaleUp?: ScalingRules;
  scaleDown: ScalingRules;
}

export interface ScalingRules {
  stabilizationWindowSeconds: number;
  tolerance?: string;
  selectPolicy?: string;
  policies?: { type: string; value: number; periodSeconds: number }[];
}

export interface ScaledObjectSpec {
  scaleTargetRef: { apiVersion: string; kind: string; name: string };
  minReplicaCount: number;
  maxReplicaCount: number;
  cooldownPeriod: number;
  advanced: { horizontalPodAutoscalerConfig: { name: string; behavior: ScalingBehavior } };
  triggers: { type: string; name: string; metricType: string; metadata: Record<string, string> }[];
}

export interface InferencePoolSpec {
  selector: { matchLabels: Record<string, string> };
  targetPorts: { number: number }[];
  endpointPickerRef: { kind: string; name: string; port: { number: number }; failureMode: string };
}

export interface ExternalSecretSpec {
  refreshInterval: string;
  secretStoreRef: { kind: string; name: string };
  target: { name: string; creationPolicy: string; deletionPolicy: string; template?: { type: string } };
  data: { secretKey: string; remoteRef: { key: string; property?: string } }[];
}

export interface GatewayListener {
  name: string;
  hostname: string;
  port: number;
  protocol: string;
  tls?: { mode: string; certificateRefs: { group: string; kind: string; name: string }[] };
  allowedRoutes: { namespaces: { from: string } };
}

export interface HTTPRouteSpec {
  parentRefs: { group: string; kind: string; name: string; namespace?: string; sectionName?: string }[];
  hostnames: string[];
  rules: {
    matches: { path: { type: string; value: string } }[];
    timeouts?: { request: string };
    filters?: { type: string; requestRedirect: { scheme: string; statusCode: number } }[];
    backendRefs?: { group: string; kind: string; name: string; port: number; weight: number }[];
  }[];
}

export interface IngressSpec {
  ingressClassName: string;
  tls?: { hosts: string[]; secretName: string }[];
  rules: {
    host: string;
    http: {
      paths: { path: string; pathType: string; backend: { service: { name: string; port: { name: string } } } }[];
    };
  }[];
}

export interface LimitRangeItem {
  type: string;
  max: Record<string, string>;
  default?: Record<string, string>;
  defaultRequest?: Record<string, string>;
}

export interface Selector {
  matchLabels?: Record<string, string>;
  matchExpressions?: { key: string; operator: string; values: string[] }[];
}

export interface NetworkPolicySpec {
  podSelector: Selector;
  policyTypes: string[];
  ingress?: NetworkRule[];
  egress?: NetworkRule[];
}

export interface NetworkRule {
  from?: object[];
  to?: object[];
  ports: { protocol: string; port: number }[];
}

export interface PodDisruptionBudgetSpec {
  maxUnavailable: number;
  unhealthyPodEvictionPolicy: string;
  selector: { matchLabels: Record<string, string> };
}

export interface PodMonitorSpec {
  selector: {
    matchLabels: Record<string, string>;
    matchExpressions: { key: string; operator: string; values: string[] }[];
  };
  podMetricsEndpoints: {
    port: string;
    interval: string;
    relabelings: { sourceLabels: string[]; targetLabel: string }[];
  }[];
}

export interface ServiceSpec {
  type: string;
  selector: Record<string, string>;
  sessionAffinity?: string;
  sessionAffinityConfig?: { clientIP: { timeoutSeconds: number } };
  ports: { name: string; port: number; targetPort: string }[];
}
