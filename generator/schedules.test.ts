import { describe, expect, it } from 'vitest';
import { model, registryOf } from '../ci/testing/registry.ts';
import type { ScheduleWindow } from '../schema/autoscaling.ts';
import { registryMistakes } from './checks.ts';
import { fleetOf } from './fleet.ts';
import { outputsOf } from './outputs.ts';
import { loadRegistry } from './registry.ts';
import { isTimeZone, offHours } from './schedules.ts';
import { valuesOf } from './values.ts';

const night: ScheduleWindow = { days: ['mon'], from: '20:00', to: '07:00', min: 1 };
const mistakesOf = (schedule: Record<string, ScheduleWindow>) =>
  registryMistakes(registryOf({ tiny: model({}, { replicas: { min: 2, max: 4 }, schedule }) }));
const line = (rest: string) => [`generator/registry/tiny.ts: model 'tiny': ${rest}`];

describe('a schedule', () => {
  it.each([
    ['no days', { night: { ...night, days: [] } }, "schedule 'night' has no days: name one, or remove the window"],
    [
      'an end that is its begin',
      { night: { ...night, to: '20:00' } },
      "schedule 'night' begins and ends at 20:00: set another end, or '00:00' and '24:00' for whole days",
    ],
    [
      'more pods than there may be',
      { night: { ...night, min: 5 } },
      "schedule 'night' has min 5, above replicas.max 4: raise max or lower min",
    ],
    [
      'a window that begins before another ends',
      { night, rest: { ...night, days: ['tue'], from: '06:59', to: '09:00' } },
      "schedules 'night' and 'rest' overlap on tue: let one end before the other begins",
    ],
    [
      'windows that overlap between Sunday and Monday',
      { end: { ...night, days: ['sun'] }, start: { ...night, from: '06:30', to: '09:00' } },
      "schedules 'end' and 'start' overlap on mon: let one end before the other begins",
    ],
  ] as const)('is refused with %s', (_, schedule, rest) => {
    expect(mistakesOf(structuredClone(schedule) as unknown as Record<string, ScheduleWindow>)).toEqual(line(rest));
  });

  it.each([
    ['a whole day', { day: { ...night, from: '00:00', to: '24:00' } }],
    ['as many pods as there may be', { night: { ...night, min: 4 } }],
    [
      'a window that begins when another ends',
      { night, rest: { ...night, days: ['tue'], from: '07:00', to: '09:00' } },
    ],
    [
      'windows that meet between Sunday and Monday',
      { end: { ...night, days: ['sun'] }, start: { ...night, from: '07:00', to: '09:00' } },
    ],
    ['nights and weekends', offHours(1)],
  ])('passes with %s', (_, schedule) => {
    expect(mistakesOf(schedule as Record<string, ScheduleWindow>)).toEqual([]);
  });

  it('comes into the values of its server', () => {
    const { servers } = valuesOf(registryOf({ tiny: model({}, { schedule: { night } }) }));
    expect(servers['ollama-tiny']!.autoscaling!.schedule).toEqual({ night });
  });

  it('has on a packed server the most pods of its models', () => {
    const models = {
      a: model({ name: 'a' }, { schedule: { night } }),
      b: model({ name: 'b' }, { schedule: { night: { ...night, min: 2 } } }),
    };
    const [server] = fleetOf(registryOf(models, { pack: ['a', 'b'] }));
    expect(server!.serving.schedule).toEqual({ night: { ...night, min: 2 } });
  });

  it('is refused on a packed server whose models have others', () => {
    const models = { a: model({ name: 'a' }, { schedule: { night } }), b: model({ name: 'b' }) };
    expect(registryMistakes(registryOf(models, { pack: ['a', 'b'] }))).toEqual([
      "generator/packs.ts: server 'pack': its models have schedules of different times: give all of them the same windows",
    ]);
  });
});

it('knows the names of time zones', () => {
  expect(['UTC', 'America/New_York', 'Europe/Berlim'].filter(isTimeZone)).toEqual(['UTC', 'America/New_York']);
});

it('refuses an environment with a time zone that there is not', async () => {
  const outputs = async (timeZone: string) =>
    outputsOf(await loadRegistry(), { test: { purpose: 'a test', values: { autoscaling: { timeZone } } } });
  await expect(outputs('Europe/Berlim')).rejects.toThrow(
    "environments/test/values.yaml: autoscaling.timeZone: there is no time zone 'Europe/Berlim': name one as 'Europe/Berlin'",
  );
  expect((await outputs('Europe/Berlin')).map(({ file }) => file)).toContain('environments/test/values.yaml');
});

describe('the pace of a server', () => {
  const paceOf = (serving: Parameters<typeof model>[1]) =>
    valuesOf(registryOf({ tiny: model({}, serving) })).servers['ollama-tiny']!.autoscaling;

  it('keeps pods with GPUs for longer, and is that of all others without', () => {
    expect(paceOf({ gpu: { type: 'L4', count: 1 } })).toEqual({ behavior: { scaleDown: { windowSeconds: 600 } } });
    expect(paceOf({})).toBeUndefined();
  });

  it('is what the registry says, beside what it leaves unsaid', () => {
    const server = { autoscaling: { targetUtilizationPercent: 50, behavior: { scaleDown: { percent: 10 } } } };
    expect(paceOf({ gpu: { type: 'L4', count: 1 }, server })).toEqual({
      targetUtilizationPercent: 50,
      behavior: { scaleDown: { windowSeconds: 600, percent: 10 } },
    });
  });
});
