// npm run lint    everything that can be said of the project without a cluster: a line each, and the words of what failed
import { type Check, checks } from './lint/checks.ts';
import { duration } from './tools/progress.ts';

async function lint({ name, run }: Check): Promise<boolean> {
  const start = performance.now();
  const { status, text } = await run();
  console.log(`${status === 0 ? 'ok    ' : 'FAILED'} ${name} (${duration(performance.now() - start)})`);
  if (status !== 0) console.log(text.trimEnd().replaceAll(/^/gm, '    '));
  return status === 0;
}

let failed = 0;
for (const check of checks) if (!(await lint(check))) failed += 1;
process.exitCode = failed > 0 ? 1 : 0;
