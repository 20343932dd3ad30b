import type { Schedule, TimeZone } from './autoscaling.ts';
import type {
  Canary,
  LogLevel,
  ModelAlias,
  ObjectName,
  OllamaName,
  OptionalObjectName,
  Priority,
  Queue,
  RunnerOptions,
  ServerName,
  Tracing,
} from './types.ts';

/**
 * What the chart tells the entry points of the service image, each in one JSON file of a ConfigMap. The service reads a
 * file again when it changes, so that a new model needs no restart of the gateway.
 */

/** Configuration of the gateway. */
export interface GatewayConfig {
  /** The models it routes, by key. */
  models: Record<ModelAlias, GatewayModel>;
  /** The servers it routes them to, by name. */
  servers: Record<ServerName, GatewayServer>;
  /**
   * Namespace whose EndpointSlices say which replicas each server has; empty outside of a cluster.
   * @pattern ^([a-z0-9]([-a-z0-9]*[a-z0-9])?)?$
   * @maxLength 63
   */
  namespace: string;
  /**
   * File with the API keys (ApiKeys); empty where whoever reaches the gateway may ask.
   * @maxLength 4096
   */
  apiKeysFile: string;
  /**
   * Longest time in seconds that one answer may take.
   * @asType integer
   * @minimum 10
   * @maximum 86400
   */
  generationTimeoutSeconds: number;
  /**
   * Largest request body in MiB.
   * @asType integer
   * @minimum 1
   * @maximum 1024
   */
  maxBodyMiB: number;
  /** How much it writes to its log. */
  logLevel: LogLevel;
  /** Where its traces go; left out for nowhere. */
  tracing?: Tracing;
  /** What its status page shows beside its own; left out where it has none. */
  statusPage?: StatusPage;
  /**
   * File in which the last backup says how it went (BackupStatus), once there was one; left out where none are made.
   * @maxLength 4096
   */
  backupStatusFile?: string;
}

/** Configuration of a backup. */
export interface BackupConfig {
  /**
   * Name of the release, by whose label its objects are found.
   * @minLength 1
   * @maxLength 253
   */
  release: string;
  /**
   * Version of its chart.
   * @maxLength 253
   */
  chart: string;
  /**
   * Namespace that it is in.
   * @pattern ^[a-z0-9]([-a-z0-9]*[a-z0-9])?$
   * @maxLength 63
   */
  namespace: string;
  /** Base URL of the agents of each server, by its name. */
  servers: Record<ServerName, AgentsUrl>;
  /**
   * Names of the models that can be pulled again.
   * @maxItems 10000
   */
  pulled: OllamaName[];
  /** Whether those are copied as well. */
  baseModels: boolean;
  /**
   * Names of the Secrets that the release uses, none of which is copied.
   * @maxItems 100
   */
  secrets: ObjectName[];
  /**
   * What is kept of the objects of the release, by resource of the API.
   * @maxItems 100
   */
  resources: ResourceName[];
  /** Name of the ConfigMap that says how the last backup went. */
  statusConfigMap: ObjectName;
}

/**
 * A resource of the API in the plural, after its group and version, such as `apps/v1/deployments`; those of the core have no group.
 * @pattern ^([a-z0-9.-]+/)?v[0-9a-z]+/[a-z]+$
 * @maxLength 253
 */
export type ResourceName = string;

/**
 * A URL without a path.
 * @pattern ^http://[a-z0-9.-]+(:[0-9]{1,5})?$
 * @maxLength 300
 */
export type AgentsUrl = string;

/** How the last good backup went. */
export interface BackupStatus {
  /**
   * When it was found to be whole, in seconds since 1970.
   * @minimum 0
   * @maximum 100000000000
   */
  succeeded: number;
  /**
   * What the repository takes, in bytes.
   * @asType integer
   * @minimum 0
   * @maximum 1000000000000000
   */
  bytes: number;
  /**
   * How many copies are in it.
   * @asType integer
   * @minimum 0
   * @maximum 100000
   */
  copies: number;
}

