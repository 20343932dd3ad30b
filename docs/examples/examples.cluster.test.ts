import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { testCluster } from '../../ci/cluster/testing.ts';
import { defined } from '../../ci/testing/crds.ts';
import { root } from '../../ci/tools/paths.ts';

it.each([
  ['argo-cd', 'argo', ['argocd']],
  ['flux', 'flux', ['model-management']],
] as const)(
  'the API server takes docs/examples/%s.yaml by the CRDs of its operator, with nothing unknown in it',
  async (example, operator, namespaces) => {
    const { kubectl } = await testCluster();
    await using _definitions = await defined(kubectl, operator);
    const text = await readFile(path.join(import.meta.dirname, `${example}.yaml`), 'utf8');
    const objects = parseAllDocuments(text).map((document) => document.toJS());
    // Into a namespace that is there: a dry run makes none.
    for (const object of objects) {
      if (!object.metadata.namespace) continue;
      expect(namespaces).toContain(object.metadata.namespace);
      object.metadata.namespace = 'default';
    }
    const list = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects });
    const apply = ['apply', '--server-side', '--dry-run=server', '--validate=strict', '--output', 'name', '-f', '-'];
    const taken = await kubectl(apply, { input: list });
    expect(taken.trim().split('\n')).toHaveLength(objects.length);
  },
);

it.each(['argo-cd', 'flux'])('the files that docs/examples/%s.yaml names are there', async (example) => {
  const text = await readFile(path.join(import.meta.dirname, `${example}.yaml`), 'utf8');
  const named = [...text.matchAll(/^ +- (?:\.\.?\/)(\S+\.yaml)$/gm)].map(([, file]) => file!);
  expect(named.length).toBeGreaterThan(1);
  for (const file of named) await expect(readFile(path.join(root, file), 'utf8')).resolves.toBeTruthy();
});
