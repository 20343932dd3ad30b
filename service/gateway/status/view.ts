import type { AgentModelStatus, AgentStatus, DownloadStatus } from '../../shared/status.ts';
import type { Now, Rates } from './traffic.ts';

/** What the status page is told: types alone, which the page itself is made with. */

/** How a pod of a server is. */
export type PodState =
  /** Nothing of it is known yet. */
  | 'unknown'
  /** Its agent does not answer, though it did before or should. */
  | 'silent'
  /** A gateway asks it no more, since it failed. */
  | 'ejected'
  | AgentStatus['phase'];

export interface PodView {
  name: string;
  state: PodState;
  /** Why it is not ready, in words; empty where it is. */
  problem: string;
  /** Whether a model of it could not be loaded the last time. */
  loadFails: boolean;
  /** How many gateways ask it no more. */
  ejectedBy: number;
  /** Version of its Ollama. */
  ollama: string | null;
  /** Bytes that its loaded models take, and may take together; 0 where the latter is not known. */
  ram: number;
  vram: number;
  memoryBytes: number;
  download?: DownloadStatus;
}

export interface ServerView {
  name: string;
  /** How many pods it is to have, where that is known. */
  min?: number;
  max?: number;
  /** How many it is to have at the least by its schedule at the moment; left out where it has none. */
  scheduled?: number;
  /**
   * How many pods it will need in so many minutes, as is forecast, or why nothing is; left out where it is not scaled by that, or
   * there is no forecaster.
   */
  forecast?: { replicas: number; minutes: number } | { silent: string };
  /** US dollars that a pod costs in an hour, where that is known. */
  costPerHour?: number;
  /** Those that have an address; undefined as long as the cluster has not told of them. */
  pods?: PodView[];
}

/** A model in one pod. */
export type ModelInPod = AgentModelStatus & { pod: string; ram: number; vram: number };

export interface ModelView {
  key: string;
  /** Name under which Ollama serves it. */
  name: string;
  server: string;
  aliases: string[];
  fallbacks: string[];
  /** The version on trial, and the percent of its conversations that this answers. */
  canary?: { model: string; percent: number };
  /** Most requests that wait for it in each gateway. */
  depth: number;
  now: Now;
  rates: Rates;
  pods: ModelInPod[];
}

/** What all that a visitor may see comes to. */
export interface Totals {
  rates: Rates;
  now: Omit<Now, 'oldest'>;
}

/** An event of the stream: `fleet` has everything, `change` what differs from the events before it. */
export interface FleetEvent {
  /** When it was, in ms since 1970. */
  at: number;
  gateways: { known: number; answering: number };
  /** Since when there is a history, in ms since 1970; left out where there is none yet. */
  since?: number;
  totals: Totals;
  models: ModelView[];
  servers: ServerView[];
}

/** The series of a model, or of all models together, over the last hour; each value is that of ten seconds. */
export interface HistoryView {
  /** When each value was recorded, in ms since 1970. */
  times: number[];
  requests: number[];
  errors: number[];
  refused: number[];
  tokens: number[];
  inFlight: number[];
  waiting: number[];
  /** Seconds; null where nothing was answered. Of one model alone. */
  p50?: (number | null)[];
  p95?: (number | null)[];
}
