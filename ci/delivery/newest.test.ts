import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { moduleVersions } from '../tools/go.ts';
import { root } from '../tools/paths.ts';
import { bumped, newestOf } from './newest.ts';

const goMod = readFileSync(path.join(root, 'ci/tools/cluster/go.mod'), 'utf8');
/** As that of Kubernetes, with a library that is new and without one that is gone (k8s.io/sample-controller). */
const kubernetesMod = `module k8s.io/kubernetes

require (
	k8s.io/api v0.0.0
	k8s.io/new v0.0.0
)

replace (
	k8s.io/api => ./staging/src/k8s.io/api
	k8s.io/client-go => ./staging/src/k8s.io/client-go
	k8s.io/new => ./staging/src/k8s.io/new
)
`;
const to = { kubernetes: 'v1.41.3', helm: 'v4.9.1' };

it('the newest is the last release', () => {
  expect(newestOf(['v1.2.0', 'v1.3.0', 'v1.4.0-rc.1'])).toBe('v1.3.0');
  expect(newestOf(['v1.4.0-rc.1'])).toBeUndefined();
});

describe('a go.mod on the newest Kubernetes and Helm', () => {
  const text = bumped(goMod, kubernetesMod, to);

  it('has them, with the libraries of that Kubernetes and no other', () => {
    const versions = moduleVersions(text);
    expect(versions.get('k8s.io/kubernetes')).toBe('v1.41.3');
    expect(versions.get('helm.sh/helm/v4')).toBe('v4.9.1');
    expect([versions.get('k8s.io/api'), versions.get('k8s.io/client-go')]).toEqual(['v0.41.3', 'v0.41.3']);
    const replaced = [...text.matchAll(/^\t(\S+) => \S+ (\S+)$/gm)].map(([, name, version]) => [name, version]);
    expect(replaced).toEqual(['k8s.io/api', 'k8s.io/client-go', 'k8s.io/new'].map((name) => [name, 'v0.41.3']));
  });

  it('is the same in everything else', () => {
    const [before, after] = [moduleVersions(goMod), moduleVersions(text)];
    const changed = [...before].filter(([name, version]) => after.get(name) !== version).map(([name]) => name);
    expect(changed.sort()).toEqual(['helm.sh/helm/v4', 'k8s.io/api', 'k8s.io/client-go', 'k8s.io/kubernetes']);
    expect(text.split('\n')[0]).toBe(goMod.split('\n')[0]);
  });

  it('is not made of a Kubernetes that replaces nothing', () => {
    expect(() => bumped(goMod, 'module k8s.io/kubernetes\n', to)).toThrow(
      'k8s.io/kubernetes v1.41.3: its go.mod replaces no library',
    );
  });
});
