import { describe, expect, it } from 'vitest';
import { Metrics } from '../doctor/metrics.ts';
import { answers, packed, since, unpacked, verdict, withoutUnknown } from './verdict.ts';

const requests = (ok: number, failed: number, status = '5xx') =>
  `model_request_total{model="a",status="2xx"} ${ok}\nmodel_request_total{model="a",status="${status}"} ${failed}\n`;

/** First words of 100 answers, all of them within so many seconds. */
const words = (seconds: number, count = 100) =>
  [1, 2.5, 5, 10]
    .map((le) => `model_time_to_first_token_seconds_bucket{model="a",le="${le}"} ${le >= seconds ? count : 0}\n`)
    .join('') +
  `model_time_to_first_token_seconds_bucket{model="a",le="+Inf"} ${count}\nmodel_time_to_first_token_seconds_count{model="a"} ${count}\n`;

const of = (text: string) => Metrics.parse(text);

describe('the verdict', () => {
  it.each([
    ['all fail', requests(0, 3), requests(100, 0), true],
    ['two fail, which may be chance', requests(0, 2), requests(100, 0), false],
    ['clients are refused that were not', requests(90, 10, '4xx'), requests(100, 0), true],
    ['as many fail as before', requests(90, 10), requests(900, 100), false],
    ['a few more fail', requests(980, 20), requests(1000, 0), false],
    ['nobody asks', '', requests(100, 0), false],
    ['nothing is known of before', requests(90, 10), '', true],
    ['first words take much longer', words(10), words(2.5), true],
    ['first words take a bit longer', words(5), words(2.5), false],
    ['few first words take much longer', words(10, 10), words(1), false],
  ])('when %s', (_, now, before, isBad) => {
    expect(verdict(of(now), of(before)) !== undefined).toBe(isBad);
  });
});

it('counts what pods have done since, and all of a pod that is new or has started anew', () => {
  const before = new Map([
    ['old', of(requests(10, 1))],
    ['anew', of(requests(50, 0))],
  ]);
  const now = new Map([
    ['old', of(requests(15, 1))],
    ['anew', of(requests(4, 0))],
    ['new', of(requests(2, 2))],
  ]);
  expect(answers(since(now, before))).toEqual({ all: 5 + 4 + 4, failed: 2 });
});

it('leaves out requests for models that are not there, where a model was taken away', () => {
  const all = of(`${requests(5, 0)}model_request_total{model="unknown",status="4xx"} 9\n`);
  expect([answers(all), answers(withoutUnknown(all))]).toEqual([
    { all: 14, failed: 9 },
    { all: 5, failed: 0 },
  ]);
});

it('keeps what verdicts are made of in a short text, of all pods together', () => {
  const one = `${requests(900, 10)}${words(2.5)}other_total{model="a"} 7\n`;
  const all = since(new Map(['x', 'y'].map((pod) => [pod, of(one)])), new Map());
  const text = packed(all);
  expect(text.length).toBeLessThan(400);
  const back = unpacked(text);
  expect(answers(back)).toEqual(answers(all));
  const first = 'model_time_to_first_token_seconds';
  expect(back.quantile(first, 0.95, { model: 'a' })).toEqual(all.quantile(first, 0.95, { model: 'a' }));
  expect([back.sum('other_total'), all.sum('other_total')]).toEqual([0, 14]);
});
