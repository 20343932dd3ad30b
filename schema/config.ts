import type { LogLevel, ModelAlias, OllamaName, Priority, ServerName } from './types.ts';

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
}

/** A model as the gateway sees it. */
export interface GatewayModel {
  /** Name under which Ollama serves it; clients may use it or the key. */
  name: OllamaName;
  /** The server that has it. */
  server: ServerName;
}

/** A server as the gateway sees it. */
export interface GatewayServer {
  /**
   * Where its agents answer.
   * @pattern ^http://[a-z0-9.-]+:[0-9]{1,5}$
   * @maxLength 320
   */
  url: string;
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
   * Requests that one loaded model answers at the same time.
   * @asType integer
   * @minimum 1
   * @maximum 256
   */
  parallel: number;
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
}

/** A model as the agent sees it. */
export interface AgentModel {
  /** Name under which Ollama serves it. */
  name: OllamaName;
  /** Whose load goes first. */
  priority: Priority;
}
