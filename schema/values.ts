import type { Autoscaling, ServerAutoscaling } from './autoscaling.ts';
import type { Backup } from './backup.ts';
import type { ExternalSecrets } from './external-secrets.ts';
import type { Ingress } from './ingress.ts';
import type { NetworkPolicy } from './network.ts';
import type { Gpu, Scheduling } from './placement.ts';
import type {
  ByteQuantity,
  CpuQuantity,
  Digest,
  ImageRepository,
  ImageTag,
  LabelValue,
  LogLevel,
  ModelAlias,
  ObjectName,
  OllamaDuration,
  OllamaName,
  OptionalCpuQuantity,
  OptionalObjectName,
  Priority,
  PullPolicy,
  QualifiedName,
  Queue,
  RunnerOptions,
  ServerName,
  Tracing,
} from './types.ts';

/** The values of the chart. This file is the only source of values.schema.json and of the comments in values.yaml. */
export interface Values {
  /** Values that a parent chart shares with its subcharts; nothing in here is read. */
  global: Record<string, unknown>;

  /** For a parent chart's `condition:` alone; the chart itself renders whatever this says. */
  enabled?: boolean;

  /**
   * Put before the name of every object, so that two releases fit in one namespace; empty for none.
   * @pattern ^([a-z]([-a-z0-9]*[a-z0-9])?-)?$
   * @maxLength 40
   */
  namePrefix: string;

  /** Labels added to every object and pod. */
  commonLabels: Record<QualifiedName, LabelValue>;

  /**
   * Names of the Secrets with which images are pulled.
   * @maxItems 16
   */
  imagePullSecrets: ObjectName[];

  /** Image of the management service: gateway, agent and forecaster are its entry points. */
  image: Image;

  /** What holds for every image, of containers and of models. */
  images: Images;

  /** Where models are pulled from. */
  modelRegistry: ModelRegistry;

  /** The models that clients can ask for, by key or by name. */
  models: Record<ModelAlias, Model>;

  /** What every server has unless it says otherwise under `servers`. */
  serverDefaults: Server;

  /** The Ollama Deployments by name; each may override any key of `serverDefaults`. */
  servers: Record<ServerName, ServerOverrides>;

  /** By what the pods of servers are scaled; each says how under its own `autoscaling`. */
  autoscaling: Autoscaling;

  /** The one claim of the servers whose `cache.mode` is `shared`. */
  sharedCache: SharedCache;

  /**
   * Longest time in seconds that one answer may take; gateway, agent, ingress and pods' grace periods follow it.
   * @asType integer
   * @minimum 10
   * @maximum 86400
   */
  generationTimeoutSeconds: number;

  /** The gateway: the one address that clients use. */
  gateway: Gateway;

  /** The agent beside each Ollama. */
  agent: Agent;

  /** The forecaster, which tells autoscalers how many pods will be needed by the time that new ones are ready (docs/forecast.md). */
  forecaster: Forecaster;

  /** How the gateway is reached from outside the cluster. */
  ingress: Ingress;

  /**
   * An InferencePool (Gateway API Inference Extension, inference.networking.k8s.io/v1) for each server, by which an inference
   * gateway of yours sends requests to its agents.
   */
  inferencePool: InferencePool;

  /** Who may connect to the pods, and to whom these may connect; everything else is denied (docs/security.md). */
  networkPolicy: NetworkPolicy;

  /**
   * Whether each pod has users of its own, so that no user of a container is one of its node (Kubernetes 1.33 or later, where node
   * and container runtime can).
   */
  userNamespaces: Toggle;

  /** Traces of requests, from the gateway and the agents; they take changes up without a restart. */
  tracing: Tracing;

  /** How Prometheus finds what it scrapes, and which rules and alerts it gets (docs/monitoring.md). */
  monitoring: Monitoring;

  /** Secrets of the release that come from a store of secrets, by the operator of External Secrets. */
  externalSecrets: ExternalSecrets;

  /** Copies of the release's configuration, and of models that cannot be pulled again (docs/backup.md). */
  backup: Backup;

  /**
   * Upper bound of what the namespace may ask for, computed from the maximum of every server and the gateway; off where
   * the namespace holds anything else.
   */
  resourceQuota: Toggle;

  /** Bounds and defaults for each container and claim, computed from the largest of them. */
  limitRange: Toggle;
}

