/** Text of Prometheus' exposition format, as far as it is looked at here. */

/** Lines that are samples: each is a series of its own. */
export const samplesOf = (text: string): string[] => text.split('\n').filter((line) => line !== '' && line[0] !== '#');

/** The same text with other values of labels, where they are the ones given: `renamed(text, { model: ['a', 'b'] })`. */
export function renamed(text: string, labels: Record<string, [from: string, to: string]>): string {
  return Object.entries(labels).reduce(
    (all, [label, [from, to]]) => all.replaceAll(`${label}="${from}"`, `${label}="${to}"`),
    text,
  );
}

/** A sample as it is written. */
export function sample(metric: string, labels: Record<string, string>, value: number): string {
  const pairs = Object.entries(labels).map(([name, of]) => `${name}="${of}"`);
  return `${metric}{${pairs.join(',')}} ${value}`;
}
