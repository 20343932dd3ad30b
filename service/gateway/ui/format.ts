/** How numbers are written: in few digits, with their unit, and as a dash where there is none. */

export const none = '–';

const trimmed = (value: number, digits: number) => value.toFixed(digits).replace(/\.?0+$/, '');

/** A number of which two digits say enough: 0.02, 0.4, 3.1, 42, 1,234. */
export function number(value: number | undefined): string {
  if (value === undefined) return none;
  if (value === 0) return '0';
  if (value < 0.01) return '<0.01';
  if (value < 1) return trimmed(value, 2);
  if (value < 10) return trimmed(value, 1);
  return Math.round(value).toLocaleString('en');
}

/** A time in seconds. */
export function seconds(value: number | undefined): string {
  if (value === undefined) return none;
  if (value < 0.001) return '<1 ms';
  if (value < 0.9995) return `${Math.round(value * 1000)} ms`;
  if (value < 9.95) return `${value.toFixed(1)} s`;
  if (value < 99.5) return `${Math.round(value)} s`;
  if (value < 5970) return `${Math.round(value / 60)} min`;
  return `${trimmed(value / 3600, 1)} h`;
}

/** Bytes in decimal units, as models' sizes are told: 4.9 GB. */
export function bytes(value: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let unit = 0;
  let rest = value;
  for (; rest >= 999.5 && unit < units.length - 1; unit++) rest /= 1000;
  return `${unit === 0 || rest >= 99.5 ? Math.round(rest) : rest.toFixed(1)} ${units[unit]}`;
}

/** US dollars. */
export const dollars = (value: number): string =>
  `$${value.toLocaleString('en', { minimumFractionDigits: value < 100 ? 2 : 0, maximumFractionDigits: value < 100 ? 2 : 0 })}`;

/** A share from 0 to 1 in whole percent, which is 100 only where it is all. */
export const percent = (share: number): string => `${share >= 1 ? 100 : Math.min(99, Math.round(share * 100))} %`;

/** Time of day at the visitor's place. */
export const clock = (date: number, withSeconds = true): string =>
  new Date(date).toLocaleTimeString('en-GB', {
    hour: '2-digit',
    minute: '2-digit',
    ...(withSeconds && { second: '2-digit' }),
  });

/** `1 pod`, `2 pods`. */
export const count = (number: number, noun: string): string =>
  `${number.toLocaleString('en')} ${noun}${number === 1 ? '' : 's'}`;
