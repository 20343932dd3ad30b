// npm run plan                                  whether production fits, on which nodes, and what it costs a month
// npm run plan -- --what-if qwen.context=16384  what a change of a model's serving would do; as often as wanted
// npm run plan -- --env NAME --prices FILE --busy-hours H --traffic-gb GB --budget USD
//              -- --json | --markdown           instead of text
//              -- --svg FILE                    the nodes with their pods in them, as a picture
import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { loadEnvironments } from '../environments.ts';
import { loadRegistry } from '../registry.ts';
import { askedTable, hopedUsd } from './asked.ts';
import { differenceSection } from './difference.ts';
import { fitOf } from './fit.ts';
import { nearestPlan } from './nearest.ts';
import { assumed, planOf } from './plan.ts';
import { listPrices, readPrices } from './prices.ts';
import { asMarkdown, asText, type Findings, sectionsOf } from './report.ts';
import { nodesPicture } from './svg.ts';
import { changed } from './what-if.ts';
import { releaseOf } from './workload.ts';

const text = { type: 'string' } as const;
const flag = { type: 'boolean', default: false } as const;

async function main(): Promise<void> {
  const { values: options } = parseArgs({
    options: {
      env: { ...text, default: 'production' },
      prices: text,
      'busy-hours': text,
      'traffic-gb': text,
      budget: text,
      'what-if': { ...text, multiple: true, default: [] },
      json: flag,
      markdown: flag,
      svg: text,
    },
  });
  const environments = await loadEnvironments();
  const environment = environments[options.env];
  if (!environment)
    throw new Error(`--env ${options.env}: is no environment: name one of ${Object.keys(environments).join(', ')}`);
  const prices = options.prices === undefined ? listPrices() : readPrices(options.prices);
  const assumptions = {
    busyHours: number('--busy-hours', options['busy-hours'], assumed.busyHours, 168),
    trafficGB: number('--traffic-gb', options['traffic-gb'], assumed.trafficGB, 1e9),
  };
  const budgetUsd = number('--budget', options.budget, hopedUsd, 1e9);
  const registry = await loadRegistry();
  const tried = changed(registry, options['what-if']);
  const sideOf = async (of: typeof registry) => ({
    fit: fitOf(environment.registry?.(of) ?? of),
    plan: await planOf(releaseOf(of, options.env, environment), prices, assumptions),
  });
  const now = await sideOf(tried);
  if (options.svg !== undefined) {
    await writeFile(options.svg, nodesPicture(now.plan));
    console.error(`wrote ${options.svg}`);
  }
  if (options['what-if'].length > 0) {
    const before = await sideOf(registry);
    const section = differenceSection(options['what-if'], before, now);
    if (options.json) console.log(JSON.stringify({ before, after: now }, null, 2));
    else console.log(options.markdown ? asMarkdown([section]) : asText([section]));
    return;
  }
  const findings: Findings = {
    ...now,
    asked: askedTable(registry, prices),
    nearest: await nearestPlan(registry, options.env, environment, prices, budgetUsd, assumptions),
    prices,
    budgetUsd,
  };
  if (options.json) console.log(JSON.stringify(findings, null, 2));
  else console.log(options.markdown ? asMarkdown(sectionsOf(findings)) : asText(sectionsOf(findings)));
}

function number(option: string, given: string | undefined, unsaid: number, most: number): number {
  const value = given === undefined ? unsaid : Number(given);
  if (!(value >= 0 && value <= most)) throw new Error(`${option} ${given}: is no number from 0 to ${most}: write one`);
  return value;
}

try {
  await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
