import type { TestProject } from 'vitest/node';
import { type FamilyName, toolFamily } from '../tools/tools.ts';

/** Families of tools that the tests of a project call. */
const families: Record<string, FamilyName[]> = {
  slow: ['gguf', 'cluster'],
  render: ['azurite', 'backup', 'cluster', 'delivery', 'helm3', 'monitoring', 'policies', 'python', 'stores'],
  ollama: ['ollama', 'clients', 'continue'],
};

/**
 * Builds the tools of a project's tests before the first of them runs: a build that a test has to wait for takes longer than
 * the test may. One after the other, since each takes all cores.
 */
export default async function setup({ name }: TestProject): Promise<void> {
  for (const family of families[name] ?? []) await toolFamily(family);
}
