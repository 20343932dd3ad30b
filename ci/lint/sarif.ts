import type { Finding } from './findings.ts';

/** Findings as GitHub shows them (SARIF 2.1.0), each at the file that it is in. */
export function sarif(tool: string, findings: Finding[]): string {
  const rules = [...new Map(findings.map(({ rule, what }) => [rule, what]))];
  const log = {
    $schema: 'https://json.schemastore.org/sarif-2.1.0.json',
    version: '2.1.0',
    runs: [
      {
        tool: { driver: { name: tool, rules: rules.map(([id, text]) => ({ id, shortDescription: { text } })) } },
        results: findings.map(({ environment, rule, what, object }) => ({
          ruleId: rule,
          level: 'error',
          message: { text: `${environment}: ${object}: ${what}` },
          locations: [{ physicalLocation: { artifactLocation: { uri: fileOf(environment) } } }],
        })),
      },
    ],
  };
  return `${JSON.stringify(log, null, 2)}\n`;
}

/** Where whoever mends it looks first. */
const fileOf = (environment: string) =>
  environment === 'image' ? 'service/Dockerfile' : `environments/${environment}/values.yaml`;
