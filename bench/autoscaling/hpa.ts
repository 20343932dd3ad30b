/**
 * What the HorizontalPodAutoscaler of Kubernetes does with External metrics of target type AverageValue 1, whose values are
 * thus replicas. From pkg/controller/podautoscaler of k8s.io/kubernetes v1.37.2: computeReplicasForMetrics,
 * GetExternalPerPodMetricReplicas, stabilizeRecommendationWithBehaviors and convertDesiredReplicasWithBehaviorRate.
 */

export interface ScalingPolicy {
  type: 'Pods' | 'Percent';
  value: number;
  periodSeconds: number;
}

export interface ScalingRules {
  stabilizationWindowSeconds: number;
  selectPolicy: 'Max' | 'Min' | 'Disabled';
  policies: readonly ScalingPolicy[];
}

export interface HpaSpec {
  minReplicas: number;
  maxReplicas: number;
  /** Share by which a metric may be off the present replicas before anything changes; 0.1 unless the cluster says otherwise. */
  tolerance: number;
  scaleUp: ScalingRules;
  scaleDown: ScalingRules;
}

interface Change {
  /** Seconds. */
  at: number;
  replicas: number;
}

/** Replicas for one metric: as many as its value, rounded up, unless that is within the tolerance of the present ones. */
function forMetric(current: number, value: number, tolerance: number): number {
  const ratio = value / current;
  return ratio >= 1 - tolerance && ratio <= 1 + tolerance ? current : Math.ceil(value);
}

/** What a policy counts from: the replicas that there were when its period began. */
const replicasThen = (current: number, now: number, periodSeconds: number, ups: Change[], downs: Change[]) => {
  const within = (changes: Change[]) =>
    changes.filter(({ at }) => at > now - periodSeconds).reduce((sum, { replicas }) => sum + replicas, 0);
  return current - within(ups) + within(downs);
};

/** One HPA and what it remembers. Time is in seconds and only goes on. */
export class Hpa {
  readonly #spec: HpaSpec;
  #recommendations: Change[] = [];
  #ups: Change[] = [];
  #downs: Change[] = [];

  constructor(spec: HpaSpec) {
    this.#spec = spec;
  }

  /**
   * Replicas it sets at `now`. `current` counts the pods that start, too; a metric that cannot be read is undefined: the
   * others may then raise, and nothing lowers.
   */
  decide(now: number, current: number, metrics: readonly (number | undefined)[]): number {
    const wanted = this.#wanted(now, current, metrics);
    if (wanted > current) this.#ups.push({ at: now, replicas: wanted - current });
    if (wanted < current) this.#downs.push({ at: now, replicas: current - wanted });
    return wanted;
  }

  #wanted(now: number, current: number, metrics: readonly (number | undefined)[]): number {
    const { minReplicas, maxReplicas, tolerance } = this.#spec;
    // Scaled to zero by somebody: it stays away.
    if (current === 0 && minReplicas !== 0) return 0;
    if (current > maxReplicas) return maxReplicas;
    if (current < minReplicas) return minReplicas;
    const read = metrics.filter((value) => value !== undefined);
    if (read.length === 0) return current;
    const most = Math.max(...read.map((value) => forMetric(current, value, tolerance)));
    if (read.length < metrics.length && most < current) return current;
    return this.#limited(now, current, this.#stabilized(now, current, most));
  }

  /** Up by no more than the least, down by no more than the most that was recommended in the window of either. */
  #stabilized(now: number, current: number, recommended: number): number {
    const { scaleUp, scaleDown } = this.#spec;
    const since = (seconds: number) => [
      recommended,
      ...this.#recommendations.filter(({ at }) => at > now - seconds).map(({ replicas }) => replicas),
    ];
    const least = Math.min(...since(scaleUp.stabilizationWindowSeconds));
    const most = Math.max(...since(scaleDown.stabilizationWindowSeconds));
    const longest = Math.max(scaleUp.stabilizationWindowSeconds, scaleDown.stabilizationWindowSeconds);
    this.#recommendations = this.#recommendations.filter(({ at }) => at >= now - longest);
    this.#recommendations.push({ at: now, replicas: recommended });
    return Math.min(Math.max(current, least), most);
  }

  #limited(now: number, current: number, wanted: number): number {
    const { minReplicas, maxReplicas } = this.#spec;
    if (wanted > current) return Math.min(wanted, maxReplicas, Math.max(current, this.#upTo(now, current)));
    if (wanted < current) return Math.max(wanted, minReplicas, Math.min(current, this.#downTo(now, current)));
    return wanted;
  }

  #upTo(now: number, current: number): number {
    const { selectPolicy, policies } = this.#spec.scaleUp;
    if (selectPolicy === 'Disabled') return current;
    const proposed = policies.map(({ type, value, periodSeconds }) => {
      const then = replicasThen(current, now, periodSeconds, this.#ups, this.#downs);
      // Rounded up, or a small share of few replicas would never be one.
      return type === 'Pods' ? then + value : Math.ceil(then * (1 + value / 100));
    });
    return selectPolicy === 'Min' ? Math.min(...proposed) : Math.max(...proposed);
  }

  #downTo(now: number, current: number): number {
    const { selectPolicy, policies } = this.#spec.scaleDown;
    if (selectPolicy === 'Disabled') return current;
    const proposed = policies.map(({ type, value, periodSeconds }) => {
      const then = replicasThen(current, now, periodSeconds, this.#ups, this.#downs);
      return type === 'Pods' ? then - value : Math.trunc(then * (1 - value / 100));
    });
    // The least change leaves most replicas.
    return selectPolicy === 'Min' ? Math.max(...proposed) : Math.min(...proposed);
  }
}
