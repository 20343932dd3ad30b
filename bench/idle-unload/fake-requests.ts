import { randomFrom } from '../../service/testing/fake-demand.ts';
import { daySeconds, type Requests, twoWeeks } from './requests.ts';

export const hour = 3600;

/** Made-up requests to eight models, drawn at rates in requests a second that are at most `most` of a model. */
export function fakeRequests(rate: (model: number, at: number) => number, most: (model: number) => number): Requests {
  const drawn = Array.from({ length: 8 }, (_, model): [string, number[]] => {
    const random = randomFrom(model + 1);
    const times: number[] = [];
    for (let at = 0; ; ) {
      at -= Math.log(random()) / most(model);
      if (at >= twoWeeks.to) return [`model-${model}`, times];
      if (random() * most(model) < rate(model, at)) times.push(Math.round(at));
    }
  });
  return { byModel: new Map(drawn), ...twoWeeks };
}

/** From 0.3 to 6 requests an hour, in requests a second. */
export const unlike = (model: number): number => (0.3 * 20 ** (model / 7)) / hour;

/** Traces of other shapes than those of real clients. */
export const fakeTraces = {
  'the same rates all the time': () =>
    fakeRequests(
      () => 2 / hour,
      () => 2 / hour,
    ),
  'other rates all the time': () => fakeRequests(unlike, unlike),
  'models that come into use and go out of it': () =>
    fakeRequests(
      (model, at) => (at < 10 * daySeconds === (model % 2 === 0) ? 4 : 0.3) / hour,
      () => 4 / hour,
    ),
  'office hours': () =>
    fakeRequests(
      (_, at) => {
        const [day, time] = [Math.floor(at / daySeconds) % 7, (at % daySeconds) / hour];
        return (day < 5 && time >= 9 && time < 17 ? 4 : 0.05) / hour;
      },
      () => 4 / hour,
    ),
  'a single burst': () =>
    fakeRequests(
      (_, at) => (at > 9 * daySeconds && at < 9 * daySeconds + 3 * hour ? 30 : 0.02) / hour,
      () => 30 / hour,
    ),
};
