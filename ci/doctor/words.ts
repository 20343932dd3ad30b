/** `a`, `a and b`, `a, b and c`; from `most` on the rest is counted. */
export function listed(names: readonly string[], most = 4): string {
  const shown = names.length > most ? [...names.slice(0, most - 1), `${names.length - most + 1} more`] : [...names];
  const last = shown.pop() ?? 'none';
  return shown.length === 0 ? last : `${shown.join(', ')} and ${last}`;
}

/** `1 pod`, `3 pods`. */
export const counted = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`;

/** `45 s`, `12 min`, `5 h`, `3 days`: from a number of milliseconds. */
export function ago(milliseconds: number): string {
  const seconds = Math.max(0, Math.round(milliseconds / 1000));
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86_400)} days`;
}

/** Bytes as values and `kubectl top` write them: `512Mi`, `1.5Gi`. */
export function bytes(count: number): string {
  if (count < 2 ** 30) return `${Math.round(count / 2 ** 20)}Mi`;
  return `${Number((count / 2 ** 30).toFixed(count < 10 * 2 ** 30 ? 1 : 0))}Gi`;
}

/** Text of others on one line, and not longer than a screen's worth. */
export function oneLine(text: string, most = 400): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: what others write must not steer the terminal
  const plain = text.replaceAll(/[\x00-\x1f\x7f-\x9f]+/g, ' ').trim();
  const line = plain.replaceAll(/(sha256[:-][0-9a-f]{8})[0-9a-f]{56}/g, '$1…');
  return line.length > most ? `${line.slice(0, most - 1)}…` : line;
}

/** A share as `85%`. */
export const percent = (share: number): string => `${Math.round(share * 100)}%`;
