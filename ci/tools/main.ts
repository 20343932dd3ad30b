// npm run tool -- NAME [ARGUMENT …]     runs a tool, built first if it is not there
// npm run tool -- --list                every tool: version, family, whether it is built and how long that took
// npm run tool -- --build [FAMILY …]    builds families, or all
import { spawn } from 'node:child_process';
import { columns } from './columns.ts';
import { familyOf } from './table.ts';
import { type FamilyName, familyNames, listTools, tool, toolEnvironment, toolFamily } from './tools.ts';

const usage = 'npm run tool -- NAME [ARGUMENT …] | --list | --build [FAMILY …]';

async function main(args: string[]): Promise<void> {
  const [first, ...rest] = args;
  if (first === undefined) throw new Error(`no tool named: ${usage}`);
  if (first === '--list') return list();
  if (first === '--build') return build(rest);
  if (first.startsWith('-')) throw new Error(`${first}: no such option: ${usage}`);
  const command = await tool(first);
  const env = await toolEnvironment(familyOf(first), ...companions(first, rest));
  const child = spawn(command, rest, { stdio: 'inherit', env });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => child.kill(signal));
  process.exitCode = await new Promise<number>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => resolve(code ?? 128));
  });
}

/** Families that a tool calls by name: only where it will, since each may have to be built first. */
function companions(name: string, [command]: string[]): FamilyName[] {
  if (name === 'ct') return ['cluster', 'python'];
  if (name === 'kustomize') return ['cluster'];
  return name === 'helm' && command === 'diff' ? ['helm3'] : [];
}

async function list(): Promise<void> {
  const rows = (await listTools()).map(({ tool, version, family, record }) => [
    tool,
    version,
    family,
    record ? `built in ${record.seconds} s` : 'not built',
  ]);
  for (const line of columns([['TOOL', 'VERSION', 'FAMILY', 'STATE'], ...rows])) console.log(line);
}

/** One after the other: each build uses all cores by itself. */
async function build(names: string[]): Promise<void> {
  for (const name of names) {
    if (!familyNames.includes(name as FamilyName)) {
      throw new Error(`${name}: no such family of tools: it is one of ${familyNames.join(', ')}`);
    }
  }
  for (const name of names.length > 0 ? (names as FamilyName[]) : familyNames) {
    console.log(await toolFamily(name));
  }
}

main(process.argv.slice(2)).catch((error: Error) => {
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
});
