import type { Priority } from '../../schema/types.ts';

/** What agents, gateways and a forecaster tell of themselves, for whoever shows the fleet: GET /status, in one piece. */

/** What an agent tells: of its pod, and of each model of it. */
export interface AgentStatus {
  server: string;
  /** Name of its pod. */
  pod: string;
  /** `starting`: Ollama is not there yet, and nothing is being downloaded for it. */
  phase: 'downloading' | 'starting' | 'loading' | 'ready' | 'draining';
  /** Why it is not ready, in words; empty where it is. */
  problem: string;
  /** Version of its Ollama; null before that has said so. */
  ollama: string | null;
  /** Bytes that its models may take together; 0 where that is not known. */
  memoryBytes: number;
  /** By key. */
  models: Record<string, AgentModelStatus>;
  /**
   * What Ollama holds for each process that runs one or more models, in bytes; named by a model that it was loaded for.
   */
  memory: { model: string; ram: number; vram: number }[];
  /** Left out once its models are on its disk. */
  download?: DownloadStatus;
}

export interface AgentModelStatus {
  state: 'waiting' | 'loading' | 'loaded' | 'unloading' | 'unloaded' | 'failed';
  /** Loads tried since the last one that succeeded. */
  attempts: number;
  /** Why the last load failed. */
  problem?: string;
  inFlight: number;
  /** Requests that it takes at a time; 0 where no more are taken. */
  slots: number;
}

/** What is brought to the disk, by the pod itself or by the Job that fills a shared volume. */
export interface DownloadStatus {
  /** `starting`: no model is in hand yet. `failed`: the next attempt is waited for. */
  state: 'starting' | 'pulling' | 'building' | 'failed';
  /** Key of the model in hand; empty where there is none. */
  model: string;
  attempt: number;
  /** How many attempts one start makes. */
  attempts: number;
  /** Bytes that have arrived since its pull began, and of how many that are known of; 0 where neither is known. */
  bytes: number;
  totalBytes: number;
  /** Downloads that failed on this disk. */
  failures: number;
  /** Why the last one failed, as one word and as a sentence; empty where none did. */
  reason: string;
  error: string;
}

/** What a gateway tells: of its own requests alone. Counts are those since it started. */
export interface GatewayStatus {
  /** Tells it from others; another one after each start. */
  id: string;
  /** How long it has been running, in ms. */
  upMs: number;
  /** By key; those that nobody has asked yet are left out. */
  models: Record<string, GatewayModelStatus>;
  /** Addresses of the replicas that it asks no more, since they failed. */
  ejected: string[];
}

export interface GatewayModelStatus {
  requests: number;
  /** Those of them that failed here or behind (5xx). */
  errors: number;
  /** Those that found the line full, or waited for their time in vain. */
  refused: number;
  /** Tokens of answers. */
  tokens: number;
  /** Seconds from arrival to the last byte, of requests that were answered; in the line, of those that got a place. */
  durations: Counts;
  waits: Counts;
  /** Requests that are with replicas at the moment, and those that wait for one, by priority. */
  inFlight: number;
  waiting: Partial<Record<Priority, number>>;
  /** How long the first of those has been waiting, in ms; 0 where none waits. */
  oldestMs: number;
}

/** What a forecaster tells, of the servers by the names of their Deployments. */
export interface ForecasterStatus {
  servers: Record<string, ForecastStatus>;
}

/** How many pods will be needed so much later, or why nothing is said of that. */
export type ForecastStatus = { replicas: number; horizonSeconds: number } | { silent: string };

/** How many values fell into each bucket (see histogram.ts), as [bucket, count] pairs; empty buckets are left out. */
export type Counts = [bucket: number, count: number][];