/** A switch. */
export interface Toggle {
  /** Whether it is rendered. */
  enabled: boolean;
}

/** A container image. */
export interface Image {
  /** Image without tag or digest. */
  repository: ImageRepository;
  /** Tag; of the service's image empty for the chart's appVersion. */
  tag: ImageTag;
  /** Digest that wins over the tag; empty for none. */
  digest: Digest;
  /** When the kubelet pulls it. */
  pullPolicy: PullPolicy;
}

/** What holds for every image. */
export interface Images {
  /** Whether one that has no digest is refused: a tag can be moved. `npm run pin-images` asks registries for digests. */
  requireDigest: boolean;
}

/** A private mirror of Ollama's model registry. */
export interface ModelRegistry {
  /**
   * `host[:port]` put before every pulled name that has no host of its own; empty for Ollama's public registry.
   * @pattern ^([A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[0-9]{1,5})?)?$
   * @maxLength 255
   */
  host: string;
  /** Whether plain HTTP and unverified certificates are accepted. */
  insecure: boolean;
  /**
   * HTTPS proxy for pulls, such as `http://proxy.example.com:3128`; empty for none.
   * @pattern ^(https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?)?$
   * @maxLength 255
   */
  httpsProxy: string;
  /** Authorities that mirror and proxy have their certificates from, where these are none of the public ones. */
  caBundle: CaBundle;
}

/** Certificates of authorities, in PEM, which are trusted beside the public ones. */
export interface CaBundle {
  /**
   * ConfigMap that has them, in the namespace of the release; empty for none.
   * @pattern ^([a-z0-9]([-a-z0-9.]*[a-z0-9])?)?$
   * @maxLength 253
   */
  existingConfigMap: string;
  /**
   * Key in it.
   * @pattern ^[-._A-Za-z0-9]+$
   * @maxLength 253
   */
  key: string;
}

/** A model: what is pulled, and what is made of it. */
export interface Model {
  /** Name under which Ollama serves it, which clients may use instead of the key; without one, the key. */
  name?: OllamaName;
  /** Name of the model that is pulled. */
  pull: OllamaName;
  /** Digest that the pulled manifest must have; empty or left out for any. */
  digest?: Digest;
  /**
   * System prompt built into the served model, with no three quotes in a row and none at its end; empty for the pulled one's own.
   * @pattern ^([^"]|"[^"]|""[^"])*$
   * @maxLength 16384
   */
  system?: string;
  /**
   * Parameters built into the served model, as in a Modelfile (`temperature: 0.2`), of which `stop` may be a list of texts;
   * num_thread is set from the CPU limit.
   */
  parameters?: Record<ParameterName, ParameterValue>;
  /** Whose loads go first on a server of several models, and who makes way last; without one, `standard`. */
  priority?: Priority;
  /**
   * Further names that clients may use for it, such as the one name that a program knows (`gpt-4o-mini`).
   * @maxItems 64
   * @uniqueItems true
   */
  aliases?: OllamaName[];
  /**
   * Keys of the models that answer in its place, the first that can, while it is saturated or down; without any, none does.
   * @maxItems 16
   * @uniqueItems true
   */
  fallbacks?: ModelAlias[];
  /** Its next version on trial, which answers a part of its conversations; left out where there is none. */
  canary?: ModelCanary;
  /** How long it stays loaded while unused; without one, as long as the `ollama.keepAlive` of its server says. */
  keepAlive?: OllamaDuration;
  /**
   * Memory in MiB that it takes once loaded, with context and runtime: what `ollama ps` shows as its size, and 512 more; 0 or
   * left out where that is not known, which leaves to Ollama what fits beside it.
   * @asType integer
   * @minimum 0
   * @maximum 10000000
   */
  memoryMiB?: number;
  /** What becomes of runner options in its requests; without it, as `agent.runnerOptions` says. */
  runnerOptions?: RunnerOptions;
  /** Where its requests wait; what it leaves unsaid is as `gateway.queue` says. */
  queue?: QueueOverrides;
  /** From where on it is worth an alert; what it leaves unsaid is as `monitoring.alerts` says. */
  alerts?: AlertOverrides;
  /** What its clients may count on; what it leaves unsaid is as `monitoring.objectives` says for its priority. */
  objectives?: ObjectiveOverrides;
}

