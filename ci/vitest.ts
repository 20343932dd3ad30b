// Runs the tests of one project in a process group of its own, and sends their tally to the process that started it:
// `node ci/vitest.ts PROJECT [vitest argument …]`. Use `npm test`, which starts it.
//
// vitest by itself leaves without its global teardown when it is interrupted: a cluster would stay behind.
import path from 'node:path';
import { createVitest, parseCLI, type TestModule } from 'vitest/node';
import { type Tally, tally } from './tally.ts';

const [project, ...args] = process.argv.slice(2);
if (!project) throw new Error('ci/vitest.ts: no project named: use `npm test`');

const { filter, options } = parseCLI(['vitest', 'run', ...args]);
const vitest = await createVitest({
  ...options,
  root: options.root ?? path.join(import.meta.dirname, '..'),
  project: [project],
  watch: false,
  // A line for each test where they take long.
  reporters: [['cluster', 'extended', 'machine'].includes(project) ? 'verbose' : 'default'],
});

let stopped: string | undefined;
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.removeAllListeners(signal);
  process.on(signal, () => {
    stopped ??= signal;
    void vitest.cancelCurrentRun('keyboard-input');
  });
}

const found = await run();
await vitest.close();
// Set by vitest for whatever is no test's: a global setup or teardown, an error after a test's end.
if (process.exitCode && found.failed === 0) {
  found.failed = 1;
  found.failures.push(`${project}: an error outside of the tests, see above`);
}
process.send?.(found, () => process.exit(found.failed > 0 ? 1 : 0));

async function run(): Promise<Tally> {
  try {
    const { testModules, unhandledErrors } = await vitest.start(filter);
    const count = tallyOf(testModules);
    // Workers that a signal ended leave errors behind that say nothing more.
    const stray = stopped ? `stopped by ${stopped}` : strayErrors(unhandledErrors.length);
    if (stray) {
      count.failed += 1;
      count.failures.push(`${project}: ${stray}`);
    }
    return count;
  } catch (error) {
    if ((error as { code?: string }).code === 'VITEST_FILES_NOT_FOUND') {
      process.exitCode = 0;
      return tally();
    }
    vitest.logger.printError(error, { fullStack: true, type: 'Error outside of the tests' });
    return tally(`${project}: ${error instanceof Error ? error.message : error}`);
  }
}

function strayErrors(count: number): string | undefined {
  return count > 0 ? `${count} error(s) outside of the tests, see above` : undefined;
}

function tallyOf(modules: readonly TestModule[]): Tally {
  const count = tally();
  for (const module of modules) {
    const file = path.relative(vitest.config.root, module.moduleId);
    const failed = (name: string) => {
      count.failed += 1;
      count.failures.push(`${file}: ${name}`);
    };
    for (const test of module.children.allTests()) {
      const { state } = test.result();
      if (state === 'passed') count.passed += 1;
      else if (state === 'skipped') count.skipped += 1;
      else if (state === 'failed' || !stopped) failed(test.fullName);
    }
    if (stopped) continue;
    // A file that cannot be loaded, or a hook that fails, takes tests with it that nothing else counts.
    for (const suite of module.children.allSuites()) if (suite.errors().length > 0) failed(suite.fullName);
    if (module.errors().length > 0) failed('the file itself, or a hook of it');
    else if (module.state() === 'pending' || module.state() === 'queued') failed('its worker ended before it did');
  }
  return count;
}
