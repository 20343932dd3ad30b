import type { Model, Runner } from './models.ts';

/** How often a model is tried to be loaded for the first time at the cost of others of higher priority. */
const firstTries = 3;

/**
 * Which of the processes that are loaded have to be unloaded for a model to have room, given what all may take together
 * (in bytes; 0 to leave it to Ollama); `none` while there is no room to be made. None has to leave that is in use or
 * pinned, nor one of higher priority. Where waiting for them would be in vain, Ollama is left to find room.
 */
export function roomFor(model: Model, runner: Runner, resident: readonly Runner[], budget: number): Runner[] | 'none' {
  if (runner.state === 'resident') return [];
  // Ollama has one process for the same weights.
  const rivals = resident.filter((other) => other.origin.weights === runner.origin.weights);
  if (!rivals.every(({ isIdle }) => isIdle)) return 'none';
  if (budget === 0) return rivals;
  const others = resident.filter((other) => !rivals.includes(other));
  const needed = Math.min(budget, runner.bytes);
  if (sum(others.filter(({ isPinned }) => isPinned)) + needed > budget) return rivals;
  let taken = sum(others);
  const leaving: Runner[] = [];
  for (const other of others.filter((other) => hasToLeaveFor(model, other)).toSorted(whoLeavesFirst)) {
    if (taken + needed <= budget) break;
    leaving.push(other);
    taken -= other.bytes;
  }
  return taken + needed <= budget ? [...rivals, ...leaving] : 'none';
}

/** For the first load of a model, which shows that it can be served, those of higher priority have to leave too. */
function hasToLeaveFor(model: Model, { isIdle, isPinned, rank }: Runner): boolean {
  const isFirst = !model.loadedOnce && model.attempts < firstTries;
  return isIdle && !isPinned && (isFirst || rank >= model.rank);
}

/** Those of the lowest priority, then those that were unused for longest. */
const whoLeavesFirst = (a: Runner, b: Runner) => b.rank - a.rank || a.lastUsed - b.lastUsed;

const sum = (runners: readonly Runner[]) => runners.reduce((total, { bytes }) => total + bytes, 0);
