import { describe, expect, it } from 'vitest';
import { fill, moduleVersions } from './go.ts';
import { families, familyNames, familyOf } from './table.ts';

const goMod = `module model-management/ci/tools/x
go 1.26.6
require one.io/direct v1.2.3
require (
	k8s.io/kubernetes v1.37.2
	github.com/a/b/v2 v2.0.0-rc.1 // indirect
)
replace k8s.io/api => k8s.io/api v0.37.2
`;

describe('moduleVersions', () => {
  it('reads single and grouped requirements, and nothing else', () => {
    expect([...moduleVersions(goMod)]).toEqual([
      ['one.io/direct', 'v1.2.3'],
      ['k8s.io/kubernetes', 'v1.37.2'],
      ['github.com/a/b/v2', 'v2.0.0-rc.1'],
    ]);
  });
});

describe('fill', () => {
  const versions = moduleVersions(goMod);
  it('fills in a version whole, in part and without its v', () => {
    const text = '{k8s.io/kubernetes} {k8s.io/kubernetes:major}.{k8s.io/kubernetes:minor} {k8s.io/kubernetes:plain}';
    expect(fill(text, versions)).toBe('v1.37.2 1.37 1.37.2');
  });
  it('names the module that go.mod does not require', () => {
    expect(() => fill('{k8s.io/other}', versions)).toThrow('k8s.io/other: not in go.mod');
  });
});

describe('the table of tools', () => {
  it('names every tool in one family only', () => {
    const names = familyNames.flatMap((family) => Object.keys(families[family].tools));
    expect(new Set(names).size).toBe(names.length);
  });
  it('names what is known when asked for what is not', () => {
    expect(() => familyOf('helmet')).toThrow(/^helmet: no such tool: it is one of .*helm, helm-diff/);
  });
});
