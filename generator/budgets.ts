import { GB, GiB, MiB } from './memory.ts';

/**
 * Rates that time budgets are computed from, in MiB/s. Disk: the baseline of an AWS gp3 volume, the slowest class that the
 * plan offers. Network: what a pull holds over a shared 1 Gbit/s line.
 */
const diskMiBPerSecond = 125;
const networkMiBPerSecond = 50;

/** A budget is not an estimate: twice the time that the rates give, and a minute for everything that has no size. */
const margin = 2;
const fixedSeconds = 60;

function budgetSeconds(bytes: number, mibPerSecond: number): number {
  return Math.ceil((bytes / MiB / mibPerSecond) * margin) + fixedSeconds;
}

/** Longest time in seconds to bring this many bytes from the registry to the disk. */
export const downloadBudgetSeconds = (bytes: number) => budgetSeconds(bytes, networkMiBPerSecond);

/** Longest time in seconds to read this many bytes from the disk into memory. */
export const loadBudgetSeconds = (bytes: number) => budgetSeconds(bytes, diskMiBPerSecond);

/** Size of the claim that holds these weights: a fifth more than they take, and a GiB for what Ollama keeps beside them. */
export function cacheGiB(weightsGB: number): number {
  return Math.ceil((weightsGB * GB * 1.2) / GiB) + 1;
}
