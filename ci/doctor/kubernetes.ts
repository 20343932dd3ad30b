/** What is read of Kubernetes' objects, and no more. */

export interface Meta {
  name: string;
  namespace?: string;
  generation?: number;
  creationTimestamp?: string;
  deletionTimestamp?: string;
  deletionGracePeriodSeconds?: number;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  ownerReferences?: { kind: string; name: string }[];
}

export interface Condition {
  type: string;
  status: 'True' | 'False' | 'Unknown';
  reason?: string;
  message?: string;
  lastTransitionTime?: string;
}

type Quantities = Record<string, string>;

export interface Taint {
  key: string;
  value?: string;
  effect: string;
}

export interface Toleration {
  key?: string;
  operator?: string;
  value?: string;
  effect?: string;
}

export interface Node {
  metadata: Meta;
  spec: { unschedulable?: boolean; taints?: Taint[] };
  status: { capacity?: Quantities; allocatable?: Quantities; conditions?: Condition[] };
}

export interface Container {
  name: string;
  image: string;
  args?: string[];
  resources?: { requests?: Quantities; limits?: Quantities };
}

export interface Volume {
  name: string;
  secret?: { secretName: string; items?: { key: string }[] };
  persistentVolumeClaim?: { claimName: string };
  image?: { reference: string };
  ephemeral?: {
    volumeClaimTemplate: { spec: { storageClassName?: string; resources: { requests: Quantities } } };
  };
}

export interface PodSpec {
  nodeName?: string;
  nodeSelector?: Record<string, string>;
  tolerations?: Toleration[];
  imagePullSecrets?: { name: string }[];
  initContainers?: Container[];
  containers: Container[];
  volumes?: Volume[];
}

export interface Terminated {
  exitCode: number;
  reason?: string;
  message?: string;
  finishedAt?: string;
}

export interface ContainerStatus {
  name: string;
  ready: boolean;
  restartCount: number;
  image: string;
  state: {
    waiting?: { reason?: string; message?: string };
    running?: { startedAt: string };
    terminated?: Terminated;
  };
  lastState?: { terminated?: Terminated };
}

export interface Pod {
  metadata: Meta;
  spec: PodSpec;
  status: {
    phase: string;
    reason?: string;
    message?: string;
    startTime?: string;
    podIP?: string;
    conditions?: Condition[];
    initContainerStatuses?: ContainerStatus[];
    containerStatuses?: ContainerStatus[];
  };
}

export interface Deployment {
  metadata: Meta;
  spec: { replicas?: number; progressDeadlineSeconds?: number; template: { spec: PodSpec } };
  status: {
    observedGeneration?: number;
    replicas?: number;
    updatedReplicas?: number;
    readyReplicas?: number;
    conditions?: Condition[];
  };
}

export interface Job {
  metadata: Meta;
  spec: { template: { spec: PodSpec } };
  status: { succeeded?: number; failed?: number; conditions?: Condition[] };
}

export interface Service {
  metadata: Meta;
  spec: { type?: string; clusterIP?: string; ports: { port: number }[] };
}

export interface EndpointSlice {
  metadata: Meta;
  endpoints?: { addresses: string[]; conditions?: { ready?: boolean } }[] | null;
}

export interface ConfigMap {
  metadata: Meta;
  data?: Record<string, string>;
}

export interface Secret {
  metadata: Meta;
  type?: string;
  data?: Record<string, string>;
}

export interface Claim {
  metadata: Meta;
  spec: { storageClassName?: string; accessModes?: string[]; resources?: { requests?: Quantities } };
  status: { phase?: string; capacity?: Quantities };
}

export interface Autoscaler {
  metadata: Meta;
  spec: { minReplicas?: number; maxReplicas: number; scaleTargetRef: { kind: string; name: string } };
  status?: { currentReplicas?: number; desiredReplicas?: number; conditions?: Condition[] };
}

export interface DisruptionBudget {
  metadata: Meta;
  spec: { maxUnavailable?: number | string; minAvailable?: number | string; selector?: { matchLabels?: Quantities } };
  status?: { disruptionsAllowed?: number; currentHealthy?: number; expectedPods?: number };
}

export interface Ingress {
  metadata: Meta;
  spec: {
    ingressClassName?: string;
    tls?: { hosts?: string[]; secretName?: string }[];
    rules?: { host?: string }[];
  };
  status?: { loadBalancer?: { ingress?: { ip?: string; hostname?: string }[] } };
}

export interface HttpRoute {
  metadata: Meta;
  spec: { hostnames?: string[] };
  /** What the implementation of each Gateway says of it. */
  status?: { parents?: { parentRef: { name: string; sectionName?: string }; conditions?: Condition[] }[] };
}

export interface Quota {
  metadata: Meta;
  status?: { hard?: Quantities; used?: Quantities };
}

export interface KubernetesEvent {
  metadata: Meta;
  type: string;
  reason: string;
  message: string;
  count?: number;
  lastTimestamp?: string | null;
  eventTime?: string | null;
  involvedObject: { kind: string; name: string };
}

export interface PodMetrics {
  metadata: Meta;
  containers: { name: string; usage: Quantities }[];
}

/** What has a name and says of itself how it is: storage classes, API services, certificates. */
export interface Named {
  metadata: Meta;
  spec?: { controller?: string; secretName?: string };
  provisioner?: string;
  status?: { conditions?: Condition[]; notAfter?: string };
}

const factors: Record<string, number> = {
  n: 1e-9,
  u: 1e-6,
  m: 1e-3,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
};

/** The number that a quantity stands for: bytes, cores or pieces; 0 where there is none. */
export function amount(quantity: string | undefined): number {
  const [, digits, unit] = /^([0-9.]+(?:e[0-9]+)?)([A-Za-z]*)$/.exec(quantity ?? '') ?? [];
  return digits === undefined ? 0 : Number(digits) * (unit ? (factors[unit] ?? 0) : 1);
}

export const conditionOf = (conditions: Condition[] | undefined, type: string): Condition | undefined =>
  conditions?.find((condition) => condition.type === type);

export const isReady = (pod: Pod): boolean => conditionOf(pod.status.conditions, 'Ready')?.status === 'True';

/** Whether pods with these tolerations may be placed on a node with these taints. */
export function tolerates(tolerations: readonly Toleration[], taints: readonly Taint[]): boolean {
  return taints
    .filter(({ effect }) => effect !== 'PreferNoSchedule')
    .every((taint) =>
      tolerations.some(
        ({ key, operator = 'Equal', value = '', effect }) =>
          (key === undefined || key === taint.key) &&
          (operator === 'Exists' || value === (taint.value ?? '')) &&
          (effect === undefined || effect === '' || effect === taint.effect),
      ),
    );
}

/** Whether an object has all of these labels. */
export const hasLabels = ({ labels = {} }: Meta, wanted: Record<string, string>): boolean =>
  Object.entries(wanted).every(([key, value]) => labels[key] === value);
