import { describe, expect, test } from 'vitest';
import { temporaryFolder } from '../../../ci/testing/project.ts';
import { runbookOf } from '../../../generator/monitoring/rules.ts';
import { type AlertCase, alertCases } from './alerts.ts';
import { type Expectation, type Labels, Rules, type RuleTest } from './promtool.ts';
import { quiet } from './quiet.ts';
import { atWork, constant, recorded, zeroes } from './recorded.ts';
import { scalingTests } from './scaling.ts';
import { slowCases } from './slow.ts';

const rules = await Rules.render();

const rounded = (record: string, minute: number, samples: [Labels, number][], more = ''): Expectation => ({
  minute,
  expr: `round(${record}{release="rel"}${more}, 0.001)`,
  samples,
});

const release = { namespace: 'ns', release: 'rel' };
const state = (one: AlertCase, alertstate: 'pending' | 'firing'): [Labels, number] => [
  { __name__: 'ALERTS', alertname: one.alert, alertstate, severity: one.severity, ...release, ...one.labels },
  1,
];
const states = (one: AlertCase, minute: number, which: string, samples: [Labels, number][]): Expectation => ({
  minute,
  expr: `ALERTS{alertname="${one.alert}",severity="${one.severity}",alertstate=~"${which}"}`,
  samples,
});

/** All that fires at a minute, by names. */
const names = (minute: number, alerts: string[]): Expectation => ({
  minute,
  expr: 'group by (alertname) (ALERTS{alertstate="firing"})',
  samples: [...new Set(alerts)].map((alertname) => [{ alertname }, 1]),
});

/** Pending, firing and resolved, in words and with nothing else beside it; and quiet where it is just below. */
function testsOf(one: AlertCase): RuleTest[] {
  const { alert, severity, firing, pending, resolved, labels, summary, description, beside = [], every } = one;
  const annotations = {
    summary,
    description,
    runbook_url: `https://runbooks.example.com/${runbookOf(alert)}.md`,
  };
  const told = {
    minute: firing,
    alert,
    labels: { severity, ...release, ...labels },
    annotations,
  };
  const base = one.alone ? {} : quiet;
  return [
    {
      name: `${alert} ${severity} ${Object.values(labels).join()} fires`,
      series: { ...base, ...one.series },
      expect: [
        ...(pending === undefined ? [] : [states(one, pending, 'pending', [state(one, 'pending')])]),
        states(one, firing, 'firing', [state(one, 'firing')]),
        names(firing, [alert, ...beside]),
        states(one, resolved, '.*', []),
      ],
      // An alert of two severities has two sets of words at a time, which the other's case tells apart.
      words: beside.includes(alert) ? [] : [told],
      ...(every && { every }),
    },
    {
      name: `${alert} ${severity} ${Object.values(labels).join()} stays quiet`,
      series: { ...base, ...one.near },
      expect: [firing, resolved].map((minute) => states(one, minute, '.*', [])),
      ...(every && { every }),
    },
  ];
}

const recordings: RuleTest = {
  name: 'recorded',
  series: atWork,
  expect: Object.entries(recorded).map(([record, samples]) =>
    rounded(record, 60, samples, zeroes.test(record) ? ' > 0' : ''),
  ),
};
const constants: RuleTest = {
  name: 'constants',
  series: {},
  expect: Object.entries(constant).map(([record, samples]) => rounded(record, 5, samples)),
};
const well: RuleTest = {
  name: 'well',
  series: quiet,
  expect: [5, 30, 60, 119].map((minute) => ({ minute, expr: 'ALERTS', samples: [] })),
};
const cases = [...alertCases, ...slowCases].map((one) => ({ one, tests: testsOf(one) }));

describe('the rules', async () => {
  await using folder = await temporaryFolder();
  const checked = await rules.check(folder.path);
  const failures = await rules.test(folder.path, [
    ...[recordings, constants, well],
    ...Object.values(scalingTests),
    ...cases.flatMap(({ tests }) => tests),
  ]);

  test('are sound to promtool, as the chart renders them', () => {
    const { status, stdout, stderr } = checked;
    expect({ status, said: `${stdout}${stderr}` }).toEqual({ status: 0, said: expect.stringContaining('SUCCESS') });
  });

  test('record of a fleet at work what they say', () => {
    expect(failures.get('recorded')).toEqual([]);
  });

  test('make constants of the values', () => {
    expect(failures.get('constants')).toEqual([]);
  });

  test.each(Object.entries(scalingTests))('%s', (_, { name }) => {
    expect(failures.get(name)).toEqual([]);
  });

  test('let no alert fire or wait in a fleet that is well', () => {
    expect(failures.get('well')).toEqual([]);
  });

  test.each(cases.map(({ one, tests }) => [`${one.alert} (${one.severity})`, tests] as const))(
    '%s fires when it should, says why, resolves, and stays quiet just below',
    (_, tests) => {
      expect(tests.map(({ name }) => failures.get(name))).toEqual([[], []]);
    },
  );

  test('have a test each', () => {
    const recorders = rules.rules.flatMap(({ record }) => record ?? []);
    expect([...new Set(recorders)].toSorted()).toEqual([...Object.keys(recorded), ...Object.keys(constant)].toSorted());
    const alerts = rules.rules.flatMap(({ alert, labels }) => (alert ? `${alert} ${labels!.severity}` : []));
    const tried = cases.map(({ one }) => `${one.alert} ${one.severity}`);
    expect([...new Set(tried)].toSorted()).toEqual(alerts.toSorted());
  });
});
