import { readFileSync } from 'node:fs';
import path from 'node:path';
import { parse } from 'yaml';
import { type AlertCase, alertCases } from '../../charts/tests/rules/alerts.ts';
import { Rules, type RuleTest } from '../../charts/tests/rules/promtool.ts';
import { quiet } from '../../charts/tests/rules/quiet.ts';
import { slowCases } from '../../charts/tests/rules/slow.ts';
import { temporaryFolder } from '../../ci/testing/project.ts';
import { root } from '../../ci/tools/paths.ts';
import { say } from '../../ci/tools/progress.ts';
import type { Figure } from '../measure.ts';

/** Alertmanager's waits before it tells of a group of alerts for the first time, in seconds, as in the example of docs/. */
function groupWaits(): Record<AlertCase['severity'], number> {
  const { route } = parse(readFileSync(path.join(root, 'docs/alertmanager.yaml'), 'utf8'));
  const seconds = (text: string) => Number(/^(\d+)s$/.exec(text)![1]);
  const pager = route.routes.find(({ receiver }: { receiver: string }) => receiver === 'pager');
  return { critical: seconds(pager.group_wait), warning: seconds(route.group_wait) };
}

const nameOf = ({ alert, severity, labels }: AlertCase) => `${alert} ${severity} ${Object.values(labels).join()}`;

/** Minutes at which an alert may be looked at: those from its fault to where it is known to fire. */
function minutesOf({ since = 20, firing, every }: AlertCase): number[] {
  const step = every?.evaluation ?? 1;
  return Array.from({ length: (firing - since) / step + 1 }, (_, index) => since + index * step);
}

/**
 * From a fault to the message about it, for every alert: the real rules, at their own times, over the faults that their tests
 * are about, with a sample and an evaluation each minute; and what Alertmanager waits then.
 */
export async function timesToPage(): Promise<Figure[]> {
  say('bench: from fault to page');
  const rules = await Rules.render();
  await using folder = await temporaryFolder();
  const cases = [...alertCases, ...slowCases];
  const tests = cases.map((one): RuleTest => {
    const { alert, severity, series, alone, every } = one;
    return {
      name: nameOf(one),
      series: { ...(alone ? {} : quiet), ...series },
      // Promtool tells of those minutes at which it is otherwise.
      expect: minutesOf(one).map((minute) => ({
        minute,
        expr: `count(ALERTS{alertname="${alert}",severity="${severity}",alertstate="firing"}) > bool 0`,
        samples: [[{}, 1]],
      })),
      ...(every && { every }),
    };
  });
  const failures = await rules.test(folder.path, tests);
  const waits = groupWaits();
  return cases.map((one) => {
    const quietAt = new Set(failures.get(nameOf(one))!.map(minuteOf));
    const fires = minutesOf(one).find((minute) => !quietAt.has(minute));
    if (fires === undefined) throw new Error(`${one.alert}: does not fire by minute ${one.firing}`);
    const minutes = fires - (one.since ?? 20) + waits[one.severity] / 60;
    return {
      what: `from fault to ${one.severity === 'critical' ? 'page' : 'message'}: ${nameOf(one).replace(/ $/, '')}`,
      value: Number(minutes.toFixed(1)),
      unit: 'min',
    };
  });
}

/** The minute that a failure of promtool is about, as in `time: 1d2h3m`. */
export function minuteOf(failure: string): number {
  const [, days = '0', hours = '0', minutes = '0'] = /time: (?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?/.exec(failure)!;
  return (Number(days) * 24 + Number(hours)) * 60 + Number(minutes);
}
