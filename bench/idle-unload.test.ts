import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, test, vi } from 'vitest';
import { fakeTraces } from './idle-unload/fake-requests.ts';
import { idleUnload } from './idle-unload.ts';

test('the benchmark compares ways to unload at the residency of plain keep-alives, with 0.7 of their cold starts as its aim', async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'trace-'));
  const print = vi.spyOn(console, 'log').mockImplementation(() => {});
  try {
    const file = path.join(folder, 'models.csv');
    const { byModel } = fakeTraces['a single burst']();
    const rows = [...byModel].flatMap(([model, times]) => times.map((at) => ({ at, model })));
    rows.sort((a, b) => a.at - b.at);
    await writeFile(file, ['seconds,model', ...rows.map(({ at, model }) => `${at},${model}`)].join('\n'));
    const figures = await idleUnload.run(['--trace', file]);
    const printed = print.mock.calls.flat().join('\n');
    const of = (row: string) =>
      new RegExp(`^${row} .*$`, 'm')
        .exec(printed)![0]
        .match(/[\d.]+(?=%)/g)!
        .map(Number);
    const [theirs, own] = [of('plain'), of('expected rate')];
    expect(of('hybrid histogram')).toHaveLength(3);
    expect(figures.map(({ value }) => value)).toEqual(own);
    for (const [index, { aim }] of figures.entries()) {
      expect(Number(aim!.split(' ')[1])).toBeCloseTo(0.7 * theirs[index]!, 0);
    }
  } finally {
    print.mockRestore();
    await rm(folder, { recursive: true });
  }
});

test('the benchmark refuses to run without a trace in one line', async () => {
  await expect(idleUnload.run([])).rejects.toThrow('no trace named; usage: ');
});
