import { readFile } from 'node:fs/promises';

export interface Trace {
  demand: number[];
  /** Seconds from one bin to the next. */
  binSeconds: number;
}

/** Reads `seconds,demand` in equal bins, after a line of titles. Throws in one line what is wrong with the file. */
export async function readTrace(file: string): Promise<Trace> {
  return parseTrace(await readFile(file, 'utf8'), file);
}

export function parseTrace(text: string, file: string): Trace {
  const rows = text.trim().split(/\r?\n/).slice(1);
  const cells = rows.map((row) => row.split(',').map(Number));
  const bad = cells.findIndex(
    ([seconds, demand]) => !Number.isFinite(seconds) || !(demand! >= 0 && demand! < Infinity),
  );
  if (bad !== -1)
    throw new Error(`${file}: line ${bad + 2} is not "seconds,demand": give two numbers, demand from 0 on`);
  const binSeconds = (cells[1]?.[0] ?? 0) - (cells[0]?.[0] ?? 0);
  const odd = cells.findIndex(([seconds], index) => seconds !== cells[0]![0]! + index * binSeconds);
  if (!(binSeconds > 0) || odd !== -1) {
    throw new Error(
      `${file}: line ${odd === -1 ? 3 : odd + 2} breaks the bins: give rows at equal distances, in order`,
    );
  }
  if (rows.length < (14 * 86_400) / binSeconds) {
    throw new Error(
      `${file}: ${rows.length} rows of ${binSeconds} s: give two weeks, one of history and one that counts`,
    );
  }
  return { demand: cells.map(([, demand]) => demand!), binSeconds };
}

/** The same demand in bins shorter by a whole factor, straight from each to the next; ends with the last bin. */
export function finer(demand: readonly number[], factor: number): number[] {
  return Array.from({ length: (demand.length - 1) * factor + 1 }, (_, index) => {
    const [bin, part] = [Math.floor(index / factor), (index % factor) / factor];
    const from = demand[bin]!;
    return part === 0 ? from : from + part * (demand[bin + 1]! - from);
  });
}
