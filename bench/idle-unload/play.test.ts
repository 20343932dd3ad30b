import { expect, test } from 'vitest';
import { type Policy, play } from './play.ts';
import { plain } from './policies.ts';

/** Requests that count from second 100 to second 200. */
const requests = (...models: number[][]) => ({
  byModel: new Map(models.map((times, index) => [`${index}`, times])),
  from: 100,
  to: 200,
});

test('a request is cold when its model was unloaded before, and only those that count do', () => {
  // Loaded from 90 to 120, 120 to 130, 150 to 160 and 195 to the end.
  expect(play(plain(10), requests([10, 90, 120, 150, 195]))).toEqual({ cost: 0.25, loss: 1 });
  expect(play(plain(30), requests([10, 90, 120, 150, 195]))).toEqual({ cost: 0.85, loss: 1 / 3 });
  expect(play(plain(100), requests([10, 90, 120, 150, 195]))).toEqual({ cost: 1, loss: 0 });
});

test('the first request to a model is cold, and all models count alike', () => {
  expect(play(plain(10), requests([110], [10, 120, 125]))).toEqual({ cost: 25 / 200, loss: 2 / 3 });
});

test('a model that is loaded ahead is there, and costs what it is loaded', () => {
  const ahead: Policy = () => () => [[40, 60]];
  expect(play(ahead, requests([50, 100, 130, 185]))).toEqual({ cost: 0.15, loss: 1 / 3 });
});
