import { Forecaster } from '../../service/forecaster/forecaster.ts';
import { settingsOf } from '../../service/forecaster/server.ts';
import { Hpa, type HpaSpec } from './hpa.ts';
import type { Policy, Stage } from './play.ts';
import { referenceRidge } from './reference.ts';

/** Targets that a policy with one is swept over: those of the experiment. */
export const targets = Array.from({ length: 32 }, (_, index) => 0.4 + index * 0.025);
/** Quantiles that the headroom is swept over. */
export const quantiles = [0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.93, 0.95, 0.97, 0.98, 0.99, 1];
/** The registry's target, for which a silent forecast leaves the ground to reactive scaling. */
export const registryTarget = 0.7;

export const staticPeak =
  ({ peakReplicas }: Stage): Policy =>
  () =>
    peakReplicas;

/** As many as carry the demand of the bin that ended, each at its target. */
export const reactive = ({ demand, capacity }: Stage, target: number): Policy => {
  return (t) => demand[t]! / (capacity * target);
};

/** KubeAI's: the average of what is active over the last ten minutes ÷ target. */
export const kubeai = ({ demand, capacity }: Stage, target: number, binsInTenMinutes: number): Policy => {
  return (t) => {
    const last = demand.slice(Math.max(0, t + 1 - binsInTenMinutes), t + 1);
    return last.reduce((sum, value) => sum + value, 0) / last.length / (capacity * target);
  };
};

/** By how busy ready replicas are: busier than wholly they cannot be, so it sees nothing of what goes unserved. */
export const cpuStyle = ({ demand, capacity }: Stage, target: number): Policy => {
  return (t, { ready }) => Math.min(demand[t]! / capacity, ready) / target;
};

/** Knows what comes, and has the fewest replicas that serve all of it. */
export const foresight = ({ demand, capacity, delay }: Stage): Policy => {
  return (t) => Math.max(...demand.slice(t + 1, t + 2 + delay)) / capacity;
};

export function ridge(stage: Stage, target: number): Policy {
  const forecast = referenceRidge(stage.demand, stage.delay + 1);
  return (t) => forecast[t]! / (stage.capacity * target);
}

/** Ours: the forecast with its headroom, never below what there is at target 1; at the registry's target while it is silent. */
export function ours({ demand, capacity, delay }: Stage, binSeconds: number, quantile: number): Policy {
  const forecaster = new Forecaster(settingsOf({ binSeconds, quantile }, registryTarget, delay * binSeconds));
  const said = demand.map((value) => forecaster.push(value).demand);
  return (t) => Math.max(said[t] ?? demand[t]! / registryTarget, demand[t]!) / capacity;
}

/** The behaviour that a server's HPA has: at once and doubling on the way up, slow on the way down. */
export const behaviour = (stage: Stage): HpaSpec => ({
  minReplicas: 1,
  maxReplicas: 2 * stage.peakReplicas,
  tolerance: 0.1,
  scaleUp: {
    stabilizationWindowSeconds: 0,
    selectPolicy: 'Max',
    policies: [
      { type: 'Percent', value: 100, periodSeconds: 60 },
      { type: 'Pods', value: 2, periodSeconds: 60 },
    ],
  },
  scaleDown: {
    stabilizationWindowSeconds: 300,
    selectPolicy: 'Max',
    policies: [{ type: 'Percent', value: 100, periodSeconds: 60 }],
  },
});

/** What the HPA makes of a policy whose answer is its metric, looking once a bin. */
export function throughHpa(policy: Policy, spec: HpaSpec, binSeconds: number): Policy {
  const hpa = new Hpa(spec);
  // A start is asked about before the first bin is.
  let begun = false;
  return (t, fleet) => {
    const metric = policy(t, fleet);
    if (begun) return hpa.decide(t * binSeconds, fleet.ready + fleet.starting, [metric]);
    begun = true;
    return Math.max(metric, spec.minReplicas);
  };
}
