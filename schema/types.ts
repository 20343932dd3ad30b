/**
 * The words that the values are made of. A constraint stands on the type it belongs to, once, and every key of that type
 * carries it. Patterns are RE2 (Helm's engine) and mean the same to ECMAScript (ajv's).
 */

/**
 * Key of a model: lower-case letters, digits, dots and dashes, at most 63 characters.
 * @pattern ^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$
 * @maxLength 63
 */
export type ModelAlias = string;

/**
 * Key of a server and name of its Deployment: a DNS label, at most 63 characters.
 * @pattern ^[a-z]([-a-z0-9]*[a-z0-9])?$
 * @maxLength 63
 */
export type ServerName = string;

/**
 * A model's name as Ollama writes it: `[host[:port]/][namespace/]model[:tag]`.
 * @pattern ^([A-Za-z0-9][A-Za-z0-9.-]*(:[0-9]{1,5})?/)?([A-Za-z0-9][A-Za-z0-9._-]*[/])?[A-Za-z0-9][A-Za-z0-9._-]*(:[A-Za-z0-9][A-Za-z0-9._-]*)?$
 * @maxLength 255
 */
export type OllamaName = string;

/**
 * CPU in whole cores or millicores: `2`, `500m`.
 * @pattern ^[1-9][0-9]{0,5}m?$
 */
export type CpuQuantity = string;

/**
 * CPU as above, or empty for what another key says.
 * @pattern ^([1-9][0-9]{0,5}m?)?$
 */
export type OptionalCpuQuantity = string;

/**
 * Memory or storage in whole binary or decimal units: `8Gi`, `40G`, `512Mi`.
 * @pattern ^[1-9][0-9]{0,6}(Mi|Gi|Ti|M|G|T)$
 */
export type ByteQuantity = string;

/**
 * A time as Ollama reads it: whole seconds, minutes or hours (`90s`, `10m`, `24h`), `0` for at once, `-1` for never.
 * @pattern ^(-1|0|[1-9][0-9]{0,5}(s|m|h))$
 */
export type OllamaDuration = string;

/**
 * Name of an object of the cluster (a DNS subdomain), or empty for none.
 * @pattern ^([a-z0-9]([-a-z0-9.]*[a-z0-9])?)?$
 * @maxLength 253
 */
export type OptionalObjectName = string;

/**
 * Name of an object of the cluster (a DNS subdomain).
 * @pattern ^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$
 * @maxLength 253
 */
export type ObjectName = string;

/**
 * A label or annotation key, with or without a prefix.
 * @pattern ^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$
 * @maxLength 316
 */
export type QualifiedName = string;

/**
 * A label's value, at most 63 characters.
 * @pattern ^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$
 * @maxLength 63
 */
export type LabelValue = string;

/**
 * An image without tag or digest: `ollama/ollama`, `registry.example.com:5000/team/image`.
 * @pattern ^([A-Za-z0-9][A-Za-z0-9.-]*(:[0-9]{1,5})?/)?[a-z0-9]+([._/-]+[a-z0-9]+)*$
 * @maxLength 255
 */
export type ImageRepository = string;

/**
 * An image's tag.
 * @pattern ^([A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?$
 */
export type ImageTag = string;

/**
 * A SHA-256 digest (`sha256:` and 64 hexadecimal digits), or empty for none.
 * @pattern ^(sha256:[0-9a-f]{64})?$
 */
export type Digest = string;

/** When the kubelet pulls an image. */
export type PullPolicy = 'Always' | 'IfNotPresent' | 'Never';

/** How much a process writes to its log. */
export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

/** Whose requests and loads go first: interactive before standard before batch. */
export type Priority = 'interactive' | 'standard' | 'batch';

/**
 * What becomes of options of a request that Ollama would load the model anew for (num_ctx, num_gpu, num_thread and their
 * like): `replace` takes the model's own, `refuse` answers with an error.
 */
export type RunnerOptions = 'replace' | 'refuse';

/** A version of a model that is on trial. */
export interface Canary {
  /** Key of the model that it is: one of its own, on a server of its own. */
  model: ModelAlias;
  /**
   * Conversations in percent that it answers.
   * @asType integer
   * @minimum 0
   * @maximum 100
   */
  percent: number;
}

/** Where the requests for a model wait, in each gateway pod. */
export interface Queue {
  /**
   * Most requests that wait.
   * @asType integer
   * @minimum 0
   * @maximum 100000
   */
  depth: number;
  /**
   * Longest time in seconds that a request waits while replicas are there.
   * @asType integer
   * @minimum 0
   * @maximum 86400
   */
  waitSeconds: number;
  /**
   * Longest time in seconds that a request waits for the first replica of a server that has none.
   * @asType integer
   * @minimum 0
   * @maximum 86400
   */
  holdSeconds: number;
}

/** Traces of requests, sent to a collector of OpenTelemetry. */
export interface Tracing {
  /**
   * Where the collector takes traces by OTLP over HTTP, such as `http://otel-collector.observability:4318/v1/traces`; empty
   * for none.
   * @pattern ^(https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[A-Za-z0-9._~-]+)+)?$
   * @maxLength 512
   */
  endpoint: string;
  /**
   * Part of the requests that are traced, from 0 to 1, among those whose clients have not decided themselves by a header
   * `traceparent`.
   * @minimum 0
   * @maximum 1
   */
  sampleRatio: number;
}
