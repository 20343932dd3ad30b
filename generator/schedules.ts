import type { Day, Schedule, ScheduleWindow } from '../schema/autoscaling.ts';
import type { Serving } from './model.ts';

const days: readonly Day[] = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'];
const weekdays = days.slice(0, 5);
const minutesOfDay = 24 * 60;
/** Minutes of a week, as windows count them: from Monday on. */
export const minutesOfWeek = 7 * minutesOfDay;

/** Nights and weekends of an office, from 20:00 to 07:00, with so many pods at the least. */
export const offHours = (min: number): Schedule => ({
  evenings: { days: weekdays, from: '20:00', to: '24:00', min },
  mornings: { days: weekdays, from: '00:00', to: '07:00', min },
  weekends: { days: days.slice(5), from: '00:00', to: '24:00', min },
});

/** What is wrong with the windows of a model, each with what to do about it; empty where nothing is. */
export function scheduleMistakes({ schedule = {}, replicas }: Serving): [problem: string, fix: string][] {
  const mistakes: [string, string][] = [];
  const windows = Object.entries(schedule);
  for (const [name, { days, from, to, min }] of windows) {
    const say = (problem: string, fix: string) => mistakes.push([`schedule '${name}' ${problem}`, fix]);
    if (days.length === 0) say('has no days', 'name one, or remove the window');
    if (from === to) say(`begins and ends at ${from}`, "set another end, or '00:00' and '24:00' for whole days");
    if (min > replicas.max) say(`has min ${min}, above replicas.max ${replicas.max}`, 'raise max or lower min');
  }
  for (const [index, [name, window]] of windows.entries()) {
    for (const [other, second] of windows.slice(0, index)) {
      const spans = spansOf(second);
      const shared = spansOf(window).find(([from, to]) => spans.some((span) => from < span[1] && span[0] < to));
      if (!shared) continue;
      const day = days[Math.floor(shared[0] / minutesOfDay)];
      mistakes.push([`schedules '${other}' and '${name}' overlap on ${day}`, 'let one end before the other begins']);
    }
  }
  return mistakes;
}

/** When a window is, in minutes of the week from Monday on; one that goes on into the next week is in two pieces. */
export function spansOf({ days: begins, from, to }: ScheduleWindow): [from: number, to: number][] {
  const [start, end] = [minutesOf(from), minutesOf(to)];
  const length = end > start ? end - start : end + minutesOfDay - start;
  return begins.flatMap((day): [number, number][] => {
    const first = days.indexOf(day) * minutesOfDay + start;
    const last = first + length;
    return last <= minutesOfWeek
      ? [[first, last]]
      : [
          [first, minutesOfWeek],
          [0, last - minutesOfWeek],
        ];
  });
}

const minutesOf = (time: string) => Number(time.slice(0, 2)) * 60 + Number(time.slice(3));

/** Whether there is such a time zone, by the database that comes with Node. */
export function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return true;
  } catch {
    return false;
  }
}

/** The windows of several models on one server, if they are at the same times; undefined where they are not. */
export function jointSchedule(schedules: readonly (Schedule | undefined)[]): Schedule | undefined {
  const [first = {}, ...others] = schedules.map((schedule) => schedule ?? {});
  if (others.some((other) => timesOf(other) !== timesOf(first))) return undefined;
  const most = (name: string) => Math.max(...[first, ...others].map((schedule) => schedule[name]!.min));
  return Object.fromEntries(Object.entries(first).map(([name, window]) => [name, { ...window, min: most(name) }]));
}

const timesOf = (schedule: Schedule) =>
  JSON.stringify(Object.entries(schedule).map(([name, { days, from, to }]) => [name, days, from, to]));
