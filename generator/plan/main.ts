// npm run plan                                  whether production fits, on which nodes, and what it costs a month
// npm run plan -- --what-if qwen.context=16384  what a change of a model's serving would do; as often as wanted
// npm run plan -- --env NAME --prices FILE --busy-hours H --traffic-gb GB --budget USD
//              -- --json | --markdown           instead of text
//              -- --svg FILE                    the nodes with their pods in them, as a picture
//              -- --instance-types FILE         the nodes that there are to choose from, as Karpenter's kwok provider reads them
// npm run plan -- --write                       writes the files that the plan of production is in; --check says which are stale
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { loadEnvironments } from '../environments.ts';
import { fleetOf } from '../fleet.ts';
import { servedBy, verdictsOf } from '../memory/verdicts.ts';
import { loadRegistry } from '../registry.ts';
import { differences, writeAll } from '../write.ts';
import { askedTable, hopedUsd } from './asked.ts';
import { differenceSection } from './difference.ts';
import { fitOf } from './fit.ts';
import { instanceTypes } from './instance-types.ts';
import { nearestPlan } from './nearest.ts';
import { planOutputs } from './outputs.ts';
import { assumed, planOf } from './plan.ts';
import { listPrices, readPrices } from './prices.ts';
import { asMarkdown, asText, type Findings, sectionsOf } from './report.ts';
import { nodesPicture } from './svg.ts';
import { changed } from './what-if.ts';
import { releaseOf } from './workload.ts';

const text = { type: 'string' } as const;
const flag = { type: 'boolean', default: false } as const;

const known = {
  env: { ...text, default: 'production' },
  prices: text,
  'busy-hours': text,
  'traffic-gb': text,
  budget: text,
  'what-if': { ...text, multiple: true, default: [] as string[] },
  json: flag,
  markdown: flag,
  svg: text,
  'instance-types': text,
  write: flag,
  check: flag,
} as const;

function parsed() {
  try {
    return parseArgs({ options: known }).values;
  } catch (error) {
    // Node's own words go on about arguments that there are none of here.
    const problem = (error as Error).message.split('.')[0]!;
    const all = Object.keys(known).map((name) => `--${name}`);
    throw new Error(`npm run plan: ${problem}: give some of ${all.join(', ')}`);
  }
}

async function main(): Promise<void> {
  const options = parsed();
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
  const sideOf = async (of: typeof registry) => {
    const plan = await planOf(releaseOf(of, options.env, environment), prices, assumptions);
    const own = environment.registry?.(of) ?? of;
    // What an environment switches off need not fit.
    const names = new Set(plan.release.workloads.map(({ name }) => name));
    const fit = fitOf(own).filter(({ server }) => names.has(server));
    return { fit, plan, served: servedBy(fleetOf(own).filter(({ name }) => names.has(name))) };
  };
  const now = await sideOf(tried);
  if (options.svg !== undefined) {
    await writeFile(options.svg, nodesPicture(now.plan));
    console.error(`wrote ${options.svg}`);
  }
  if (options['instance-types'] !== undefined) {
    await writeFile(options['instance-types'], `${JSON.stringify(instanceTypes(prices), null, 2)}\n`);
    console.error(`wrote ${options['instance-types']}`);
  }
  if (options['what-if'].length > 0) {
    const before = await sideOf(registry);
    const section = differenceSection(options['what-if'], before, now);
    if (options.json) console.log(JSON.stringify({ before: withVerdicts(before), after: withVerdicts(now) }, null, 2));
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
  if (options.write || options.check) return generated(findings, options.check);
  if (options.json) console.log(JSON.stringify(withVerdicts(findings), null, 2));
  else console.log(options.markdown ? asMarkdown(sectionsOf(findings)) : asText(sectionsOf(findings)));
}

const root = path.join(import.meta.dirname, '..', '..');

/** Writes the files that the plan is in, or says which are not as they should be. */
async function generated(findings: Findings, onlyCheck: boolean): Promise<void> {
  const outputs = await planOutputs(root, findings);
  if (!onlyCheck) {
    const written = await writeAll(root, outputs);
    console.log(written.length > 0 ? `wrote ${written.join(', ')}` : `${outputs.length} files are up to date`);
    return;
  }
  const stale = await differences(root, outputs);
  for (const text of stale) console.error(text);
  if (stale.length === 0) return;
  throw new Error(
    `\n${stale.length} file(s) of the plan are stale or were edited: run \`npm run plan -- --write\` and commit them`,
  );
}

/** For programs: the verdict of each GPU and slice on each model, instead of what they are made of. */
function withVerdicts({ served = [], ...findings }: Pick<Findings, 'plan' | 'fit' | 'served'>): object {
  const verdicts = served.map(({ name, facts, shape }) => [name, verdictsOf(facts, shape)]);
  return { ...findings, verdicts: Object.fromEntries(verdicts) };
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
