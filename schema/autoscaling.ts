import type { ObjectName, ServerName } from './types.ts';

/** How many pods servers have, and by what that is decided; with the parts of it that the gateway is told as well. */

/** How the autoscalers of all servers work. */
export interface Autoscaling {
  /**
   * `hpa`: a HorizontalPodAutoscaler for each server; `keda`: a ScaledObject, of which KEDA makes one, and whose CRDs have to be
   * there.
   */
  engine: 'hpa' | 'keda';
  /**
   * `cpu`: servers without GPUs are scaled on CPU, which needs metrics-server alone; `demand`: all servers on the requests that are
   * there, their schedules and forecasts, which needs Prometheus with `monitoring.rules`, and for `hpa` an adapter
   * (docs/autoscaling.md).
   */
  signals: 'cpu' | 'demand';
  /**
   * Where KEDA and the forecaster ask Prometheus, such as `http://prometheus.monitoring:9090`; needed by these two alone.
   * @pattern ^(https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[A-Za-z0-9._~-]+)*)?$
   * @maxLength 512
   */
  prometheusUrl: string;
  /** Time zone of all schedules. */
  timeZone: TimeZone;
  /**
   * Whether a VerticalPodAutoscaler for each server without GPUs recommends what its pods should ask for, and changes nothing; its
   * CRDs have to be there.
   */
  recommendations: boolean;
  /** Pods that hold room for those of servers, by names of yours. */
  placeholders: Placeholders;
}

/** Pods that hold room, by name. */
export type Placeholders = Record<PlaceholderName, Placeholder>;

/**
 * Name of placeholders.
 * @pattern ^[a-z]([-a-z0-9]*[a-z0-9])?$
 * @maxLength 30
 */
export type PlaceholderName = string;

/** Pods that do nothing but hold the room of a server's, on nodes that are warm then, and give way to them. */
export interface Placeholder {
  /** The server: they ask for what its pods do, and go where those go. Any pod of a higher priority may have their room. */
  server: ServerName;
  /**
   * How many.
   * @asType integer
   * @minimum 1
   * @maximum 1000
   */
  pods: number;
  /** PriorityClass below those of all servers, which are 0 where they have none; it has to be there. */
  priorityClassName: ObjectName;
}

/** Scaling of a server. */
export interface ServerAutoscaling {
  /** Whether it is scaled; where not, there are `replicas.min` pods. */
  enabled: boolean;
  /**
   * CPU use in percent of the request that the autoscaler aims at, by the signals `cpu`, or with `alsoCpu`; of servers without
   * GPUs.
   * @asType integer
   * @minimum 1
   * @maximum 100
   */
  cpuUtilizationPercent: number;
  /** Whether a server without GPUs is scaled on CPU as well where the signals are `demand`. */
  alsoCpu: boolean;
  /**
   * How full pods are to be, in percent of the requests that they answer at a time; what is left is room for what comes while
   * another pod starts. By the signals `demand`.
   * @asType integer
   * @minimum 10
   * @maximum 100
   */
  targetUtilizationPercent: number;
  /** Times of the week that want other fewest pods than `replicas.min`, by names of yours. By the signals `demand`. */
  schedule: Schedule;
  /** How fast pods come and go. */
  behavior: Behavior;
}

/** Times of the week, by name. */
export type Schedule = Record<WindowName, ScheduleWindow>;

/**
 * Name of a window.
 * @pattern ^[a-z]([-a-z0-9]*[a-z0-9])?$
 * @maxLength 63
 */
export type WindowName = string;

/** A window of time, by the clocks of `autoscaling.timeZone`; no two of a server overlap. */
export interface ScheduleWindow {
  /**
   * Days on which it begins.
   * @maxItems 7
   * @uniqueItems true
   */
  days: Day[];
  /** When it begins. */
  from: TimeOfDay;
  /** When it ends: on the next day where that is before its begin. */
  to: EndOfDay;
  /**
   * Fewest pods within it.
   * @asType integer
   * @minimum 0
   * @maximum 1000
   */
  min: number;
}

/** A day of the week. */
export type Day = 'mon' | 'tue' | 'wed' | 'thu' | 'fri' | 'sat' | 'sun';

/**
 * A time, from `00:00` to `23:59`.
 * @pattern ^([01][0-9]|2[0-3]):[0-5][0-9]$
 */
export type TimeOfDay = string;

/**
 * A time, from `00:00` to `24:00`, which is the end of the day.
 * @pattern ^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$
 */
export type EndOfDay = string;

/**
 * A time zone by its IANA name, such as `Europe/Berlin`.
 * @pattern ^[A-Z][A-Za-z0-9_+-]*(/[A-Z][A-Za-z0-9_+-]*){0,2}$
 * @maxLength 63
 */
export type TimeZone = string;

/** How fast pods come and go. */
export interface Behavior {
  /** When more are needed: at once, and by steps. */
  scaleUp: ScaleUp;
  /** When fewer are. */
  scaleDown: ScaleDown;
}

/** Steps upwards; the larger of `percent` and `pods` counts. */
export interface ScaleUp {
  /**
   * Most that a step adds, in percent of the pods that there are: 100 doubles them.
   * @asType integer
   * @minimum 1
   * @maximum 1000
   */
  percent: number;
  /**
   * Most pods that a step adds in any case.
   * @asType integer
   * @minimum 1
   * @maximum 1000
   */
  pods: number;
  /**
   * Seconds of a step.
   * @asType integer
   * @minimum 1
   * @maximum 1800
   */
  periodSeconds: number;
}

/** Steps downwards. */
export interface ScaleDown {
  /**
   * Seconds for which fewer pods have to do before one is given back: the next one costs a download and a load.
   * @asType integer
   * @minimum 300
   * @maximum 3600
   */
  windowSeconds: number;
  /**
   * Most that a step takes away, in percent of the pods that there are.
   * @asType integer
   * @minimum 1
   * @maximum 100
   */
  percent: number;
  /**
   * Seconds of a step.
   * @asType integer
   * @minimum 1
   * @maximum 1800
   */
  periodSeconds: number;
}
