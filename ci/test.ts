// npm test                              all tests, cheapest first
// npm run test:extended                 what takes too long for that
// npm test -- PROJECT … [ARGUMENT …]    those of some projects (unit, slow, npm, render, ollama, cluster)
// The last line is `N passed, N failed`, and the exit status 1 when any failed or none ran.
import { type ChildProcess, spawn } from 'node:child_process';
import path from 'node:path';
import { closingLine, type Tally, tally, total } from './tally.ts';

const usual = ['unit', 'slow', 'npm', 'render', 'ollama', 'cluster'];
const known = [...usual, 'extended', 'machine'];
/** Milliseconds that an interrupted project has for its teardown. */
const grace = 4 * 60_000;

const args = process.argv.slice(2);
const rest = args.findIndex((argument) => !known.includes(argument));
const chosen = rest === -1 ? args : args.slice(0, rest);
const passedOn = rest === -1 ? [] : args.slice(rest);

let running: ChildProcess | undefined;
let stopped = false;

/** Signals go to the whole group of the running project: its workers and whatever they run, as well as vitest itself. */
function stop(): void {
  stopped = true;
  signalGroup('SIGINT');
  setTimeout(() => signalGroup('SIGKILL'), grace).unref();
}

function signalGroup(signal: NodeJS.Signals): void {
  if (running?.pid === undefined) return;
  try {
    process.kill(-running.pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, stop);

function runProject(project: string): Promise<Tally> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [path.join(import.meta.dirname, 'vitest.ts'), project, ...passedOn], {
      detached: true,
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    running = child;
    let result: Tally | undefined;
    child.once('message', (message) => {
      result = message as Tally;
    });
    child.once('error', reject);
    child.once('close', (code, signal) => {
      running = undefined;
      resolve(result ?? tally(`${project}: ended without a result (${signal ?? `exit status ${code}`})`));
    });
  });
}

const rows: string[] = [];
const tallies: Tally[] = [];
for (const project of chosen.length > 0 ? known.filter((name) => chosen.includes(name)) : usual) {
  if (stopped) {
    tallies.push(tally(`${project}: not run`));
    continue;
  }
  console.log(`\n=== ${project}`);
  const start = performance.now();
  const result = await runProject(project);
  tallies.push(result);
  const seconds = Math.round((performance.now() - start) / 1000);
  rows.push(`${project.padEnd(8)} ${String(seconds).padStart(5)} s   ${closingLine(result)}`);
}

const all = total(tallies);
console.log(`\n${rows.join('\n')}`);
for (const failure of all.failures) console.log(`FAILED ${failure}`);
console.log(closingLine(all));
process.exitCode = all.failed > 0 ? 1 : 0;
