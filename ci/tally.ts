/** What came of one project's tests. */
export interface Tally {
  passed: number;
  failed: number;
  skipped: number;
  /** What failed, a line each. */
  failures: string[];
}

/** Nothing run, or the one failure that has no test to its name. */
export function tally(failure?: string): Tally {
  return { passed: 0, failed: failure ? 1 : 0, skipped: 0, failures: failure ? [failure] : [] };
}

/** All of them together. A run without a single test is a failed one: it shows nothing. */
export function total(tallies: Tally[]): Tally {
  const all = tally();
  for (const { passed, failed, skipped, failures } of tallies) {
    all.passed += passed;
    all.failed += failed;
    all.skipped += skipped;
    all.failures.push(...failures);
  }
  return all.passed + all.failed > 0 ? all : tally('no test ran');
}

/** The last line of `npm test`: skipped tests are named only when there are any. */
export function closingLine({ passed, failed, skipped }: Tally): string {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`;
}
