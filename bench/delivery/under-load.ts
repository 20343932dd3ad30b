import { setTimeout as sleep } from 'node:timers/promises';
import { visitors } from '../../charts/tests/visitors.ts';
import { atMost, type Figure } from '../measure.ts';

/** What was done to a fleet while clients asked it, and what became of their requests. */
export interface Disturbance {
  what: string;
  seconds: number;
  answered: number;
  /** Why requests were not answered. */
  failed: string[];
  /** Percent of the requests that may fail, where that is an aim. */
  aim?: number;
}

const clients = { keeping: 4, fresh: 2 };

/** Does something to a fleet while clients ask a model of it, and for some time before and after. */
export async function underLoad(
  address: string,
  model: string,
  { what, aim }: Pick<Disturbance, 'what' | 'aim'>,
  work: () => Promise<unknown>,
  around = 2000,
): Promise<Disturbance> {
  const guests = visitors(address, model, clients);
  try {
    await sleep(around);
    if (guests.failed.length > 0) throw new Error(`${what}: clients are refused before it: ${guests.failed[0]}`);
    const start = performance.now();
    await work();
    const seconds = (performance.now() - start) / 1000;
    // Some connections outlive what was done by a moment.
    await sleep(around);
    const { answered, failed } = await guests.stop();
    return { what, seconds, answered, failed, ...(aim !== undefined && { aim }) };
  } finally {
    await guests.stop();
  }
}

/** Two for each: how long it took, and which part of the requests failed meanwhile. */
export function figuresOf(disturbances: Disturbance[]): Figure[] {
  return disturbances.flatMap(({ what, seconds, answered, failed, aim }) => {
    const requests = answered + failed.length;
    const share = {
      what: `${what}: ${failed.length} of ${requests} requests failed`,
      value: Number(((100 * failed.length) / requests).toFixed(3)),
      unit: '%',
    };
    return [{ what, value: Number(seconds.toFixed(1)), unit: 's' }, aim === undefined ? share : atMost(aim, share)];
  });
}