/** Where a status page gets what others know. */
export interface StatusPage {
  /** Name of the gateways' Service, whose EndpointSlices say where the others are; empty outside of a cluster. */
  service: OptionalObjectName;
  /**
   * The ports for metrics of the other gateways, where nothing else tells of them.
   * @maxItems 1000
   * @uniqueItems true
   */
  peers?: HopUrl[];
  /** The forecaster's port for metrics; left out where there is none. */
  forecaster?: HopUrl;
}

/** A model as the gateway sees it. */
export interface GatewayModel {
  /** Name under which Ollama serves it; clients may use it or the key. */
  name: OllamaName;
  /** The server that has it. */
  server: ServerName;
  /**
   * Further names that clients may use for it.
   * @maxItems 64
   * @uniqueItems true
   */
  aliases: OllamaName[];
  /**
   * Keys of the models that answer in its place, the first that can, while it is saturated or down.
   * @maxItems 16
   * @uniqueItems true
   */
  fallbacks: ModelAlias[];
  /** The version on trial, which answers a part of its conversations; left out where there is none. */
  canary?: Canary;
  /** Where its requests wait. */
  queue: Queue;
}

/** A server as the gateway sees it. */
export interface GatewayServer {
  /** Where it answers as a whole: its Service, asked as long as no replica is known by itself. */
  url: HopUrl;
  /**
   * Its replicas where nothing tells of them; left out in a cluster, whose EndpointSlices do.
   * @maxItems 1000
   * @uniqueItems true
   */
  replicas?: HopUrl[];
  /**
   * Requests for one model that the agent of a replica takes at a time.
   * @asType integer
   * @minimum 1
   * @maximum 512
   */
  slots: number;
  /** How many pods it is to have; left out where that is not known. */
  pods?: PodRange;
  /** How many of these it is to have at the least by the time of the week; left out where nothing scales it by that. */
  schedule?: ScheduledPods;
  /**
   * US dollars that a replica costs in an hour; left out where it is not known.
   * @minimum 0
   * @maximum 100000
   */
  costPerHour?: number;
}

