import type { Day, ScheduleWindow } from '../../schema/autoscaling.ts';
import type { ScheduledPods } from '../../schema/config.ts';

const days: readonly Day[] = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'];

/** Making one takes a thousand times as long as using it. */
const clocks = new Map<string, Intl.DateTimeFormat>();

/** Throws a RangeError where there is no such zone. */
function clockOf(timeZone: string): Intl.DateTimeFormat {
  let clock = clocks.get(timeZone);
  if (!clock) {
    const parts = { weekday: 'short', hour: '2-digit', minute: '2-digit', hourCycle: 'h23' } as const;
    clock = new Intl.DateTimeFormat('en-US', { timeZone, ...parts });
    clocks.set(timeZone, clock);
  }
  return clock;
}

export function isTimeZone(name: string): boolean {
  try {
    clockOf(name);
    return true;
  } catch {
    return false;
  }
}

/**
 * Fewest pods at a moment. Windows go by what the clocks on the wall show: where these are put forward over the begin of a
 * window, it begins right then, and an hour that comes twice is in its window twice. Where windows overlap the most pods count.
 */
export function scheduledPods({ timeZone, windows, otherwise }: ScheduledPods, at: Date): number {
  const parts = Object.fromEntries(
    clockOf(timeZone)
      .formatToParts(at)
      .map(({ type, value }) => [type, value]),
  );
  const day = days.indexOf(parts.weekday!.toLowerCase() as Day);
  const minute = Number(parts.hour) * 60 + Number(parts.minute);
  const open = Object.values(windows).filter((window) => isWithin(window, day, minute));
  return open.length > 0 ? Math.max(...open.map(({ min }) => min)) : otherwise;
}

/** `day` is its number, `minute` that of the day. */
function isWithin({ days: begins, from, to }: ScheduleWindow, day: number, minute: number): boolean {
  const [start, end] = [minutesOf(from), minutesOf(to)];
  const begunOn = (number: number) => begins.includes(days[(number + days.length) % days.length]!);
  if (start < end) return begunOn(day) && start <= minute && minute < end;
  return (begunOn(day) && start <= minute) || (begunOn(day - 1) && minute < end);
}

const minutesOf = (time: string) => Number(time.slice(0, 2)) * 60 + Number(time.slice(3));
