import { readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { root } from '../../ci/tools/paths.ts';
import { say } from '../../ci/tools/progress.ts';
import type { Figure } from '../measure.ts';
import { attack } from './attack.ts';
import { roomy, startCandidate } from './candidates.ts';
import { FakeOllama } from './fake-ollama.ts';
import type { Run } from './job.ts';
import type { Settings } from './settings.ts';

const rate = 1000;
const seconds = 10;
const functionsShown = 25;
const models = ['bench-0', 'bench-1', 'bench-2', 'bench-3'];

/** A profile as V8 writes it; times in µs of the monotonic clock. */
export interface CpuProfile {
  nodes: { id: number; callFrame: { functionName: string; url: string; lineNumber: number } }[];
  startTime: number;
  samples: number[];
  timeDeltas: number[];
}

/** Where gateway and agent spend their time: the functions with most of their own, of what was not idle. */
export async function profile(run: Run, { candidates }: Settings): Promise<Figure[]> {
  const figures: Figure[] = [];
  for (const name of candidates.filter((name) => name === 'gateway' || name === 'agent')) {
    say(`bench: profile of ${name} at ${rate} requests/s`);
    const components = name === 'agent' ? ['gateway', 'agent'] : ['gateway'];
    const file = (component: string) => path.join(run.folder, `${name}-${component}.cpuprofile`);
    await using ollama = await FakeOllama.start(run, { models });
    let from = 0;
    let until = 0;
    {
      const fleet = { ollamaUrl: ollama.url, models, ...roomy };
      await using candidate = await startCandidate(run, name, fleet, (component) => [
        '--cpu-prof',
        `--cpu-prof-dir=${run.folder}`,
        `--cpu-prof-name=${path.basename(file(component))}`,
      ]);
      await attack(run, candidate, { rate, seconds: 3, timeoutSeconds: 5 });
      from = monotonicMicroseconds();
      await attack(run, candidate, { rate, seconds, timeoutSeconds: 5 });
      until = monotonicMicroseconds();
    }
    for (const component of components) {
      const text = JSON.parse(readFileSync(file(component), 'utf8')) as CpuProfile;
      const title = components.length > 1 ? `${component} of both` : component;
      figures.push(...topFunctions(text, from, until).map(({ what, share }) => percent(`${title}: ${what}`, share)));
    }
  }
  return figures;
}

const monotonicMicroseconds = () => Number(process.hrtime.bigint() / 1000n);

const percent = (what: string, share: number): Figure => ({ what, value: Number((100 * share).toFixed(1)), unit: '%' });

/** Shares of the time between two moments that functions took themselves, and as `busy` that of all that was not idle. */
export function topFunctions(
  { nodes, startTime, samples, timeDeltas }: CpuProfile,
  from: number,
  until: number,
): { what: string; share: number }[] {
  const names = new Map(nodes.map(({ id, callFrame }) => [id, nameOf(callFrame)]));
  const own = new Map<string, number>();
  let all = 0;
  let at = startTime;
  for (const [index, node] of samples.entries()) {
    const time = timeDeltas[index]!;
    at += time;
    if (at < from || at > until) continue;
    const name = names.get(node)!;
    own.set(name, (own.get(name) ?? 0) + time);
    all += time;
  }
  const busy = all - (own.get('(idle)') ?? 0);
  own.delete('(idle)');
  const top = [...own].toSorted(([, a], [, b]) => b - a).slice(0, functionsShown);
  return [
    { what: 'busy, of the time', share: all && busy / all },
    ...top.map(([what, time]) => ({ what, share: time / busy })),
  ];
}

function nameOf({ functionName, url, lineNumber }: CpuProfile['nodes'][number]['callFrame']): string {
  const name = functionName || '(anonymous)';
  if (!url) return name;
  const file = url.startsWith('file:') ? path.relative(root, fileURLToPath(url)) : url;
  return `${name} ${file}:${lineNumber + 1}`;
}