/** A version of a model that is on trial. */
export interface ModelCanary {
  /** Key of the model that it is: one of its own, on a server of its own. */
  model?: ModelAlias;
  /**
   * Conversations in percent that it answers; without one it answers what asks for it by its own name alone.
   * @asType integer
   * @minimum 0
   * @maximum 100
   */
  percent?: number;
}

/** What a model says differently from `gateway.queue`; its schema is made as that of ServerOverrides. */
export type QueueOverrides = Partial<Queue>;

/** The same for `monitoring.alerts`, and for `monitoring.objectives`. */
export type AlertOverrides = Partial<Alerts>;
export type ObjectiveOverrides = Partial<Objectives>;

/**
 * Name of a Modelfile parameter.
 * @pattern ^[a-z][a-z_]*$
 * @maxLength 63
 */
export type ParameterName = string;

/**
 * Value of a Modelfile parameter.
 */
export type ParameterValue = ParameterText | boolean | ParameterNumber | ParameterTexts;

/**
 * A text, on one line.
 * @pattern ^[^"\n\r]*$
 * @maxLength 255
 */
export type ParameterText = string;

/**
 * Several texts.
 * @maxItems 64
 */
export type ParameterTexts = ParameterText[];

/**
 * A number.
 * @minimum -1000000000
 * @maximum 1000000000
 */
export type ParameterNumber = number;

/** An Ollama Deployment. */
export interface Server {
  /** Whether it is deployed; its models are unknown to the gateway while it is not. */
  enabled: boolean;
  /**
   * Keys of the models it serves.
   * @maxItems 64
   * @uniqueItems true
   */
  models: ModelAlias[];
  /** How many pods it has. */
  replicas: Replicas;
  /** What each pod's Ollama asks for. */
  resources: ServerResources;
  /** How Ollama is set up. */
  ollama: Ollama;
  /** Where its models are kept. */
  cache: Cache;
  /** How long a new pod may take. */
  startup: Startup;
  /** Scaling by the number of pods. */
  autoscaling: ServerAutoscaling;
  /** How many of its pods may be gone at a time when nodes are drained. */
  podDisruptionBudget: PodDisruptionBudget;
  /** How its pods come to their GPUs; without any (`resources.gpu`), nothing of this matters. */
  gpu: Gpu;
  /** Where its pods go. */
  scheduling: Scheduling;
  /**
   * US dollars that one pod costs in an hour, for what metrics and the status page say of cost; 0 where it is not known. The
   * generator takes it from list prices for the `resources` of the registry: whoever overrides those says it anew.
   * @minimum 0
   * @maximum 100000
   */
  costPerHour: number;
}

/**
 * What a server says differently from `serverDefaults`. The generator takes the schema of this from that of Server, with
 * nothing required: mapped types lose the constraints on their keys in ts-json-schema-generator.
 */
export type ServerOverrides = DeepPartial<Server>;

/** Every key optional, at every depth; lists are replaced whole. */
export type DeepPartial<T> = T extends (infer _Item)[]
  ? T
  : T extends object
    ? { [K in keyof T]?: DeepPartial<T[K]> }
    : T;

/** A range of replicas. */
export interface Replicas {
  /**
   * Fewest pods, outside of the windows of its schedule. 0 takes Kubernetes 1.37 or later, or KEDA; where the signals are `cpu`, it
   * leaves their number to a scaler of your own.
   * @asType integer
   * @minimum 0
   * @maximum 1000
   */
  min: number;
  /**
   * Most pods.
   * @asType integer
   * @minimum 1
   * @maximum 1000
   */
  max: number;
  /**
   * How many of them never run on spot nodes, where the others prefer those (`scheduling.capacity: preferSpot`): they have a
   * Deployment of their own, whose name ends in `-on-demand` and whose number no autoscaler changes.
   * @asType integer
   * @minimum 0
   * @maximum 1000
   */
  onDemand: number;
}

