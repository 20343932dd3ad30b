import { expect, it } from 'vitest';
import { checks } from './lint/checks.ts';

// One of them renders the chart some hundreds of times.
const timeout = 10 * 60_000;

it.each(checks)('$name', { timeout }, async ({ run }) => {
  const { status, text } = await run();
  expect(status, text).toBe(0);
});
