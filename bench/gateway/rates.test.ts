import { expect, it } from 'vitest';
import type { Seen } from './attack.ts';
import type { Candidate, CandidateName } from './candidates.ts';
import { compare } from './rates.ts';
import { turns } from './turns.ts';

const candidate = (name: CandidateName): Candidate => ({
  name,
  url: '',
  path: '',
  models: [],
  headers: {},
  jobs: [],
  async [Symbol.asyncDispose]() {},
});

const turnsOf = (p50s: number[], errors = 0) =>
  p50s.map((p50) => ({ seen: { p50, p99: 2 * p50, errors } as Seen, others: 0, cpu: [] }));

const results = new Map([
  [candidate('direct'), turnsOf([0.2, 5, 0.4])],
  [candidate('nginx'), turnsOf([0.3, 5.1, 0.5])],
  [candidate('gateway'), turnsOf([0.5, 5.2, 0.7], 1)],
  [candidate('agent'), turnsOf([1, 6, 1.2])],
]);
const figures = new Map(compare(500, results).map((figure) => [figure.what, figure]));
const of = (what: string) => figures.get(`500/s, ${what}`)!;

it('compares a candidate with direct requests of the same round, so that a busy moment counts for both', () => {
  expect(of('gateway: p50')).toMatchObject({ value: 0.7, runs: [0.5, 5.2, 0.7] });
  expect(of('gateway: added at p50')).toMatchObject({ value: 0.3, runs: [0.3, 0.2, 0.3], met: true });
  expect(of('nginx: added at p99')).toMatchObject({ value: 0.2 });
});

it('says how many times as much as another one a candidate adds', () => {
  expect(of('gateway: added at p50, in times of nginx')).toMatchObject({ value: 3, met: false });
  expect(of('gateway and agent: added at p50, in times of gateway')).toMatchObject({ value: 2.67, met: false });
  expect(of('gateway and agent: added at p50, in times of nginx')).toBeUndefined();
});

it('adds up the errors of all rounds', () => {
  expect(of('gateway: errors')).toMatchObject({ value: 3, met: false });
  expect(of('nginx: errors')).toMatchObject({ value: 0, met: true });
});

it('compares with nothing where there are no direct requests', () => {
  const alone = new Map([...results].filter(([{ name }]) => name === 'gateway'));
  expect(compare(500, alone).map(({ what }) => what)).toEqual([
    '500/s, gateway: p50',
    '500/s, gateway: p99',
    '500/s, gateway: errors',
  ]);
});

it('has each candidate begin a round in turn', () => {
  const order = [...turns(['a', 'b', 'c'], 4)].map(({ round, candidate }) => `${round}${candidate}`);
  expect(order).toEqual(['0a', '0b', '0c', '1b', '1c', '1a', '2c', '2a', '2b', '3a', '3b', '3c']);
});
