import { parseArgs } from 'node:util';
import { play } from './idle-unload/play.ts';
import { byExpectedRate, byHistogram, keepAlives, plain, ranges, rates } from './idle-unload/policies.ts';
import { readRequests } from './idle-unload/requests.ts';
import { atMost, type Benchmark, type Figure } from './measure.ts';
import { lossAt, type Point } from './sweep.ts';

const usage = 'usage: npm run bench -- idle-unload --trace FILE';
/** Minutes of the plain keep-alives that the others are compared with. */
const compared = [10, 30, 60];
/** Of a plain keep-alive's cold starts, at the same residency. */
const aim = 0.7;

const percent = (share: number) => `${(100 * share).toFixed(1)}%`;

/** Models that are rarely asked: how many requests find theirs not loaded, and for how long it is. */
export const idleUnload: Benchmark = {
  purpose: 'cold starts against residency, by ways to unload idle models: --trace FILE',
  async run(args): Promise<Figure[]> {
    const { trace } = parseArgs({ args, options: { trace: { type: 'string' } } }).values;
    if (!trace) throw new Error(`no trace named; ${usage}`);
    const requests = await readRequests(trace);
    const swept = (knobs: readonly number[], policy: (knob: number) => Parameters<typeof play>[0]) =>
      knobs.map((knob) => play(policy(knob), requests));
    const rows: [name: string, points: Point[]][] = [
      ['plain', swept(keepAlives, plain)],
      ['expected rate', swept(rates, byExpectedRate)],
      ['hybrid histogram', swept(ranges, byHistogram)],
    ];
    const [, own] = rows[1]!;
    const plains = compared.map((minutes) => ({ minutes, ...play(plain(minutes * 60), requests) }));
    const titles = ['', ...plains.map(({ minutes, cost }) => `${minutes} min (${percent(cost)})`)];
    console.log('requests that find their model not loaded, at the residency of plain keep-alives');
    for (const cells of [
      titles,
      ...rows.map(([name, points]) => [name, ...plains.map(({ cost }) => percent(lossAt(cost, points)))]),
    ]) {
      console.log(cells.map((cell, column) => (column ? cell.padStart(16) : cell.padEnd(16))).join('  '));
    }
    console.log();
    return plains.map(({ minutes, cost, loss }) =>
      atMost(Number((100 * aim * loss).toFixed(1)), {
        what: `cold starts by the expected rate, at the residency of plain ${minutes} min (${percent(cost)})`,
        value: Number((100 * lossAt(cost, own)).toFixed(1)),
        unit: '%',
      }),
    );
  },
};
