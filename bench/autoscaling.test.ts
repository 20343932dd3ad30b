import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, test, vi } from 'vitest';
import { fakeDays } from '../service/testing/fake-demand.ts';
import { autoscaling } from './autoscaling.ts';

test('the benchmark compares ways to scale on a trace, with half of reactive as its aim at a delay of one bin', async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'trace-'));
  const print = vi.spyOn(console, 'log').mockImplementation(() => {});
  try {
    const file = path.join(folder, 'hours.csv');
    const rows = fakeDays({ days: 14, binsPerDay: 24, seed: 4 }).map((value, hour) => `${hour * 3600},${value}`);
    await writeFile(file, ['seconds,requests_per_second', ...rows].join('\n'));
    const figures = await autoscaling.run(['--trace', file, '--delay', '60']);
    const printed = print.mock.calls.flat().join('\n');
    for (const row of ['static peak', 'reactive', 'KubeAI', 'CPU-style', 'ours', 'perfect foresight', 'ours, HPA']) {
      expect(printed).toMatch(new RegExp(`^${row} .*%`, 'm'));
    }
    const of = (row: string) => Number(new RegExp(`^${row} .* ([0-9.]+)% +[0-9.]+%$`, 'm').exec(printed)![1]);
    expect(of('reactive')).toBeGreaterThan(0);
    expect(figures).toEqual([
      expect.objectContaining({ value: of('ours'), aim: expect.stringMatching(/^≤ .* %$/), met: expect.any(Boolean) }),
    ]);
    expect(Number(figures[0]!.aim!.split(' ')[1])).toBeCloseTo(of('reactive') / 2, 2);
  } finally {
    print.mockRestore();
    await rm(folder, { recursive: true });
  }
});

test.each([
  [[], 'no trace named; usage: '],
  [['--trace', 'a.csv', '--delay', '5,x'], '--delay: 5,x is no list of whole minutes from 1 to 60'],
])('the benchmark refuses %j in one line', async (args, problem) => {
  await expect(autoscaling.run(args)).rejects.toThrow(problem);
});
