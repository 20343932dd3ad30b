import { say } from '../../ci/tools/progress.ts';
import { atMost, type Figure, medianFigure } from '../measure.ts';
import { type Candidate, roomy, startCandidate } from './candidates.ts';
import { FakeOllama } from './fake-ollama.ts';
import type { Job, Run } from './job.ts';
import { errorsOf, type Held, hold } from './readers.ts';
import type { Settings } from './settings.ts';
import { comeToRest, titleOf, turns, withCpu } from './turns.ts';

const streamsAtOnce = 2000;
const rampSeconds = 3;

/** More models than one, since a replica takes no more than 512 requests for each. */
const models = Array.from({ length: 8 }, (_, index) => `bench-${index}`);

interface Turn extends Held {
  /** The most memory of each process while the streams were open, in MB. */
  memory: number[];
  /** Seconds of CPU for 1,000 chunks, of all processes. */
  cpu: number;
}

/** Many streams open at once: what the candidates add to each chunk's way, and the memory that they take for it. */
export async function streams(run: Run, settings: Settings): Promise<Figure[]> {
  const { seconds, intervalMs } = settings;
  const rounds = Math.min(3, settings.rounds);
  await using stack = new AsyncDisposableStack();
  const ollama = stack.use(await FakeOllama.start(run, { models, chunks: 1_000_000, intervalMs }));
  const candidates: Candidate[] = [];
  // LiteLLM is out: it does not hold as many.
  for (const name of settings.candidates.filter((name) => name !== 'litellm')) {
    const fleet = { ollamaUrl: ollama.url, models, ...roomy };
    candidates.push(stack.use(await startCandidate(run, name, fleet)));
  }
  // The first streams of a process are slow, and say nothing.
  for (const candidate of candidates) await hold(run, candidate, { streams: 500, rampSeconds: 1, seconds: 1 });
  const results = new Map(candidates.map((candidate) => [candidate, [] as Turn[]]));
  for (const { round, candidate } of turns(candidates, rounds)) {
    const turn = await one(run, candidate, seconds, intervalMs);
    const { firstByte, delay } = turn;
    const words = `first byte p50 ${firstByte.p50.toFixed(1)} ms, on the way p50 ${delay.p50.toFixed(2)} ms`;
    say(`bench: ${streamsAtOnce} streams, round ${round + 1} of ${rounds}: ${titleOf(candidate)} ${words}`);
    results.get(candidate)!.push(turn);
    await comeToRest(run, candidate);
  }
  return compare(results, (streamsAtOnce * 1000) / intervalMs);
}

async function one(run: Run, candidate: Candidate, seconds: number, intervalMs: number): Promise<Turn> {
  const load = { streams: streamsAtOnce, rampSeconds, seconds };
  const { result, cpu } = await withCpu(candidate.jobs, () =>
    withMemory(candidate.jobs, () => hold(run, candidate, load)),
  );
  // Those of the ramp cost as much as those that are measured.
  const chunks = (streamsAtOnce * (rampSeconds / 2 + 1 + seconds)) / (intervalMs / 1000);
  return { ...result, cpu: (cpu.reduce((sum, used) => sum + used, 0) * 1000) / chunks };
}

async function withMemory<T>(jobs: Job[], work: () => Promise<T>): Promise<T & { memory: number[] }> {
  const memory = jobs.map(() => 0);
  const look = () => {
    for (const [index, job] of jobs.entries()) memory[index] = Math.max(memory[index]!, job.memoryMB);
  };
  const timer = setInterval(look, 500);
  try {
    return { ...(await work()), memory };
  } finally {
    clearInterval(timer);
  }
}

function compare(results: Map<Candidate, Turn[]>, chunksPerSecond: number): Figure[] {
  const figures: Figure[] = [];
  const direct = [...results].find(([{ name }]) => name === 'direct')?.[1];
  for (const [candidate, turns] of results) {
    const title = `${streamsAtOnce} streams with ${chunksPerSecond} chunks/s, ${titleOf(candidate)}`;
    const figure = (what: string, of: (turn: Turn, round: number) => number, unit: string) =>
      medianFigure(`${title}: ${what}`, turns.map(of), unit);
    for (const [words, time] of [
      ['first byte', 'firstByte'],
      ['a chunk on its way', 'delay'],
    ] as const) {
      for (const at of ['p50', 'p99'] as const) {
        figures.push(figure(`${words}, ${at}`, (turn) => turn[time][at], 'ms'));
        if (!direct || candidate.name === 'direct') continue;
        const added = figure(
          `${words}, added at ${at}`,
          (turn, round) => turn[time][at] - direct[round]![time][at],
          'ms',
        );
        const isAim = candidate.name === 'gateway' && time === 'delay' && at === 'p50';
        figures.push(isAim ? atMost(0.2, added) : added);
      }
    }
    figures.push(figure('between two chunks, p99', ({ gap }) => gap.p99, 'ms'));
    const errors = turns.reduce((sum, turn) => sum + errorsOf(turn), 0);
    figures.push(atMost(0, { what: `${title}: errors`, value: errors, unit: '' }));
    for (const [index, { name }] of candidate.jobs.entries()) {
      const memory = figure(`memory of ${name}`, ({ memory }) => memory[index]!, 'MB');
      figures.push(candidate.name === 'gateway' ? atMost(200, memory) : memory);
    }
    if (candidate.jobs.length > 0) figures.push(figure('CPU for 1,000 chunks', ({ cpu }) => cpu, 's'));
  }
  return figures;
}