/** A range of pods. */
export interface PodRange {
  /**
   * Fewest pods.
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
}

/** Fewest pods by the time of the week. */
export interface ScheduledPods {
  /** By whose clocks it is. */
  timeZone: TimeZone;
  /** Fewest pods within a window, by its name. */
  windows: Schedule;
  /**
   * Fewest pods outside of all windows.
   * @asType integer
   * @minimum 0
   * @maximum 1000
   */
  otherwise: number;
}

/**
 * Where a hop answers.
 * @pattern ^http://[a-z0-9.-]+:[0-9]{1,5}$
 * @maxLength 320
 */
export type HopUrl = string;

/** The API keys of a gateway, from a mounted Secret. A key itself is written down nowhere. */
export interface ApiKeys {
  /**
   * The keys.
   * @maxItems 10000
   */
  keys: ApiKey[];
}

/** An API key, and what it allows. */
export interface ApiKey {
  /**
   * Name of whom it was given to, for logs and metrics.
   * @pattern ^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$
   * @maxLength 63
   */
  name: string;
  /**
   * SHA-256 of the key, in hexadecimal digits.
   * @pattern ^[0-9a-f]{64}$
   */
  sha256: string;
  /**
   * Keys of the models it may ask; without it, all of them.
   * @maxItems 1000
   * @uniqueItems true
   */
  models?: ModelAlias[];
  /** The highest priority of its requests, and theirs without a header; without it, `standard`. */
  priority?: Priority;
  /**
   * Most requests in a minute, at each gateway pod; without it, any number.
   * @asType integer
   * @minimum 1
   * @maximum 1000000
   */
  requestsPerMinute?: number;
  /**
   * Most tokens, read and written, in a day (UTC), at each gateway pod; without it, any number.
   * @asType integer
   * @minimum 1
   * @maximum 1000000000000
   */
  tokensPerDay?: number;
}

/** Configuration of the agent beside an Ollama. */
export interface AgentConfig {
  /** The server that its pod belongs to. */
  server: ServerName;
  /** The models of the server, by key. */
  models: Record<ModelAlias, AgentModel>;
  /**
   * Address of the Ollama of its pod.
   * @pattern ^http://127\.0\.0\.1:[0-9]{1,5}$
   * @maxLength 64
   */
  ollamaUrl: string;
  /**
   * Folder of Ollama's models, in which the progress of their download is seen; left out where nothing is downloaded.
   * @minLength 1
   * @maxLength 4096
   */
  modelsFolder?: string;
  /**
   * Requests that one loaded model answers at the same time.
   * @asType integer
   * @minimum 1
   * @maximum 256
   */
  parallel: number;
  /**
   * Requests for one model that are taken beyond those, so that the next one is there when an answer ends.
   * @asType integer
   * @minimum 0
   * @maximum 256
   */
  allowance: number;
  /**
   * Largest request body in MiB.
   * @asType integer
   * @minimum 1
   * @maximum 1024
   */
  maxBodyMiB: number;
  /**
   * Memory in MiB that the loaded models may take together, in the GPUs or, without any, in the pod; 0 to leave it to Ollama.
   * @asType integer
   * @minimum 0
   * @maximum 100000000
   */
  memoryMiB: number;
  /**
   * Longest time in seconds to load one model.
   * @asType integer
   * @minimum 10
   * @maximum 86400
   */
  loadTimeoutSeconds: number;
  /**
   * Longest time in seconds that one answer may take.
   * @asType integer
   * @minimum 10
   * @maximum 86400
   */
  generationTimeoutSeconds: number;
  /** How much it writes to its log. */
  logLevel: LogLevel;
  /** Where its traces go; left out for nowhere. */
  tracing?: Tracing;
}

/** A model as the agent sees it. */
export interface AgentModel {
  /** Name under which Ollama serves it. */
  name: OllamaName;
  /** Whose load goes first, and who has to make way last. */
  priority: Priority;
  /**
   * Seconds after which an unused model is unloaded; 0 for one that stays.
   * @asType integer
   * @minimum 0
   * @maximum 31536000
   */
  idleSeconds: number;
  /**
   * Memory in MiB that it is expected to take once loaded; 0 where that is not known.
   * @asType integer
   * @minimum 0
   * @maximum 100000000
   */
  memoryMiB: number;
  /** What becomes of a client's runner options, which would have Ollama load the model anew. */
  runnerOptions: RunnerOptions;
}

/** Configuration of the forecaster. */
export interface ForecasterConfig {
  /** Where Prometheus answers that has what the release's rules record. */
  prometheusUrl: PrometheusUrl;
  /**
   * Namespace of the release, as its samples name it.
   * @pattern ^[a-z0-9]([-a-z0-9]*[a-z0-9])?$
   * @maxLength 63
   */
  namespace: string;
  /**
   * Name of the release, as its samples name it.
   * @pattern ^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$
   * @maxLength 63
   */
  release: string;
  /**
   * Length in seconds of the bins that it looks at, of which a day is a whole number.
   * @asType integer
   * @minimum 60
   * @maximum 3600
   */
  binSeconds: number;
  /**
   * Which quantile of its own errors is kept as headroom.
   * @minimum 0.5
   * @maximum 0.99
   */
  quantile: number;
  /**
   * Part by which a metric may be above the present pods before autoscalers do anything; what it says is more by so much.
   * @minimum 0
   * @maximum 0.5
   */
  tolerance: number;
  /** The servers that it forecasts, by key. */
  servers: Record<ServerName, ForecastServer>;
  /** How much it writes to its log. */
  logLevel: LogLevel;
}

/** A server as the forecaster sees it. */
export interface ForecastServer {
  /** Name of its Deployment, by which gateways call it. */
  deployment: ServerName;
  /**
   * How full its pods are to be without a forecast.
   * @minimum 0.01
   * @maximum 1
   */
  target: number;
  /**
   * Longest time in seconds that a pod may take from being asked for to being ready, for as long as none was measured.
   * @asType integer
   * @minimum 1
   * @maximum 200000
   */
  startSeconds: number;
}

/**
 * Where Prometheus answers.
 * @pattern ^https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[A-Za-z0-9._~-]+)*$
 * @maxLength 512
 */
export type PrometheusUrl = string;
