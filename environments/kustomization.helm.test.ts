import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { Rendered, runHelm } from '../charts/tests/render.ts';
import { root } from '../ci/tools/paths.ts';
import { run } from '../ci/tools/run.ts';
import { tool, toolEnvironment } from '../ci/tools/tools.ts';

const objectsOf = (manifest: string) => new Rendered(manifest).byIdentity;

describe.each([
  ['staging', []],
  ['production', ['planned-cost.yaml']],
] as const)('environments/%s by kustomize', (environment, further) => {
  it('is what Helm makes of it, and the namespace with the labels of pod security', async () => {
    const folder = path.join(root, 'environments', environment);
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
