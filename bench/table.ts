import type { Figure } from './measure.ts';

/** Figures as text, in columns. */
export function table(figures: Figure[]): string {
  const rows = figures.map(({ what, value, unit, aim, met }) => [
    what,
    `${value.toLocaleString('en', { maximumFractionDigits: 3 })}${unit && ` ${unit}`}`,
    aim ?? '',
    aim === undefined ? '' : met ? 'met' : 'MISSED',
  ]);
  const all = [['FIGURE', 'VALUE', 'AIM', ''], ...rows];
  const widths = all[0]!.map((_, column) => Math.max(...all.map((row) => row[column]!.length)));
  return all
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column]!))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
