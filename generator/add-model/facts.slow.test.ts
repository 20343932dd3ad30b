import { describe, expect, it } from 'vitest';
import { writeHollowModel } from '../../ci/testing/hollow-model.ts';
import { temporaryFolder } from '../../ci/testing/project.ts';
import { publishedModels } from '../memory/published.ts';
import { factsOf } from './facts.ts';
import { readHeader } from './header.ts';
import { openSource } from './source.ts';

const published = await publishedModels();

describe('the facts of a published model', () => {
  it.each([...published.keys()].filter((name) => !name.startsWith('gemma3')))(
    '%s are those of its header',
    async (name) => {
      await using folder = await temporaryFolder();
      const model = published.get(name)!;
      const { file } = await writeHollowModel(folder.path, model);
      await using source = await openSource(file);
      const { name: _name, source: _source, sizeGB, ...facts } = model.facts;
      const read = factsOf(await readHeader(source));
      expect(read).toEqual({ ...facts, sizeGB: read.sizeGB });
      expect(Math.abs(read.sizeGB / sizeGB - 1)).toBeLessThan(0.025);
    },
  );

  it('gemma3:12b are those of its header, and what reads images a file of its own', async () => {
    await using folder = await temporaryFolder();
    const { file, projector } = await writeHollowModel(folder.path, published.get('gemma3:12b')!);
    await using source = await openSource(file);
    expect(factsOf(await readHeader(source))).toMatchObject({
      slidingWindow: { tokens: 1024, every: 6 },
      headDim: 256,
    });
    await using other = await openSource(projector!);
    const header = await readHeader(other);
    expect(() => factsOf(header)).toThrow(/^reads images for another model/);
  });
});
