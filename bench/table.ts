import type { Figure } from './measure.ts';

const plain = (value: number) => value.toLocaleString('en', { maximumFractionDigits: 3 });

/** Figures as text, in columns; where there is more than one run, with the lowest and the highest. */
export function table(figures: Figure[]): string {
  const rows = figures.map(({ what, value, unit, aim, met, runs = [] }) => [
    what,
    `${plain(value)}${unit && ` ${unit}`}`,
    runs.length > 1 ? `${plain(Math.min(...runs))} – ${plain(Math.max(...runs))}` : '',
    aim ?? '',
    aim === undefined ? '' : met ? 'met' : 'MISSED',
  ]);
  const all = [['FIGURE', 'VALUE', 'SPREAD', 'AIM', ''], ...rows];
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
