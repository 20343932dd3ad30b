import { expect, it } from 'vitest';
import { model } from '../../ci/testing/registry.ts';
import { registryFile } from './registry-file.ts';

/** What the text of a file comes to. */
async function evaluated(text: string): Promise<unknown> {
  const plain = text.replace(/^import .+$/m, 'const defineModel = (definition) => definition;');
  const module = (await import(`data:text/javascript,${encodeURIComponent(plain)}`)) as { default: unknown };
  return module.default;
}

it('says of a model what it was given, whatever is in its texts', async () => {
  const licence = `it's "free"\n\\ \${process.exit(1)} \`whoami\` '); process.exit(1); ('`;
  const definition = model({ licence, source: `header of ${'x'.repeat(200)}` }, { gpu: { type: 'L4', count: 1 } });
  expect(await evaluated(registryFile(definition))).toEqual(definition);
  expect(await evaluated(registryFile(model({ licence: 'say "no"' })))).toEqual(model({ licence: 'say "no"' }));
});
