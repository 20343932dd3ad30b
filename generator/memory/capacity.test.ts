// The figures that docs/capacity.md gives, as the estimator finds them.
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, it } from 'vitest';
import { gpus } from '../gpus.ts';
import { fits, needOf } from './fit.ts';
import { publishedModels } from './published.ts';
import { GiB, MiB } from './units.ts';
import { type Accelerator, verdictCell, verdictOf, verdictRows } from './verdicts.ts';

const published = await publishedModels();
const text = await readFile(path.join(import.meta.dirname, '../../docs/capacity.md'), 'utf8');
const line = (cells: string[]) => `| ${cells.join(' | ')} |`;
const llama = published.get('llama3:70b')!.facts;

it('shows what each published model needs, and which GPUs hold it', () => {
  const columns: Accelerator[] = [
    'T4',
    'V100',
    'L4',
    'V100-32GB',
    'A100-40GB',
    'L40S',
    'A100',
    'mig-1g.10gb',
    'mig-3g.40gb',
  ];
  const served = [...published.values()].map(({ facts }) => ({
    name: facts.name,
    facts,
    shape: { context: 8192, parallel: 1 },
  }));
  for (const row of verdictRows(served, columns)) expect(text).toContain(line(row));
});

it('answers whether a 70b of 40 GB runs on the GPUs that the requirements name', () => {
  const contexts = [2048, 4096, 8192];
  for (const gpu of ['T4', 'V100', 'V100-32GB', 'A100-40GB', 'A100'] as const) {
    const verdicts = contexts.map((context) => verdictCell(verdictOf(llama, { context, parallel: 1 }, gpu)));
    expect(text).toContain(line([gpu, ...verdicts]));
  }
});

it('says how many of the smaller ones hold it together', () => {
  for (const [gpu, count] of [
    ['T4', 4],
    ['V100', 3],
    ['V100-32GB', 2],
    ['L4', 2],
  ] as const) {
    const of = (number: number) => needOf([llama], { context: 8192, parallel: 1 }, number);
    const have = { gpuBytes: gpus[gpu].memoryMiB * MiB, hostBytes: Number.POSITIVE_INFINITY };
    expect(fits(of(count), { ...have, gpuCount: count })).toBe(true);
    expect(fits(of(count - 1), { ...have, gpuCount: count - 1 })).toBe(false);
    expect(text).toContain(`${count} × ${gpu} (${(of(count).gpu / GiB).toFixed(1)} GiB on each)`);
  }
});
