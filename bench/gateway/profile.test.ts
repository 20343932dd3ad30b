import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, it } from 'vitest';
import { root } from '../../ci/tools/paths.ts';
import { topFunctions } from './profile.ts';

const frame = (functionName: string, file = '', lineNumber = 0) => ({
  functionName,
  url: file && pathToFileURL(path.join(root, file)).href,
  lineNumber,
});

it('names the functions by the time of their own between two moments, idling apart', () => {
  const nodes = [
    { id: 1, callFrame: frame('(idle)') },
    { id: 2, callFrame: frame('handle', 'service/gateway/app.ts', 9) },
    { id: 3, callFrame: frame('', 'service/shared/body.ts', 0) },
    // Called from elsewhere, and the same function.
    { id: 4, callFrame: frame('handle', 'service/gateway/app.ts', 9) },
  ];
  const samples = [3, 2, 1, 3, 4, 3];
  const timeDeltas = [100, 100, 400, 100, 200, 5000];
  // From 1100, after the first sample, to 2000, before the last.
  expect(topFunctions({ nodes, startTime: 1000, samples, timeDeltas }, 1101, 2000)).toEqual([
    { what: 'busy, of the time', share: 0.5 },
    { what: 'handle service/gateway/app.ts:10', share: 0.75 },
    { what: '(anonymous) service/shared/body.ts:1', share: 0.25 },
  ]);
});

it('has nothing to say of a time without samples', () => {
  expect(topFunctions({ nodes: [], startTime: 0, samples: [], timeDeltas: [] }, 0, 1)).toEqual([
    { what: 'busy, of the time', share: 0 },
  ]);
});
