import { mkdir, mkdtempDisposable, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseAllDocuments } from 'yaml';
import { output } from '../tools/run.ts';
import { tool } from '../tools/tools.ts';
import { type Finding, renderedEnvironment } from './findings.ts';

interface Report {
  Results?: {
    Target: string;
    MisconfSummary?: { Successes: number; Failures: number };
    Misconfigurations?: { ID: string; Title: string; Severity: string; Status: string }[];
    Vulnerabilities?: {
      VulnerabilityID: string;
      PkgName: string;
      InstalledVersion: string;
      Title?: string;
      Severity: string;
    }[];
  }[];
}

/** Runs Trivy where it asks nobody anything that it need not; throws what it says when it comes to no end. */
async function trivy(args: string[], cwd: string): Promise<Report> {
  const quiet = ['--quiet', '--format', 'json', '--skip-version-check', '--disable-telemetry'];
  const { status, stdout, stderr } = await output(await tool('trivy'), [...args, ...quiet], { cwd });
  if (status !== 0) throw new Error(`trivy: comes to no end: ${(stderr || stdout).trim().split('\n').at(-1)}`);
  return JSON.parse(stdout) as Report;
}

/** What Trivy finds in the environments as they are rendered. Its rules are its own, and it asks nobody for more. */
export async function configFindings(environments: readonly string[]): Promise<Finding[]> {
  await using folder = await mkdtempDisposable(path.join(tmpdir(), 'model-management-trivy-'));
  // A file for each object, which tells in whose name a finding is.
  const objects = new Map<string, Pick<Finding, 'environment' | 'object'>>();
  for (const environment of environments) {
    await mkdir(path.join(folder.path, environment));
    for (const document of parseAllDocuments(await renderedEnvironment(environment))) {
      const { kind, metadata } = (document.toJS() ?? {}) as { kind?: string; metadata?: { name: string } };
      if (!kind) continue;
      const file = `${environment}/${objects.size}.yaml`;
      objects.set(file, { environment, object: `${kind} ${metadata!.name}` });
      await writeFile(path.join(folder.path, file), document.toString());
    }
  }
  const { Results = [] } = await trivy(['config', '--skip-check-update', '.'], folder.path);
  const passed = Results.reduce((sum, { MisconfSummary }) => sum + (MisconfSummary?.Successes ?? 0), 0);
  if (passed === 0) throw new Error('trivy: judged nothing: see what it says of a rendered environment');
  return Results.flatMap(({ Target, Misconfigurations = [] }) =>
    Misconfigurations.filter(({ Status }) => Status === 'FAIL').map(({ ID, Title, Severity }) => ({
      ...objects.get(Target)!,
      rule: ID,
      what: `${Title} (${Severity.toLowerCase()})`,
    })),
  );
}

/** Vulnerabilities of an image in an archive, for which there is a remedy. Trivy fetches its database for that. */
export async function imageFindings(archive: string): Promise<Finding[]> {
  const args = ['image', '--input', path.resolve(archive), '--scanners', 'vuln', '--ignore-unfixed'];
  return vulnerabilities(await trivy([...args, '--severity', 'HIGH,CRITICAL'], '.'));
}

/** The vulnerabilities in what Trivy reports of an image. */
export const vulnerabilities = ({ Results = [] }: Report): Finding[] =>
  Results.flatMap(({ Vulnerabilities = [] }) =>
    Vulnerabilities.map(({ VulnerabilityID, PkgName, InstalledVersion, Title, Severity }) => ({
      environment: 'image',
      rule: VulnerabilityID,
      what: `${Title ?? 'vulnerable'} (${Severity.toLowerCase()})`,
      object: `package ${PkgName}@${InstalledVersion}`,
    })),
  );
