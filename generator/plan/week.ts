import { minutesOfWeek, spansOf } from '../schedules.ts';
import { type Release, type Workload, withFewest } from './workload.ts';

/** Hours of a week in which the same fewest pods of each workload are asked for. */
export interface Stretch {
  hours: number;
  /** The workloads with their fewest pods at that time. */
  workloads: Workload[];
}

/** So many different stretches are planned one by one. */
const most = 6;

/**
 * The week outside of its busy hours, by what the windows of schedules ask for. Busy hours come out of those for which most pods are scheduled.
 * Where windows make more than a few different stretches, the rest counts as if it had none.
 */
export function quietWeek({ workloads }: Release, busyHours: number): Stretch[] {
  const spans = workloads.map(({ schedule }) =>
    Object.values(schedule).flatMap((window) => spansOf(window).map((span) => ({ span, min: window.min }))),
  );
  const bounds = [...new Set([0, minutesOfWeek, ...spans.flat().flatMap(({ span }) => span)])].sort((a, b) => a - b);
  const stretches = new Map<string, { minutes: number; fewest: number[] }>();
  for (const [index, from] of bounds.slice(0, -1).entries()) {
    const fewest = workloads.map((workload, at) => {
      const now = spans[at]!.find(({ span }) => span[0] <= from && from < span[1]);
      return now ? leastOf(workload, now.min) : workload.pods.min;
    });
    const key = fewest.join();
    const before = stretches.get(key)?.minutes ?? 0;
    stretches.set(key, { minutes: before + bounds[index + 1]! - from, fewest });
  }
  const sum = (pods: number[]) => pods.reduce((all, one) => all + one, 0);
  let busy = busyHours * 60;
  const quiet = [...stretches.values()]
    .sort((a, b) => sum(b.fewest) - sum(a.fewest))
    .map(({ minutes, fewest }) => {
      const taken = Math.min(busy, minutes);
      busy -= taken;
      return { minutes: minutes - taken, fewest };
    })
    .sort((a, b) => b.minutes - a.minutes);
  const rest = sum(quiet.slice(most).map(({ minutes }) => minutes));
  return [
    ...quiet.slice(0, most).map(({ minutes, fewest }) => ({
      hours: minutes / 60,
      workloads: workloads.map((workload, at) => withFewest(workload, fewest[at]!)),
    })),
    { hours: rest / 60, workloads },
  ].filter(({ hours }) => hours > 0);
}

/** Beside pods that stay on demand an autoscaler keeps one. */
const leastOf = ({ onDemand, pods }: Workload, min: number) =>
  onDemand.min > 0 && onDemand.min < pods.min ? Math.max(min, onDemand.min + 1) : min;