/** Requests and limits alike, but where `cpuRequest` says otherwise. */
export interface ServerResources {
  /** CPU; Ollama runs as many threads as whole cores of it. */
  cpu: CpuQuantity;
  /** CPU that is set aside for it where that is to be less than it may use; empty for all of it. */
  cpuRequest: OptionalCpuQuantity;
  /** Memory, of which loaded models outside a GPU, their context and the page cache are part. */
  memory: ByteQuantity;
  /**
   * GPUs, in whole devices, or one part of a GPU where `gpu.mode` shares it out.
   * @asType integer
   * @minimum 0
   * @maximum 64
   */
  gpu: number;
  /** Name under which the device plugin offers GPUs, or parts of them; the modes `mig` and `dra` have names of their own. */
  gpuResource: QualifiedName;
  /**
   * Memory of each GPU in MiB that loaded models share, or their part of it (in the mode `mig`, of the slice): what programs get
   * of it, less the 1024 that Ollama leaves free; 0 where it is not known, which leaves to Ollama what fits.
   * @asType integer
   * @minimum 0
   * @maximum 1000000
   */
  gpuMemoryMiB: number;
}

/** Settings of Ollama itself. */
export interface Ollama {
  /** Image of Ollama. */
  image: Image;
  /**
   * Requests that one loaded model answers at the same time (OLLAMA_NUM_PARALLEL).
   * @asType integer
   * @minimum 1
   * @maximum 256
   */
  parallel: number;
  /**
   * Context of one request in tokens (OLLAMA_CONTEXT_LENGTH).
   * @asType integer
   * @minimum 256
   * @maximum 2097152
   */
  contextLength: number;
  /**
   * How long a model stays loaded while unused, unless it says otherwise itself; the agent unloads it then, and the next request
   * loads it again.
   */
  keepAlive: OllamaDuration;
  /** Whether attention is computed in blocks, which saves memory (OLLAMA_FLASH_ATTENTION). */
  flashAttention: boolean;
  /**
   * Type of the context's cache: smaller types save memory, cost precision and need `flashAttention` (OLLAMA_KV_CACHE_TYPE).
   */
  kvCacheType: 'f16' | 'q8_0' | 'q4_0';
  /**
   * Memory in MiB that a runner may keep for prompts seen before (LLAMA_ARG_CACHE_RAM); 0 for none.
   * @asType integer
   * @minimum 0
   * @maximum 1048576
   */
  promptCacheMiB: number;
  /** Further environment variables of Ollama, by name. */
  extraEnv: Record<EnvironmentName, EnvironmentValue>;
}

/**
 * Name of an environment variable.
 * @pattern ^[A-Z_][A-Z0-9_]*$
 * @maxLength 255
 */
export type EnvironmentName = string;

/**
 * Value of an environment variable.
 * @maxLength 4096
 */
export type EnvironmentValue = string;

/** Where a server's models are kept. */
export interface Cache {
  /**
   * `ephemeral`: a claim for each pod, filled by it; `shared`: one claim for all servers, filled by a Job and mounted
   * read-only; `image`: an OCI image that holds the models (Kubernetes 1.35 or later).
   */
  mode: 'ephemeral' | 'shared' | 'image';
  /** Size of an ephemeral claim. */
  size: ByteQuantity;
  /** Storage class of an ephemeral claim; empty for the cluster's default. */
  storageClass: OptionalObjectName;
  /** The OCI image of the mode `image`. */
  image: ModelImage;
}

/** An OCI image whose root is an Ollama models folder (blobs and manifests). */
export interface ModelImage {
  /**
   * Reference of the image with tag or digest; needed by the mode `image` alone.
   * @pattern ^([A-Za-z0-9][A-Za-z0-9._/:@-]*)?$
   * @maxLength 512
   */
  reference: string;
  /** When the kubelet pulls it. */
  pullPolicy: PullPolicy;
}

/** The claim shared by all servers of the cache mode `shared`. */
export interface SharedCache {
  /** Size of the claim. */
  size: ByteQuantity;
  /** Storage class of the claim; empty for the cluster's default. */
  storageClass: OptionalObjectName;
  /** Access mode of the claim; more than one pod needs ReadWriteMany. */
  accessMode: 'ReadWriteMany' | 'ReadWriteOnce';
  /** Name of a claim that exists already, used instead of making one; empty for none. */
  existingClaim: OptionalObjectName;
}

/** Time budgets in seconds, from the sizes of the models and the rates of network and disk. */
export interface Startup {
  /**
   * Longest time in seconds to bring all models of the server to its disk.
   * @asType integer
   * @minimum 10
   * @maximum 86400
   */
  downloadSeconds: number;
  /**
   * Longest time in seconds to load the models of the server from its disk.
   * @asType integer
   * @minimum 10
   * @maximum 86400
   */
  loadSeconds: number;
}

