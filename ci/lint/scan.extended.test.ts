import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { copyProject } from '../testing/project.ts';
import { toolFamily } from '../tools/tools.ts';

beforeAll(() => toolFamily('trivy'), 60 * 60_000);

it('npm run scan has every finding of Trivy answered, and finds what is made worse', async () => {
  await using copy = await copyProject('ci', 'charts', 'environments', 'generator', 'schema', 'service');
  const file = path.join(copy.root, 'found.sarif');
  const scan = async () => {
    const said = await copy.npm('scan', 'config', '--sarif', file);
    return { ...said, runs: JSON.parse(await readFile(file, 'utf8')).runs };
  };
  const good = await scan();
  expect(good.stderr).toBe('');
  expect(good.stdout).toMatch(/^trivy config: \d{2,} findings, every one of which is answered\n$/);
  expect(good.runs[0].results).toEqual([]);

  const pod = 'charts/templates/_pod.tpl';
  const text = await copy.read(pod);
  await copy.write(pod, text.replace('readOnlyRootFilesystem: true', 'readOnlyRootFilesystem: false'));
  const bad = await scan();
  expect(bad.status).toBe(1);
  expect(bad.stderr).toMatch(
    /^production: Deployment model-management-gateway: .*\(high\) \(KSV-0014\): mend it, or say in ci\/lint\/waivers\.ts why not$/m,
  );
  const found = bad.runs[0].results.map(({ ruleId }: { ruleId: string }) => ruleId);
  expect(new Set(found)).toEqual(new Set(['KSV-0014']));
});
