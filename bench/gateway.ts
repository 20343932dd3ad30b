import { duration, say } from '../ci/tools/progress.ts';
import { toolFamily } from '../ci/tools/tools.ts';
import { type Candidate, roomy, startCandidate } from './gateway/candidates.ts';
import { capacity } from './gateway/capacity.ts';
import { fairness } from './gateway/fairness.ts';
import { FakeOllama } from './gateway/fake-ollama.ts';
import { beginRun, type Run } from './gateway/job.ts';
import { profile } from './gateway/profile.ts';
import { rates } from './gateway/rates.ts';
import { type PartName, parseSettings, type Settings } from './gateway/settings.ts';
import { soak } from './gateway/soak.ts';
import { streams } from './gateway/streams.ts';
import { withCpu } from './gateway/turns.ts';
import type { Benchmark, Figure } from './measure.ts';

const ofRequests: PartName[] = ['rates', 'capacity'];
const models = ['bench-0', 'bench-1', 'bench-2', 'bench-3'];

/** What gateway and agent add to a request, and what they bear, beside other proxies. */
export const gateway: Benchmark = {
  purpose: 'gateway and agent beside nginx and LiteLLM: latency, rates, streams, fairness; --soak, --profile',
  async run(args: string[]): Promise<Figure[]> {
    const settings = parseSettings(args);
    await toolFamily('bench');
    const needsLiteLLM =
      settings.candidates.includes('litellm') && settings.parts.some((part) => ofRequests.includes(part));
    if (needsLiteLLM) await toolFamily('litellm');
    await using run = await beginRun();
    const figures: Figure[] = [];
    for (const { of, measure } of steps) {
      const parts = settings.parts.filter((part) => of.includes(part));
      if (parts.length === 0) continue;
      const title = parts.join(' and ');
      const { result, seconds, others } = await withCpu([], () => measure(run, { ...settings, parts }));
      const value = Number(others.toFixed(2));
      figures.push(...result, { what: `${title}: cores that others used meanwhile`, value, unit: '' });
      say(`bench: ${title} took ${duration(seconds * 1000)}`);
    }
    return figures;
  },
};

const steps: { of: PartName[]; measure(run: Run, settings: Settings): Promise<Figure[]> }[] = [
  { of: ofRequests, measure: requests },
  { of: ['streams'], measure: streams },
  { of: ['fairness'], measure: fairness },
  { of: ['soak'], measure: soak },
  { of: ['profile'], measure: profile },
];

/** Those with short answers, which share the candidates: LiteLLM takes long to start. */
async function requests(run: Run, settings: Settings): Promise<Figure[]> {
  await using stack = new AsyncDisposableStack();
  const ollama = stack.use(await FakeOllama.start(run, { models }));
  const candidates: Candidate[] = [];
  for (const name of settings.candidates) {
    say(`bench: starting ${name}`);
    const fleet = { ollamaUrl: ollama.url, models, ...roomy };
    candidates.push(stack.use(await startCandidate(run, name, fleet)));
  }
  return [
    ...(settings.parts.includes('rates') ? await rates(run, candidates, settings) : []),
    ...(settings.parts.includes('capacity') ? await capacity(run, candidates, settings) : []),
  ];
}
