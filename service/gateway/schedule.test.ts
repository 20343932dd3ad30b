import { describe, expect, it } from 'vitest';
import type { ScheduleWindow } from '../../schema/autoscaling.ts';
import { isTimeZone, scheduledPods } from './schedule.ts';

const weekdays = ['mon', 'tue', 'wed', 'thu', 'fri'] as const;
const all = [...weekdays, 'sat', 'sun'] as const;
const window = (days: readonly ScheduleWindow['days'][number][], from: string, to: string, min: number) => ({
  ...{ days: [...days], from, to, min },
});

/** Fewest pods at moments in UTC, outside of all windows 1. */
const pods = (timeZone: string, windows: Record<string, ScheduleWindow>, ...moments: string[]) =>
  moments.map((at) => scheduledPods({ timeZone, windows, otherwise: 1 }, new Date(at)));

describe('a schedule', () => {
  const office = { office: window(weekdays, '08:00', '18:30', 4) };

  it('gives the pods of a window from its first minute to before its last, on its days alone', () => {
    const friday = ['07:59:59', '08:00:00', '18:29:59', '18:30:00'].map((time) => `2026-06-05T${time}Z`);
    expect(pods('UTC', office, ...friday, '2026-06-06T12:00:00Z')).toEqual([1, 4, 4, 1, 1]);
  });

  it('goes by the clocks of its zone, halves of hours too', () => {
    expect(pods('Asia/Kolkata', office, '2026-06-05T02:29:59Z', '2026-06-05T02:30:00Z')).toEqual([1, 4]);
    // Still Sunday in New York, Monday in UTC.
    expect(pods('America/New_York', office, '2026-06-08T03:59:00Z', '2026-06-08T12:00:00Z')).toEqual([1, 4]);
  });

  it('goes over midnight, and from Sunday into Monday', () => {
    const night = { night: window(['sun'], '22:00', '06:00', 0) };
    const moments = ['2026-06-07T21:59:00Z', '2026-06-07T22:00:00Z', '2026-06-08T05:59:00Z', '2026-06-08T06:00:00Z'];
    expect(pods('UTC', night, ...moments, '2026-06-07T05:00:00Z')).toEqual([1, 0, 0, 1, 1]);
  });

  it('has whole days', () => {
    const weekend = { weekend: window(['sat', 'sun'], '00:00', '24:00', 0) };
    const moments = ['2026-06-05T23:59:59Z', '2026-06-06T00:00:00Z', '2026-06-07T23:59:59Z', '2026-06-08T00:00:00Z'];
    expect(pods('UTC', weekend, ...moments)).toEqual([1, 0, 0, 1]);
  });

  it('begins a window at once when the clocks are put forward over its begin', () => {
    // In Berlin 01:59:59 is followed by 03:00:00.
    const early = { early: window(all, '02:30', '05:00', 3) };
    const moments = ['2026-03-29T00:59:59Z', '2026-03-29T01:00:00Z', '2026-03-29T02:59:59Z', '2026-03-29T03:00:00Z'];
    expect(pods('Europe/Berlin', early, ...moments)).toEqual([1, 3, 3, 1]);
    // A window within the hour that is not there does not come.
    expect(pods('Europe/Berlin', { gone: window(all, '02:15', '02:45', 3) }, ...moments)).toEqual([1, 1, 1, 1]);
  });

  it('has an hour that comes twice twice when the clocks are put back', () => {
    // In Berlin 02:59:59 is followed by 02:00:00.
    const late = { late: window(all, '02:30', '03:30', 3) };
    const halves = ['00:15', '00:45', '01:15', '01:45', '02:15', '02:45'].map((time) => `2026-10-25T${time}:00Z`);
    expect(pods('Europe/Berlin', late, ...halves)).toEqual([1, 3, 1, 3, 3, 1]);
  });

  it('begins at the same time on the wall before and after both changes', () => {
    const days = ['2026-03-27', '2026-03-30', '2026-10-23', '2026-10-26'];
    const begins = ['07:00', '06:00', '06:00', '07:00'];
    const before = days.map((day, index) => new Date(Date.parse(`${day}T${begins[index]}Z`) - 1).toISOString());
    const at = days.map((day, index) => `${day}T${begins[index]}Z`);
    expect(pods('Europe/Berlin', office, ...before)).toEqual([1, 1, 1, 1]);
    expect(pods('Europe/Berlin', office, ...at)).toEqual([4, 4, 4, 4]);
  });

  it('gives the most pods of windows that overlap', () => {
    const both = { a: window(all, '08:00', '12:00', 2), b: window(all, '10:00', '14:00', 5) };
    expect(pods('UTC', both, '2026-06-05T09:00Z', '2026-06-05T11:00Z', '2026-06-05T13:00Z')).toEqual([2, 5, 5]);
  });
});

it('knows the names of time zones, old ones too', () => {
  const known = ['UTC', 'Europe/Berlin', 'Asia/Calcutta', 'Asia/Kolkata', 'America/Argentina/Buenos_Aires'];
  expect([...known, 'Europe/Berlim', 'Mars/Base', ''].filter(isTimeZone)).toEqual(known);
});
