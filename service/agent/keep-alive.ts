/** Milliseconds in the units of a duration as Go writes it. */
const units: Record<string, number> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  μs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};

const part = /(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)/g;
const whole = /^[+-]?(?:0|(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+)$/;

/** The longest that Ollama takes, in ms: what a Go duration holds. */
const longestMs = Number(2n ** 63n / 1_000_000n);

/**
 * Milliseconds for which a model stays after a request, from the JSON of its `keep_alive`, as Ollama reads it: a number
 * of seconds or a duration, and a negative one for ever. Undefined for null, and for what Ollama refuses.
 */
export function keepAliveMs(json: string): number | undefined {
  const value: unknown = JSON.parse(json);
  if (typeof value === 'number') return ofSeconds(value);
  if (typeof value !== 'string' || !whole.test(value)) return undefined;
  let sum = 0;
  for (const [, number, unit] of value.matchAll(part)) sum += Number(number) * units[unit!]!;
  if (sum > longestMs) return undefined;
  return value.startsWith('-') && sum > 0 ? Number.POSITIVE_INFINITY : sum;
}

/** Ollama cuts fractions off, and multiplies without looking whether the product is too large to hold. */
function ofSeconds(seconds: number): number | undefined {
  if (!Number.isFinite(seconds)) return undefined;
  if (seconds < 0) return Number.POSITIVE_INFINITY;
  const nanoseconds = BigInt.asIntN(64, BigInt(Math.trunc(seconds)) * 1_000_000_000n);
  return Math.max(0, Number(nanoseconds) / 1e6);
}
