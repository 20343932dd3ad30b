import { describe, expect, it } from 'vitest';
import { closingLine, tally, total } from './tally.ts';

describe('the closing line', () => {
  it('leaves skipped tests out when there are none', () => {
    expect(closingLine({ ...tally(), passed: 3 })).toBe('3 passed, 0 failed');
  });

  it('names skipped tests when there are any', () => {
    expect(closingLine({ ...tally(), passed: 3, failed: 1, skipped: 2 })).toBe('3 passed, 1 failed, 2 skipped');
  });

  it('adds up the projects, and keeps what failed', () => {
    const all = total([{ ...tally(), passed: 2, skipped: 1 }, tally('unit: broken')]);
    expect(all).toEqual({ passed: 2, failed: 1, skipped: 1, failures: ['unit: broken'] });
  });

  it('counts a run without any test as failed', () => {
    expect(closingLine(total([tally(), tally()]))).toBe('0 passed, 1 failed');
  });
});