/** A HorizontalPodAutoscaler on CPU. */
export interface GatewayAutoscaling {
  /** Whether it is rendered; without it, there are `replicas.min` pods. */
  enabled: boolean;
  /**
   * CPU use in percent of the request that the autoscaler aims at.
   * @asType integer
   * @minimum 1
   * @maximum 100
   */
  cpuUtilizationPercent: number;
}

/** A PodDisruptionBudget. */
export interface PodDisruptionBudget {
  /** Whether it is rendered. */
  enabled: boolean;
  /**
   * Pods that a drain may take away at the same time.
   * @asType integer
   * @minimum 1
   * @maximum 1000
   */
  maxUnavailable: number;
}

/** What a container of the management service asks for: CPU is a request, memory a request and a limit. */
export interface Resources {
  /** CPU requested. */
  cpu: CpuQuantity;
  /** Memory requested, and its limit. */
  memory: ByteQuantity;
}

/** The gateway. */
export interface Gateway {
  /**
   * How another version takes the place of the one that runs: `rolling`: pod by pod; `blueGreen`: beside it, in the other colour, to
   * which the Service is led once it has been tried. That takes `npm run deploy` (docs/delivery.md).
   */
  strategy: 'rolling' | 'blueGreen';
  /** Where a release with the strategy `blueGreen` stands; `npm run deploy` writes it. */
  blueGreen: BlueGreen;
  /** How many pods it has. */
  replicas: GatewayReplicas;
  /** What each pod asks for. */
  resources: Resources;
  /** Scaling by the number of pods. */
  autoscaling: GatewayAutoscaling;
  /** How many of its pods may be gone at a time when nodes are drained. */
  podDisruptionBudget: PodDisruptionBudget;
  /** Where its pods go. */
  scheduling: Scheduling;
  /** The Service that clients inside the cluster use. */
  service: GatewayService;
  /**
   * Largest request body in MiB; gateway and agent read bodies whole, and need twice as much memory and 128 MiB.
   * @asType integer
   * @minimum 1
   * @maximum 1024
   */
  maxBodyMiB: number;
  /**
   * Where the requests for each model wait, in each gateway pod: in line for a minute, about as long as people wait for a
   * first word; five for the first pod of a server that has none, which a start with the models at hand takes; and no more of
   * them than a server with a few pods answers in that minute.
   */
  queue: Queue;
  /** Whose requests are answered. */
  apiKeys: ApiKeys;
  /** A page at `/ui` on the gateway's own port that shows how the fleet is. */
  statusPage: StatusPage;
  /** How much it writes to its log. */
  logLevel: LogLevel;
}

/** Where a release stands whose gateway has two colours. */
export interface BlueGreen {
  /** To which gateways the Service leads; `rolling`, those without a colour, while the strategy is being changed. */
  active: 'blue' | 'green' | 'rolling';
  /**
   * While two run: JSON of the one that ran before, which is kept as it is (BeforeGateway in ci/delivery/stand.ts); empty where one
   * runs alone.
   * @maxLength 1000000
   */
  held: string;
}

/** A range of gateway pods. */
export interface GatewayReplicas {
  /**
   * Fewest pods.
   * @asType integer
   * @minimum 1
   * @maximum 1000
   */
  min: number;
  /**
   * Most pods.
   * @asType integer
   * @minimum 1
   * @maximum 1000
   */
  max: number;
}

/** The API keys of clients; `npm run api-key -- NAME` makes one, and says how it comes into the Secret. */
export interface ApiKeys {
  /** Whether a key is asked for; without, whoever reaches the gateway may ask every model, as often as they like. */
  enabled: boolean;
  /** Secret with the hashes of the keys and what each allows; a change of it is taken up without a restart. */
  existingSecret: OptionalObjectName;
  /**
   * Key of the Secret under which the file is.
   * @pattern ^[-_A-Za-z0-9][-_.A-Za-z0-9]*$
   * @maxLength 253
   */
  secretKey: string;
}

/**
 * The status page. Where API keys are asked for, it shows the models that a visitor's key may ask; without keys, whoever
 * reaches the gateway sees them all.
 */
