import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { gpus } from '../gpus.ts';
import { listPrices, readPrices } from './prices.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'prices-'));
afterAll(() => rmSync(folder, { recursive: true }));

function written(text: string): string {
  const file = path.join(folder, 'own.json');
  writeFileSync(file, text);
  return file;
}

describe('prices', () => {
  test('that come with the project name GPUs that models can ask for', () => {
    const named = Object.values(listPrices().instances).flatMap(({ gpu }) => (gpu ? [gpu.type] : []));
    expect(Object.keys(gpus)).toEqual(expect.arrayContaining(named));
  });

  test('of one’s own are read', () => {
    const own = { ...listPrices(), region: 'eu-central-1' };
    expect(readPrices(written(JSON.stringify(own))).region).toBe('eu-central-1');
  });

  test('are refused with a line for every mistake', () => {
    const { storage: _, ...rest } = structuredClone(listPrices());
    const wrong = { ...rest, vat: 19, currency: 'EUR' };
    wrong.instances['g6.xlarge']!.usdPerHour = -1;
    const file = written(JSON.stringify(wrong));
    expect(() => readPrices(file)).toThrow(
      [
        `${file}: prices: must have required property 'storage'`,
        `${file}: prices: has no key 'vat'`,
        `${file}: currency: must be USD`,
        `${file}: instances.g6.xlarge.usdPerHour: must be >= 0`,
      ].join('\n'),
    );
  });

  test('are refused where there is no file, or none of JSON', () => {
    const missing = path.join(folder, 'missing.json');
    expect(() => readPrices(missing)).toThrow(`${missing}: is not there: name a JSON file of the shape of`);
    expect(() => readPrices(written('g6: 1'))).toThrow(/own\.json: Unexpected token/);
  });
});
