import { ExpectedRate } from './expected-rate.ts';
import type { Policy } from './play.ts';
import { daySeconds } from './requests.ts';

const minute = 60;
const hour = 60 * minute;

/** Each model stays for as long after every request. */
export const plain =
  (seconds: number): Policy =>
  () =>
  () => [[0, seconds]];

/** A model stays as long as it is expected to be asked so often, in requests a second. */
export const byExpectedRate =
  (rate: number): Policy =>
  (times) => {
    const expected = new ExpectedRate();
    return (index) => {
      expected.asked(times[index]!);
      return [[0, expected.keepSeconds(rate, 14 * daySeconds)]];
    };
  };

const [head, tail, margin] = [0.05, 0.99, 0.1];
/** Below this the histogram looks the same everywhere, and says nothing. */
const leastVariation = 2;

/**
 * The hybrid histogram policy of Shahrad et al., "Serverless in the Wild" (2020), without its forecasts of time series: a model is
 * unloaded at once, loaded again before most of its requests came so far, and kept until nearly all had come. Where their times
 * say nothing, or are mostly longer than the histogram, it stays for all of that.
 */
export const byHistogram =
  (rangeSeconds: number): Policy =>
  (times) => {
    const bins = new Array<number>(Math.ceil(rangeSeconds / minute)).fill(0);
    let [inside, outside, squares] = [0, 0, 0];
    return (index) => {
      const gap = index > 0 ? times[index]! - times[index - 1]! : undefined;
      const bin = gap === undefined ? 0 : Math.floor(gap / minute);
      if (gap !== undefined && bin < bins.length) {
        squares += 2 * bins[bin]! + 1;
        bins[bin]!++;
        inside++;
      } else if (gap !== undefined) outside++;
      const mean = inside / bins.length;
      const spread = Math.sqrt(squares / bins.length - mean ** 2);
      if (inside === 0 || outside > inside || spread < leastVariation * mean) return [[0, rangeSeconds]];
      const percentile = (share: number) => {
        let left = share * inside;
        return bins.findIndex((count) => {
          left -= count;
          return left <= 0;
        });
      };
      const from = percentile(head) * minute * (1 - margin);
      const to = (percentile(tail) + 1) * minute * (1 + margin);
      return [[from, to]];
    };
  };

const geometric = (from: number, to: number, count: number): number[] =>
  Array.from({ length: count }, (_, index) => from * (to / from) ** (index / (count - 1)));

/** Knobs that are tried, from hardly loaded to always loaded. */
export const keepAlives = geometric(minute, 24 * hour, 60);
export const rates = geometric(0.02 / hour, 40 / hour, 40);
export const ranges = geometric(10 * minute, 12 * hour, 15);