export interface StatusPage {
  /** Whether it is served. */
  enabled: boolean;
}

/** The Service `model-management`. */
export interface GatewayService {
  /** Type of the Service. */
  type: 'ClusterIP' | 'NodePort' | 'LoadBalancer';
  /**
   * Port of the Service.
   * @asType integer
   * @minimum 1
   * @maximum 65535
   */
  port: number;
  /**
   * Seconds for which a client keeps the same gateway pod; 0 for no affinity.
   * @asType integer
   * @minimum 0
   * @maximum 86400
   */
  sessionAffinitySeconds: number;
}

/** The agent. */
export interface Agent {
  /** What it asks for in each pod. */
  resources: Resources;
  /**
   * Requests for one model that it takes beyond those that Ollama answers at the same time, so that the next one is there
   * when an answer ends.
   * @asType integer
   * @minimum 0
   * @maximum 256
   */
  allowance: number;
  /**
   * What becomes of options of a request that Ollama would load the model anew for (num_ctx, num_gpu, num_thread and their
   * like): `replace` takes the model's own, `refuse` answers with an error.
   */
  runnerOptions: RunnerOptions;
  /** How much it writes to its log. */
  logLevel: LogLevel;
}

/**
 * The forecaster: one pod without a state of its own, which learns from what Prometheus has recorded. While it is away, or
 * silent, pods are scaled on their load and their schedules as without it.
 */
export interface Forecaster {
  /** Whether it is deployed; it needs `autoscaling.signals: demand`, and `autoscaling.prometheusUrl` to read from. */
  enabled: boolean;
  /**
   * Length in minutes of the bins that it looks at, each of which it takes in as it ends; shorter ones cost more memory and time,
   * and gain where pods start sooner than one lasts.
   */
  binMinutes: 1 | 2 | 5 | 10 | 15 | 20 | 30;
  /**
   * How often what it says is to be enough, in percent: the headroom is that quantile of its own latest errors. Higher costs more
   * pods, and serves more.
   * @minimum 50
   * @maximum 99
   */
  quantilePercent: number;
  /** What its pod asks for; of memory, a server takes up to 0.3 MiB by bins of ten minutes, and 3 by those of one. */
  resources: Resources;
  /** Where its pod goes. */
  scheduling: Scheduling;
  /** How much it writes to its log. */
  logLevel: LogLevel;
}

/** InferencePools in front of the servers, beside the gateway. */
export interface InferencePool {
  /** Whether they are rendered; the cluster has to have the extension's CRDs. */
  enabled: boolean;
  /** Who tells the inference gateway which pod of a pool to ask. */
  endpointPicker: EndpointPicker;
}

/** The Service of an endpoint picker. */
export interface EndpointPicker {
  /** Name of the Service; empty for one of each pool, called like its server with `-epp` behind, as the extension's charts do. */
  service: OptionalObjectName;
  /**
   * Port of the Service.
   * @asType integer
   * @minimum 1
   * @maximum 65535
   */
  port: number;
  /** What happens while it does not answer: `FailClose` refuses requests, `FailOpen` sends them to any pod. */
  failureMode: 'FailOpen' | 'FailClose';
}

/** What Prometheus gets. */
export interface Monitoring {
  /** How it finds the pods of gateway and servers, each of which has its metrics at port 9090. */
  scrape: Scrape;
  /** The recording rules and alerts of docs/rules.md. */
  rules: Rules;
  /** Dashboards for Grafana. */
  dashboards: Dashboards;
  /** From where on something is worth an alert; for a server of several models, the least of theirs holds. */
  alerts: Alerts;
  /** What clients may count on, by the priority of the model. */
  objectives: ObjectivesByPriority;
  /** What the nodes are planned to cost, for the dashboards to show beside what is spent. */
  plannedCost: PlannedCost;
}

/** What `npm run plan` foretells of the release's nodes. */
export interface PlannedCost {
  /** All of them on demand, at list prices. */
  onDemand: CostBySize;
  /** On spot nodes what may go there. */
  spot: CostBySize;
}

/** US dollars an hour at each size of the fleet. */
export interface CostBySize {
  /** With the fewest pods; 0 where it is not known. */
  minimum: PlannedDollars;
  /** On average; 0 where it is not known. */
  average: PlannedDollars;
  /** With the most pods; 0 where it is not known. */
  maximum: PlannedDollars;
}

