// npm run bench              names the benchmarks
// npm run bench -- NAME …    runs one: prints a table, and writes bench/results/NAME.json; some take options
import { mkdir, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { autoscaling } from './autoscaling.ts';
import { commands } from './commands.ts';
import { delivery } from './delivery.ts';
import { gateway } from './gateway.ts';
import { idleUnload } from './idle-unload.ts';
import { karpenter } from './karpenter.ts';
import type { Benchmark } from './measure.ts';
import { observability } from './observability.ts';
import { plan } from './plan.ts';
import { render } from './render.ts';
import { table } from './table.ts';

const benchmarks: Record<string, Benchmark> = {
  autoscaling,
  commands,
  delivery,
  gateway,
  karpenter,
  'idle-unload': idleUnload,
  observability,
  plan,
  render,
};

async function main([name, ...args]: string[]): Promise<number> {
  const benchmark = name === undefined ? undefined : benchmarks[name];
  if (!benchmark) {
    const known = Object.entries(benchmarks).map(([known, { purpose }]) => `  npm run bench -- ${known}    ${purpose}`);
    console.error(
      `${name === undefined ? 'no benchmark named' : `${name}: no such benchmark`}: there is\n${known.join('\n')}`,
    );
    return 1;
  }
  // What others do on it, before this does more.
  const machine = { cores: os.availableParallelism(), cpu: os.cpus()[0]?.model, load: os.loadavg()[0] };
  const figures = await benchmark.run(args);
  console.log(table(figures));
  const file = path.join(import.meta.dirname, 'results', `${name}.json`);
  await mkdir(path.dirname(file), { recursive: true });
  await writeFile(file, `${JSON.stringify({ benchmark: name, machine, figures }, null, 2)}\n`);
  console.log(`\n${path.relative(process.cwd(), file)}`);
  return figures.some(({ aim, met }) => aim !== undefined && !met) ? 1 : 0;
}

process.exitCode = await main(process.argv.slice(2)).catch((error: Error) => {
  console.error(error.message);
  return 1;
});
