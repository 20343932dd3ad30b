import { Refusal } from '../shared/errors.ts';

/** The Refusal that something throws; throws when it throws none. */
export function refusalOf(work: () => unknown): Refusal {
  try {
    work();
  } catch (error) {
    if (error instanceof Refusal) return error;
    throw error;
  }
  throw new Error('not refused');
}
