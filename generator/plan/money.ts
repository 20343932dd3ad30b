import type { Range } from './purchase.ts';

/** US dollars without more digits than they are good for: three. */
export function usd(amount: number): string {
  const digits = Math.max(0, Math.floor(Math.log10(Math.max(1, Math.abs(amount)))) - 2);
  const rounded = Math.round(amount / 10 ** digits) * 10 ** digits;
  return rounded.toLocaleString('en');
}

/** A range of US dollars: `$1,480 – 1,770`, or `$3,720` where both ends are the same. */
export function money({ low, high }: Range): string {
  return usd(low) === usd(high) ? `$${usd(low)}` : `$${usd(low)} – ${usd(high)}`;
}
