import { duration, say } from '../../ci/tools/progress.ts';
import { atMost, type Figure } from '../measure.ts';
import { roomy, startCandidate } from './candidates.ts';
import { FakeOllama } from './fake-ollama.ts';
import { type Job, pause, type Run } from './job.ts';
import { churn, errorsOf } from './readers.ts';
import type { Settings } from './settings.ts';

const models = Array.from({ length: 4 }, (_, index) => `bench-${index}`);
/** Streams that begin in a second, each of which lasts for one. */
const rate = 100;
const chunks = 20;
const intervalMs = 50;
/** Half of the clients leave, each at another moment. */
const leave = 0.5;

const sampleMs = 2000;
/** Memory is looked at once the heap has grown to what it needs: after this share of the time. */
const growing = 1 / 3;
/** Time in ms for idle connections to be closed: keep-alive ends after 75 s. */
const closingMs = 100_000;

interface Sample {
  seconds: number;
  memoryMB: number;
}

/**
 * Memory and sockets of gateway and agent, or of the gateway alone where the agent is no candidate, while clients come, and
 * leave when they like.
 */
export async function soak(run: Run, { minutesOfSoak, candidates }: Settings): Promise<Figure[]> {
  await using stack = new AsyncDisposableStack();
  const ollama = stack.use(await FakeOllama.start(run, { models, chunks, intervalMs }));
  const name = candidates.includes('agent') ? 'agent' : 'gateway';
  const candidate = stack.use(await startCandidate(run, name, { ollamaUrl: ollama.url, models, ...roomy }));
  const { jobs } = candidate;
  const socketsBefore = jobs.map(({ openSockets }) => openSockets);
  const samples = jobs.map(() => [] as Sample[]);
  const began = performance.now();
  let said = began;
  const look = () => {
    const now = performance.now();
    for (const [index, { memoryMB }] of jobs.entries())
      samples[index]!.push({ seconds: (now - began) / 1000, memoryMB });
    if (now - said < 60_000) return;
    said = now;
    const memory = jobs.map(({ name }, index) => `${name} ${samples[index]!.at(-1)!.memoryMB.toFixed(0)} MB`);
    say(`bench: soak, ${duration(now - began)}: ${memory.join(', ')}`);
  };
  look();
  const timer = setInterval(look, sampleMs);
  const churned = await churn(run, candidate, { rate, seconds: minutesOfSoak * 60, leave }).finally(() =>
    clearInterval(timer),
  );
  const figures: Figure[] = [
    { what: 'soak: streams', value: churned.began, unit: '' },
    { what: 'soak: streams whose client left', value: churned.left, unit: '' },
    atMost(0, { what: 'soak: errors', value: errorsOf(churned), unit: '' }),
    ...jobs.flatMap((job, index) => memoryFigures(job, samples[index]!)),
  ];
  const waited = await closed(run, jobs, socketsBefore);
  for (const [index, { name, openSockets }] of jobs.entries()) {
    const what = `soak: sockets of ${name} ${waited} s after its end (${socketsBefore[index]} at the start)`;
    figures.push(atMost(socketsBefore[index]!, { what, value: openSockets, unit: '' }));
  }
  const { open } = await ollama.counts();
  figures.push(atMost(0, { what: 'soak: chats still open in Ollama', value: open, unit: '' }));
  return figures;
}

/** Waits until as few sockets are open as before; the seconds that took. */
async function closed(run: Run, jobs: Job[], before: number[]): Promise<number> {
  const began = Date.now();
  const isOver = () => jobs.every(({ openSockets }, index) => openSockets <= before[index]!);
  while (!isOver() && Date.now() - began < closingMs) await pause(run, 1000);
  return Math.round((Date.now() - began) / 1000);
}

function memoryFigures({ name }: Job, samples: Sample[]): Figure[] {
  const from = samples.at(-1)!.seconds * growing;
  const grown = samples.filter(({ seconds }) => seconds >= from);
  const figure = (what: string, value: number, unit: string) => ({
    what: `soak: memory of ${name}${what}`,
    value: Number(value.toFixed(1)),
    unit,
  });
  return [
    figure(', at the most', Math.max(...samples.map(({ memoryMB }) => memoryMB)), 'MB'),
    figure(' at the end', samples.at(-1)!.memoryMB, 'MB'),
    atMost(60, figure(', growth in an hour', slope(grown) * 3600, 'MB')),
  ];
}

/** MB a second, by the line that fits the samples best. */
export function slope(samples: Sample[]): number {
  const mean = (of: (sample: Sample) => number) =>
    samples.reduce((sum, sample) => sum + of(sample), 0) / samples.length;
  const [time, memory] = [mean(({ seconds }) => seconds), mean(({ memoryMB }) => memoryMB)];
  const variance = mean(({ seconds }) => (seconds - time) ** 2);
  if (variance === 0) return 0;
  return mean(({ seconds, memoryMB }) => (seconds - time) * (memoryMB - memory)) / variance;
}
