import { setTimeout as sleep } from 'node:timers/promises';
import { type Visits, visitors } from '../../charts/tests/visitors.ts';
import { atMost, type Figure } from '../measure.ts';

/** What was done to a fleet while clients asked it, and what became of their requests. */
export interface Disturbance {
  what: string;
  seconds: number;
  answered: number;
  /** Why requests were not answered. */
  failed: string[];
  /** The longest time without any answer, in seconds: where nothing takes connections, clients may wait instead of failing. */
  pause: number;
  /** Percent of the requests that may fail, where that is an aim. */
  aim?: number;
}

const clients = { keeping: 4, fresh: 2 };

/** Watches how long there is no answer at all, until it is told to stop. */
function pauses(guests: Visits): () => Promise<number> {
  let going = true;
  const watching = (async () => {
    let [longest, answered, since] = [0, guests.answered, performance.now()];
    while (going) {
      await sleep(10);
      const now = performance.now();
      longest = Math.max(longest, now - since);
      if (guests.answered > answered) [answered, since] = [guests.answered, now];
    }
    return longest / 1000;
  })();
  return () => {
    going = false;
    return watching;
  };
}

/** Does something to a fleet while clients ask a model of it, and for some time before and after. */
export async function underLoad(
  address: string,
  model: string,
  { what, aim }: Pick<Disturbance, 'what' | 'aim'>,
  work: () => Promise<unknown>,
  around = 2000,
): Promise<Disturbance> {
  const guests = visitors(address, model, clients);
  let pause: (() => Promise<number>) | undefined;
  try {
    await sleep(around);
    if (guests.failed.length > 0) throw new Error(`${what}: clients are refused before it: ${guests.failed[0]}`);
    pause = pauses(guests);
    const start = performance.now();
    await work();
    const seconds = (performance.now() - start) / 1000;
    // Some connections outlive what was done by a moment.
    await sleep(around);
    const longest = await pause();
    const { answered, failed } = await guests.stop();
    return { what, seconds, answered, failed, pause: longest, ...(aim !== undefined && { aim }) };
  } finally {
    await pause?.();
    await guests.stop();
  }
}

/** Three for each: how long it took, which part of the requests failed meanwhile, and for how long none was answered. */
export function figuresOf(disturbances: Disturbance[]): Figure[] {
  return disturbances.flatMap(({ what, seconds, answered, failed, pause, aim }) => {
    const requests = answered + failed.length;
    const share = {
      what: `${what}: ${failed.length} of ${requests} requests failed`,
      value: Number(((100 * failed.length) / requests).toFixed(3)),
      unit: '%',
    };
    return [
      { what, value: Number(seconds.toFixed(1)), unit: 's' },
      aim === undefined ? share : atMost(aim, share),
      { what: `${what}: longest time without an answer`, value: Number(pause.toFixed(2)), unit: 's' },
    ];
  });
}
