import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { Rendered, runHelm } from '../charts/tests/render.ts';
import { testDigests } from '../ci/testing/digests.ts';
import { copyProject } from '../ci/testing/project.ts';
import { output, run } from '../ci/tools/run.ts';
import { tool, toolEnvironment } from '../ci/tools/tools.ts';

const objectsOf = (manifest: string) => new Rendered(manifest).byIdentity;

describe.each([
  ['staging', []],
  ['production', ['planned-cost.yaml', 'images.yaml']],
] as const)('environments/%s by kustomize', (environment, further) => {
  it('is what Helm makes of it, and the namespace with the labels of pod security', async () => {
    await using copy = await copyProject('charts', 'environments');
    const folder = path.join(copy.root, 'environments', environment);
    // What `npm run pin-images` writes there.
    if (environment === 'production') await copy.write(`environments/production/images.yaml`, stringify(testDigests));
    const built = await run(await tool('kustomize'), ['build', '--enable-helm', folder], {
      env: await toolEnvironment('cluster'),
    });
    const byHelm = await runHelm(
      ['template', '--kube-version', '1.37.0', ...further.flatMap((file) => ['--values', path.join(folder, file)])],
      {},
      { environment, release: 'model-management', namespace: 'model-management' },
    );
    const { 'Namespace model-management': namespace, ...objects } = objectsOf(built);
    expect(objects).toEqual(objectsOf(byHelm.stdout));
    expect(namespace!.metadata.labels).toMatchObject({ 'pod-security.kubernetes.io/enforce': 'restricted' });
  });
});

it('environments/production by kustomize is refused for as long as nobody has pinned its images', async () => {
  await using copy = await copyProject('charts', 'environments');
  const { status, stderr } = await output(
    await tool('kustomize'),
    ['build', '--enable-helm', path.join(copy.root, 'environments/production')],
    { env: await toolEnvironment('cluster') },
  );
  expect(stderr).toContain('is named by a tag, which can be moved, and images.requireDigest is true: set its digest');
  expect(status).toBe(1);
});