/**
 * US dollars an hour.
 * @minimum 0
 * @maximum 1000000
 */
export type PlannedDollars = number;

/** How Prometheus finds pods. */
export interface Scrape {
  /**
   * `annotations`: `prometheus.io/scrape` and its like on each pod; `podMonitor`: a PodMonitor of the Prometheus operator, whose
   * CRDs have to be there; `none`: neither.
   */
  method: 'none' | 'annotations' | 'podMonitor';
  /** Labels of the PodMonitor, by which the operator chooses it. */
  labels: Record<QualifiedName, LabelValue>;
  /**
   * Seconds between two scrapes by the PodMonitor; the rules look at five minutes and need four scrapes in these.
   * @asType integer
   * @minimum 1
   * @maximum 60
   */
  intervalSeconds: number;
}

/** Rules for Prometheus. */
export interface Rules {
  /**
   * `prometheusRule`: a PrometheusRule of the Prometheus operator, whose CRDs have to be there; `configMap`: a ConfigMap for a
   * Prometheus that reads rules from files; `none`: neither.
   */
  delivery: 'none' | 'configMap' | 'prometheusRule';
  /** Labels of that object, by which the operator or a sidecar chooses it. */
  labels: Record<QualifiedName, LabelValue>;
  /**
   * Address of the folder of the runbooks, without a slash at its end, that alerts point to; empty for their path in the
   * repository alone.
   * @pattern ^(https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[A-Za-z0-9._~-]+)*)?$
   * @maxLength 512
   */
  runbooksUrl: string;
}

/** How Grafana gets its dashboards. */
export interface Dashboards {
  /**
   * `configMap`: a ConfigMap for each, for Grafana's sidecar; `grafanaDashboard`: in addition a GrafanaDashboard of the Grafana
   * operator, whose CRDs have to be there; `none`: neither.
   */
  delivery: 'none' | 'configMap' | 'grafanaDashboard';
  /** Labels of the ConfigMaps, by which the sidecar chooses them. */
  labels: Record<QualifiedName, LabelValue>;
  /** Labels of the Grafana, in any namespace, that the operator gives them to. */
  instanceSelector: Record<QualifiedName, LabelValue>;
  /**
   * Folder in Grafana; empty for the one that is Grafana's default.
   * @maxLength 189
   */
  folder: string;
}

/** Bounds, over which there is an alert. */
export interface Alerts {
  /**
   * Memory of a container in percent of its limit, without what the kernel can take back.
   * @minimum 1
   * @maximum 100
   */
  memoryPercent: number;
  /**
   * Use of a GPU in percent.
   * @minimum 1
   * @maximum 100
   */
  gpuPercent: number;
  /**
   * Time in seconds that one request in twenty waits longer than.
   * @minimum 0.001
   * @maximum 600
   */
  queueWaitSeconds: number;
  /**
   * Requests that are turned away for want of room, in percent of all.
   * @minimum 0
   * @maximum 100
   */
  rejectedPercent: number;
  /**
   * Restarts of one container in a quarter of an hour.
   * @asType integer
   * @minimum 0
   * @maximum 100
   */
  restarts: number;
}

/** Objectives for each priority. */
export interface ObjectivesByPriority {
  /** Of models that people wait for. */
  interactive: Objectives;
  /** Of models that say nothing. */
  standard: Objectives;
  /** Of models that nobody waits for. */
  batch: Objectives;
}

/** What clients may count on over four weeks; an alert tells when that is being used up too fast. */
export interface Objectives {
  /**
   * Requests that are answered without a fault of ours, in percent.
   * @minimum 50
   * @maximum 99.99
   */
  availablePercent: number;
  /** Time in seconds to the first word of an answer, the wait for a place included. */
  firstTokenSeconds: FirstTokenSeconds;
  /**
   * Answers that begin within that time, in percent.
   * @minimum 50
   * @maximum 99.99
   */
  firstTokenPercent: number;
}

/** The times at which the histogram of the gateway has a bound: between them nobody can tell. */
export type FirstTokenSeconds = 0.1 | 0.25 | 0.5 | 1 | 2.5 | 5 | 10 | 20 | 40 | 80 | 160 | 320;
