import { expect, it } from 'vitest';
import { lastWhole } from './place.ts';

it.each([
  [[], undefined],
  [['superseded', 'deployed'], 1],
  [['superseded', 'deployed', 'failed'], 1],
  [['superseded', 'deployed', 'pending-upgrade'], 1],
  // Helm supersedes the one before just before it says that the next is deployed.
  [['superseded', 'superseded', 'pending-rollback'], 1],
  [['pending-install'], undefined],
  [['failed'], undefined],
])('of revisions that are %j the last whole one is at %s', (statuses, at) => {
  const revisions = statuses.map((status, revision) => ({ status, revision }));
  expect(lastWhole(revisions)?.revision).toBe(at);
});
