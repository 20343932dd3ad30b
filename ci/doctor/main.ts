// npm run doctor [-- --namespace NAME] [--release NAME] [--context NAME] [--output json]
//
// Looks at a cluster and a release of the chart in it, and says what is wrong and what to do about it. It changes nothing.
// Without --context it is the embedded cluster where that is up, else kubectl's current context.
// Exit status: 0 when nothing is a problem (warnings are none), 1 when something is, 2 when there was nothing to look at.
import { parseArgs } from 'node:util';
import { namespace as usual } from '../cluster/release.ts';
import { checksFor } from './checks.ts';
import { judge } from './finding.ts';
import { asJson, paperOf, report, tally } from './report.ts';
import { examine, wayTo } from './way.ts';

const usage = 'npm run doctor [-- --namespace NAME] [--release NAME] [--context NAME] [--output json]';

async function main(args: string[]): Promise<number> {
  const { values } = parseArgs({
    args,
    options: {
      namespace: { type: 'string', short: 'n', default: usual },
      release: { type: 'string' },
      context: { type: 'string' },
      name: { type: 'string', default: 'local' },
      output: { type: 'string', short: 'o', default: 'text' },
    },
  });
  const { namespace, release, context, name, output } = values;
  if (output !== 'text' && output !== 'json') throw new Error(`--output ${output}: it is text or json`);
  const way = await wayTo(context, name);
  const look = await examine(way, { namespace, release });
  if (look.others.length > 0) {
    const names = [look.release, ...look.others].join(', ');
    throw new Error(`namespace ${namespace}: it has the releases ${names}: choose one by --release NAME`);
  }
  if (release !== undefined && look.release === undefined) {
    throw new Error(`${release}: no release of model-management of this name in the namespace ${namespace}`);
  }
  const findings = judge(checksFor(look.release), look);
  if (output === 'json') process.stdout.write(`${asJson(look, findings)}\n`);
  else {
    const paper = paperOf(process.stdout, process.env);
    if (way.kubeconfig) process.stdout.write(`The commands below are for export KUBECONFIG=${way.kubeconfig}\n\n`);
    process.stdout.write(`${report(look, findings, paper)}\n`);
  }
  return tally(findings).problem > 0 || look.release === undefined ? 1 : 0;
}

// Whoever reads the beginning alone, as `head` does, has seen what he wanted.
process.stdout.once('error', () => process.exit());
try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`doctor: ${(error as Error).message.split('\n')[0]}\nusage: ${usage}\n`);
  process.exitCode = 2;
}
