import { describe, expect, it } from 'vitest';
import { fleetOf } from '../fleet.ts';
import { loadRegistry } from '../registry.ts';
import { publishedModels } from './published.ts';
import { type Accelerator, servedBy, verdictCell, verdictOf, verdictRows, verdictsOf } from './verdicts.ts';

const published = await publishedModels();
const facts = (name: string) => published.get(name)!.facts;
const least = { context: 4096, parallel: 1 };
const kind = (name: string, accelerator: Accelerator, shape = least) => verdictOf(facts(name), shape, accelerator).kind;

describe('of a GPU', () => {
  // What is known of which GPU holds what.
  it('of 16 GB holds gpt-oss:20b and no 32b, one of 24 a 32b, one of 48 a 70b, one of 80 a 120b', () => {
    expect([kind('gpt-oss:20b', 'T4'), kind('gpt-oss:20b', 'V100')]).toEqual(['alone', 'alone']);
    expect([kind('qwen2.5:32b', 'T4'), kind('qwen2.5:32b', 'V100')]).toEqual(['partly', 'partly']);
    expect([kind('qwen2.5:32b', 'L4'), kind('qwen2.5:32b', 'A10G')]).toEqual(['alone', 'alone']);
    expect([kind('llama3:70b', 'L40S'), kind('llama3:70b', 'A100')]).toEqual(['alone', 'shared']);
    expect([kind('gpt-oss:120b', 'A100'), kind('gpt-oss:120b', 'H100')]).toEqual(['alone', 'alone']);
  });

  it('holds a 70b of 40 GB neither on a T4 nor on a V100 of either size nor on an A100 of 40 GB', () => {
    for (const gpu of ['T4', 'V100', 'V100-32GB', 'A100-40GB'] as const) expect(kind('llama3:70b', gpu)).toBe('partly');
  });

  it('has room to share when the model would fit twice', () => {
    expect(kind('llama3.2:3b', 'L4')).toBe('shared');
    const { leftBytes } = verdictOf(facts('llama3:8b'), least, 'T4') as { leftBytes: number };
    expect(leftBytes).toBeGreaterThan(0);
  });

  it('holds nothing of a model of which one layer is too large', () => {
    expect(kind('gpt-oss:120b', 'mig-1g.5gb')).toBe('no');
  });

  it('that holds it in part is given as many layers as fit', () => {
    const verdict = verdictOf(facts('llama3:70b'), least, 'V100-32GB');
    expect(verdict).toMatchObject({ kind: 'partly', of: 81 });
    const { layers, gpuBytes, hostBytes } = verdict as { layers: number; gpuBytes: number; hostBytes: number };
    // 40 GB in 80 layers: near 29 GiB of 32 for them, 0.5 each.
    expect(layers).toBeGreaterThan(50);
    expect(layers).toBeLessThan(65);
    expect(gpuBytes).toBeGreaterThan(hostBytes);
  });
});

describe('a verdict', () => {
  it('is given for every GPU and slice', () => {
    const verdicts = verdictsOf(facts('gpt-oss:20b'), least);
    expect(verdicts).toMatchObject({
      T4: { kind: 'alone' },
      A100: { kind: 'shared' },
      'mig-3g.20gb': { kind: 'alone' },
    });
  });

  it.each([
    [{ kind: 'alone', leftBytes: 2 ** 30 }, 'alone, 1.0 GiB left'],
    [{ kind: 'partly', layers: 60, of: 81, gpuBytes: 3, hostBytes: 1 }, 'partly: 60 of 81 layers, 75% of memory'],
    [{ kind: 'no' }, 'no'],
  ] as const)('reads %o as %s', (verdict, cell) => {
    expect(verdictCell(verdict)).toBe(cell);
  });

  it('of several models make a table with a row for each', () => {
    const served = { name: 'gpt-oss', facts: facts('gpt-oss:20b'), shape: { ...least, kvCacheType: 'q8_0' as const } };
    const rows = verdictRows([served], ['T4', 'mig-1g.5gb']);
    expect(rows).toEqual([
      ['model', 'context × parallel', 'needs', 'T4', 'mig-1g.5gb'],
      [
        'gpt-oss',
        '4096 × 1 q8_0',
        expect.stringMatching(/^1\d\.\d GiB$/),
        expect.stringMatching(/^alone, /),
        expect.any(String),
      ],
    ]);
  });

  it('of a registry is had by each set of weights, with the context of its server', async () => {
    const registry = await loadRegistry();
    const shared = { ...registry, packs: { 'ollama-both': ['legal-analysis', 'risk-assessment'] } };
    const rows = servedBy(fleetOf(shared)).map(({ name, shape }) => [name, shape.context, shape.parallel]);
    expect(rows).toContainEqual(['llama', 8192, 1]);
    expect(rows).toContainEqual(['legal-analysis', 16_384, 2]);
    expect(rows.map(([name]) => name)).not.toContain('risk-assessment');
    expect(rows).toHaveLength(6);
  });
});
