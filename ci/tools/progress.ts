/** Progress is for people: it goes to stderr, so that a command's own output can be piped. */
export function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

/** Whole seconds, and minutes from 2 minutes on: `45 s`, `3 min 20 s`. */
export function duration(milliseconds: number): string {
  const seconds = Math.round(milliseconds / 1000);
  if (seconds < 120) return `${seconds} s`;
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

/** Says `describe(elapsed)` every 20 s until `work` is done, so that a long step is never silent. */
export async function withProgress<T>(work: Promise<T>, describe: (elapsed: string) => string): Promise<T> {
  const start = performance.now();
  const timer = setInterval(() => say(describe(duration(performance.now() - start))), 20_000);
  try {
    return await work;
  } finally {
    clearInterval(timer);
  }
}
