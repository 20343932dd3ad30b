import { expect, test } from 'vitest';
import { daySeconds, parseRequests } from './requests.ts';

const text = (...rows: string[]) => ['seconds,model', ...rows].join('\n');
const late = `${8 * daySeconds},a`;

test('requests are read by model, in order', () => {
  const { byModel, from, to } = parseRequests(text('10,a', '10,b', '20.5,a', late), 'a.csv');
  expect(Object.fromEntries(byModel)).toEqual({ a: [10, 20.5, 8 * daySeconds], b: [10] });
  expect([from, to]).toEqual([7 * daySeconds, 14 * daySeconds]);
});

test.each([
  ['a time that is none', ['x,a', late], 'a.csv: line 2 is not "seconds,model"'],
  ['no model', ['10,', late], 'a.csv: line 2 is not "seconds,model"'],
  ['a cell too many', ['10,a,b', late], 'a.csv: line 2 is not "seconds,model"'],
  ['a time that is before another', ['10,a', '9,a', late], 'a.csv: line 3 is out of order'],
  ['a third week', [late, `${15 * daySeconds},a`], 'a.csv: line 3 is out of order'],
  ['less than a week', ['10,a', `${6 * daySeconds},a`], 'a.csv: ends after 6 days'],
])('requests with %s are refused', (_, rows, problem) => {
  expect(() => parseRequests(text(...rows), 'a.csv')).toThrow(problem);
});
