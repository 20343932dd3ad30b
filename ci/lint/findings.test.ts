import { describe, expect, it } from 'vitest';
import { answered } from './findings.ts';
import type { Waiver } from './waivers.ts';

const finding = { environment: 'staging', rule: 'R1', what: 'has a hole', object: 'Deployment gateway' };
const waiver: Waiver = { scanner: 'checkov', rule: 'R1', objects: /^Deployment gateway$/, why: 'of a reason' };
const today = new Date('2027-03-04T12:00:00Z');

describe('findings', () => {
  it('are told of when no waiver answers them', () => {
    const line = 'staging: Deployment gateway: has a hole (R1): mend it, or say in ci/lint/waivers.ts why not';
    expect(answered([finding], [], today)).toEqual([line]);
    expect(answered([finding], [waiver], today)).toEqual([]);
    const other = { ...finding, object: 'Deployment gateway-2' };
    expect(answered([finding, other], [waiver], today)).toEqual([line.replace('gateway:', 'gateway-2:')]);
  });

  it('are told of again after the last day of their waiver', () => {
    const until = (day: string) => answered([finding], [{ ...waiver, until: day }], today);
    expect(until('2027-03-04')).toEqual([]);
    expect(until('2027-03-03')).toEqual(['ci/lint/waivers.ts: R1: is over since 2027-03-03: mend what it is about']);
  });

  it('have no waivers that answer nothing', () => {
    expect(answered([], [waiver], today)).toEqual([
      'ci/lint/waivers.ts: R1: answers no finding: remove it, or correct its objects',
    ]);
  });

  it.each([
    [undefined, false],
    ['2027-06-02', true],
    ['2027-06-03', false],
  ])('of a vulnerability have waivers with an end within 90 days: %s', (until, good) => {
    const rule = 'GHSA-aaaa-bbbb-cccc';
    const found = { ...finding, rule };
    const mistake = `ci/lint/waivers.ts: ${rule}: is a vulnerability: say until when, 2027-06-02 at the latest`;
    expect(answered([found], [{ ...waiver, rule, ...(until && { until }) }], today)).toEqual(good ? [] : [mistake]);
  });
});
