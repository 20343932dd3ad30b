import { mkdtempDisposable, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { chartFolder } from '../testing/chart.ts';
import { testDigests } from '../testing/digests.ts';
import { helm } from '../testing/helm.ts';
import { root } from '../tools/paths.ts';
import { output } from '../tools/run.ts';
import { toolFamily } from '../tools/tools.ts';
import { waivers as ours, type Waiver } from './waivers.ts';

/** Something that a scanner holds against an object. */
export interface Finding {
  environment: string;
  rule: string;
  what: string;
  /** `Kind NAME`. */
  object: string;
}

/** What checkov says of the environments as they are rendered, less what the waivers answer: a line each. */
export async function unansweredFindings(environments: string[]): Promise<string[]> {
  await using folder = await mkdtempDisposable(path.join(tmpdir(), 'model-management-findings-'));
  try {
    for (const environment of environments) {
      await writeFile(path.join(folder.path, `${environment}.yaml`), await renderedEnvironment(environment));
    }
  } catch (error) {
    return [(error as Error).message];
  }
  const waivers = ours.filter(({ scanner }) => scanner === 'checkov');
  return answered(await checkov(folder.path), waivers, new Date());
}

/** An environment as it is rendered, with digests of no image where it wants some. */
export async function renderedEnvironment(environment: string): Promise<string> {
  await using folder = await mkdtempDisposable(path.join(tmpdir(), 'model-management-digests-'));
  const digests = path.join(folder.path, 'digests.json');
  await writeFile(digests, JSON.stringify(testDigests));
  const values = path.join(root, 'environments', environment, 'values.yaml');
  const where = ['--namespace', 'model-management', '--kube-version', '1.37.2', '--values', values];
  if (environment === 'production') where.push('--values', digests);
  const { status, stdout, stderr } = await helm('template', 'release', chartFolder, ...where);
  if (status !== 0) throw new Error(`${environment}: does not render: ${stderr.trim()}`);
  return stdout;
}

const answers = ({ rule, objects }: Waiver, finding: Finding) => rule === finding.rule && objects.test(finding.object);

/** The findings that no waiver answers. */
export const unanswered = (findings: Finding[], waivers: Waiver[]): Finding[] =>
  findings.filter((finding) => !waivers.some((waiver) => answers(waiver, finding)));

/**
 * What is left of findings after waivers, and what is wrong with these: those that are over, those that nothing needs, and those of a
 * vulnerability without an end.
 */
export function answered(findings: Finding[], waivers: Waiver[], now: Date): string[] {
  const day = (time: number) => new Date(time).toISOString().slice(0, 10);
  const [today, longest] = [day(now.getTime()), day(now.getTime() + 90 * 86_400_000)];
  const complaint = ({ rule }: Waiver, words: string) => `ci/lint/waivers.ts: ${rule}: ${words}`;
  return [
    ...unanswered(findings, waivers).map(
      ({ environment, rule, what, object }) =>
        `${environment}: ${object}: ${what} (${rule}): mend it, or say in ci/lint/waivers.ts why not`,
    ),
    ...waivers
      .filter((waiver) => !findings.some((finding) => answers(waiver, finding)))
      .map((waiver) => complaint(waiver, 'answers no finding: remove it, or correct its objects')),
    ...waivers
      .filter(({ until }) => until !== undefined && until < today)
      .map((waiver) => complaint(waiver, `is over since ${waiver.until}: mend what it is about`)),
    ...waivers
      .filter(({ rule, until }) => /^(CVE|GHSA)-/.test(rule) && !(until && until <= longest))
      .map((waiver) => complaint(waiver, `is a vulnerability: say until when, ${longest} at the latest`)),
  ];
}

interface Report {
  summary: { passed: number; parsing_errors: number };
  results: { failed_checks: { check_id: string; check_name: string; resource: string; file_path: string }[] };
}

async function checkov(folder: string): Promise<Finding[]> {
  const env = { ...process.env, PYTHONPATH: path.join(await toolFamily('checkov'), 'lib') };
  // It would ask its makers what they call severe.
  const args = ['--directory', folder, '--framework', 'kubernetes', '--skip-download', '--compact', '--output', 'json'];
  const { stdout, stderr } = await output('python3', ['-m', 'checkov.main', ...args], { env, cwd: folder });
  const report = stdout.startsWith('{') ? (JSON.parse(stdout) as Report) : undefined;
  if (!report?.summary.passed || report.summary.parsing_errors > 0) {
    throw new Error(`checkov: judged nothing, or not all: ${(stderr || stdout).trim().slice(-500)}`);
  }
  return report.results.failed_checks.map(({ check_id: rule, check_name: what, resource, file_path }) => {
    const [kind, , ...name] = resource.split('.');
    return { environment: path.basename(file_path, '.yaml'), rule, what, object: `${kind} ${name.join('.')}` };
  });
}
