import type { Fit } from './fit.ts';
import { money } from './money.ts';
import { type Plan, sizes } from './plan.ts';
import { purchases } from './purchase.ts';
import { nodesInWords, type Section } from './report.ts';

interface Side {
  fit: Fit[];
  plan: Plan;
}

/** What a change does to fit, nodes and cost: rows for what differs, and a word where nothing does. */
export function differenceSection(changes: string[], before: Side, after: Side): Section {
  const fitRows = after.fit.flatMap((now) => {
    const old = before.fit.find(({ server }) => server === now.server);
    const words = (fit: Fit | undefined) =>
      fit
        ? `${fit.needGiB.toFixed(1)} of ${fit.haveGiB.toFixed(1)} GiB of ${fit.on}: ${fit.problem ? 'DOES NOT FIT' : 'fits'}`
        : '–';
    return words(old) === words(now) ? [] : [[`fit of ${now.server}`, words(old), words(now)]];
  });
  const nodeRows = (['minimum', 'maximum'] as const).map((size) => [
    `nodes, ${size}`,
    nodesInWords(before.plan.nodes.onDemand[size].nodes),
    nodesInWords(after.plan.nodes.onDemand[size].nodes),
  ]);
  const costRows = purchases.flatMap((purchase) =>
    sizes.map((size) => [
      `a month, ${purchase === 'onDemand' ? 'on demand' : purchase}, ${size}`,
      money(before.plan.bills[purchase][size].total),
      money(after.plan.bills[purchase][size].total),
    ]),
  );
  const differing = [...nodeRows, ...costRows].filter(([, old, now]) => old !== now);
  const problems = after.fit.flatMap(({ problem }) => problem ?? []);
  return {
    title: `What if ${changes.join(', ')}`,
    rows: [['', 'now', 'then'], ...fitRows, ...differing],
    notes: [...problems, ...(differing.length === 0 ? ['Nodes and cost stay as they are.'] : [])],
  };
}
