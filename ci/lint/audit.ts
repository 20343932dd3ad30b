// npm run audit                  what is known to be wrong with the npm packages that are pinned, less what ci/lint/waivers.ts answers
// npm run audit -- signatures    whether each installed one is what its registry signed
//
// Both ask the registry, and what they say changes without a change of ours: neither is part of `npm test`.
import { root } from '../tools/paths.ts';
import { output } from '../tools/run.ts';
import { answered, type Finding } from './findings.ts';
import { waivers } from './waivers.ts';

/** What npm says of a package: the names of others that make it one, or what is wrong with itself. */
interface Vulnerability {
  name: string;
  via: (string | { name: string; url: string; title: string; severity: string; range: string })[];
}

/** Findings in what `npm audit --json` printed; throws where it is no report. */
export function auditFindings(text: string): Finding[] {
  const report = JSON.parse(text || '{}') as { vulnerabilities?: Record<string, Vulnerability>; message?: string };
  if (!report.vulnerabilities) {
    throw new Error(`npm audit: no report, but: ${report.message ?? 'nothing'}: see whether the registry can be asked`);
  }
  const found = Object.values(report.vulnerabilities).flatMap(({ via }) =>
    via.filter((one) => typeof one !== 'string'),
  );
  return found.map(({ name, url, title, severity, range }) => ({
    environment: 'package-lock.json',
    rule: /GHSA(-\w{4}){3}/.exec(url)?.[0] ?? url,
    what: `${title} (${severity}, ${range})`,
    object: `npm ${name}`,
  }));
}

async function advisories(): Promise<string[]> {
  const { stdout } = await output('npm', ['audit', '--json'], { cwd: root });
  const ours = waivers.filter(({ scanner }) => scanner === 'npm audit');
  return answered(auditFindings(stdout), ours, new Date());
}

async function signatures(): Promise<string[]> {
  const { status, stdout, stderr } = await output('npm', ['audit', 'signatures'], { cwd: root });
  console.log(stdout.trim());
  return status === 0 ? [] : [`npm audit signatures: ${(stderr || stdout).trim()}`];
}

if (import.meta.main) {
  try {
    const [what, ...rest] = process.argv.slice(2);
    if (rest.length > 0 || (what !== undefined && what !== 'signatures')) {
      throw new Error(`${rest[0] ?? what}: unexpected: usage: npm run audit [-- signatures]`);
    }
    const lines = await (what ? signatures() : advisories());
    for (const line of lines) console.error(line);
    if (lines.length > 0) process.exitCode = 1;
    else console.log(what ? 'every package is what its registry signed' : 'no advisory that is not answered');
  } catch (error) {
    console.error(`audit: ${(error as Error).message}`);
    process.exitCode = 1;
  }
}
