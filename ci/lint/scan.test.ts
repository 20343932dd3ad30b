import { expect, it } from 'vitest';
import { sarif } from './sarif.ts';
import { vulnerabilities } from './trivy.ts';

const found = {
  environment: 'image',
  rule: 'CVE-2026-1',
  what: 'reads too far (high)',
  object: 'package libc6@2.36',
};

it('a vulnerability that Trivy reports of an image is a finding', () => {
  const one = { VulnerabilityID: 'CVE-2026-1', PkgName: 'libc6', InstalledVersion: '2.36', Title: 'reads too far' };
  const Results = [{ Target: 'debian', Vulnerabilities: [{ ...one, Severity: 'HIGH' }] }, { Target: 'node' }];
  expect(vulnerabilities({ Results })).toEqual([found]);
  expect(vulnerabilities({})).toEqual([]);
});

it('findings become results that GitHub shows, at a file of ours', () => {
  const other = { environment: 'staging', rule: 'KSV-0014', what: 'may write (high)', object: 'Deployment a' };
  const { version, runs } = JSON.parse(sarif('trivy image', [found, found, other]));
  expect(version).toBe('2.1.0');
  expect(runs[0].tool.driver).toEqual({
    name: 'trivy image',
    rules: [
      { id: 'CVE-2026-1', shortDescription: { text: 'reads too far (high)' } },
      { id: 'KSV-0014', shortDescription: { text: 'may write (high)' } },
    ],
  });
  const at = (uri: string) => [{ physicalLocation: { artifactLocation: { uri } } }];
  expect(runs[0].results).toHaveLength(3);
  expect(runs[0].results[2]).toEqual({
    ruleId: 'KSV-0014',
    level: 'error',
    message: { text: 'staging: Deployment a: may write (high)' },
    locations: at('environments/staging/values.yaml'),
  });
  expect(runs[0].results[0].locations).toEqual(at('service/Dockerfile'));
});
