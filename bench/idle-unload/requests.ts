import { readFile } from 'node:fs/promises';

export const daySeconds = 86_400;

/** Two weeks of single requests to models: week 1 is history, week 2 counts. */
export interface Requests {
  /** Seconds from the beginning on, in order, by model. */
  byModel: Map<string, number[]>;
  /** When week 2 begins and ends, in seconds. */
  from: number;
  to: number;
}

export const twoWeeks = { from: 7 * daySeconds, to: 14 * daySeconds };

/** Reads `seconds,model`, a request a line, after a line of titles. Throws in one line what is wrong with the file. */
export async function readRequests(file: string): Promise<Requests> {
  return parseRequests(await readFile(file, 'utf8'), file);
}

export function parseRequests(text: string, file: string): Requests {
  const byModel = new Map<string, number[]>();
  let last = 0;
  for (const [index, row] of text.trim().split(/\r?\n/).slice(1).entries()) {
    const [seconds, model, ...rest] = row.split(',');
    const at = Number(seconds);
    if (!seconds || !(at >= 0) || !model || rest.length > 0) {
      throw new Error(`${file}: line ${index + 2} is not "seconds,model": give a number from 0 on and a name`);
    }
    if (at < last || at > twoWeeks.to) {
      throw new Error(`${file}: line ${index + 2} is out of order: give two weeks, from the first request to the last`);
    }
    last = at;
    const own = byModel.get(model);
    if (own) own.push(at);
    else byModel.set(model, [at]);
  }
  if (last < twoWeeks.from) {
    throw new Error(
      `${file}: ends after ${Math.floor(last / daySeconds)} days: give two weeks, of which the second counts`,
    );
  }
  return { byModel, ...twoWeeks };
}
