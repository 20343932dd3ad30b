import { say } from '../../ci/tools/progress.ts';
import { atMost, type Figure, medianFigure } from '../measure.ts';
import { attack, type Seen } from './attack.ts';
import { type Candidate, startCandidate } from './candidates.ts';
import { FakeOllama } from './fake-ollama.ts';
import type { Run } from './job.ts';
import type { Settings } from './settings.ts';
import { comeToRest, titleOf, turns } from './turns.ts';

/** A server of few slots, each of which answers one request after the other. */
const serviceMs = 50;
const slots = 4;
const perSecond = (slots * 1000) / serviceMs;
/** Batch offers ten times what the server can do, people ask for a third of it. */
const batchRate = 10 * perSecond;
const interactiveRate = 0.3 * perSecond;

const models = ['bench-0'];
const queue = { depth: 64, waitSeconds: 30, holdSeconds: 0 };
const header = 'x-model-management-priority';

interface Turn {
  interactive: Seen;
  batch: Seen;
}

/** How long those wait who are in a hurry while others ask for far more than there is. */
export async function fairness(run: Run, settings: Settings): Promise<Figure[]> {
  const rounds = Math.min(3, settings.rounds);
  await using stack = new AsyncDisposableStack();
  const ollama = stack.use(await FakeOllama.start(run, { models, serviceMs, parallel: slots }));
  const candidates: Candidate[] = [];
  for (const name of settings.candidates.filter((name) => name === 'gateway' || name === 'agent')) {
    candidates.push(stack.use(await startCandidate(run, name, { ollamaUrl: ollama.url, models, slots, queue })));
  }
  // The first requests of a process are slow, and say nothing.
  for (const candidate of candidates) await one(run, candidate, 2);
  const results = new Map(candidates.map((candidate) => [candidate, [] as Turn[]]));
  for (const { round, candidate } of turns(candidates, rounds)) {
    const turn = await one(run, candidate, settings.seconds * 1.6);
    const { interactive, batch } = turn;
    const words = `interactive p99 ${interactive.p99.toFixed(0)} ms, batch ${batch.answered} of ${batch.requests}`;
    say(`bench: fairness, round ${round + 1} of ${rounds}: ${titleOf(candidate)} ${words}`);
    results.get(candidate)!.push(turn);
    await comeToRest(run, candidate);
  }
  return [...results].flatMap(([candidate, turns]) => figuresOf(candidate, turns));
}

async function one(run: Run, candidate: Candidate, seconds: number): Promise<Turn> {
  const load = (rate: number, priority: string) =>
    attack(run, candidate, { rate, seconds, timeoutSeconds: 30, headers: { [header]: priority } });
  const [interactive, batch] = await Promise.all([load(interactiveRate, 'interactive'), load(batchRate, 'batch')]);
  return { interactive, batch };
}

function figuresOf(candidate: Candidate, turns: Turn[]): Figure[] {
  const title = `batch at 10 times capacity, ${titleOf(candidate)}`;
  const figure = (what: string, of: (turn: Turn) => number, unit: string) =>
    medianFigure(`${title}: ${what}`, turns.map(of), unit);
  // Whatever an answer takes beyond its service is taken for waiting, the proxy's own time included.
  const wait = (at: 'p50' | 'p99') =>
    figure(`interactive waits, ${at}`, ({ interactive }) => interactive[at] - serviceMs, 'ms');
  const errors = turns.reduce((sum, { interactive }) => sum + interactive.errors, 0);
  const other = turns.reduce((sum, { batch }) => sum + batch.errors - (batch.statuses[429] ?? 0), 0);
  // What waits in the end is answered after it.
  const seconds = ({ batch, interactive }: Turn) => Math.max(batch.seconds, interactive.seconds);
  const answered = (turn: Turn) => (turn.batch.answered + turn.interactive.answered) / seconds(turn);
  return [
    wait('p50'),
    atMost(2 * serviceMs, wait('p99')),
    atMost(0, { what: `${title}: interactive errors`, value: errors, unit: '' }),
    atMost(0, { what: `${title}: batch errors other than 429`, value: other, unit: '' }),
    figure('batch answered', (turn) => turn.batch.answered / seconds(turn), '/s'),
    figure('capacity used', (turn) => (100 * answered(turn)) / perSecond, '%'),
  ];
}
