import { expect, it } from 'vitest';
import { bytes, count, dollars, number, percent, seconds } from './format.ts';

it.each([
  [undefined, '–'],
  [0, '0'],
  [0.004, '<0.01'],
  [0.02, '0.02'],
  [0.5, '0.5'],
  [3.14, '3.1'],
  [10, '10'],
  [1234.6, '1,235'],
])('number of %s: %s', (value, text) => {
  expect(number(value)).toBe(text);
});

it.each([
  [undefined, '–'],
  [0, '<1 ms'],
  [0.04, '40 ms'],
  [0.9999, '1.0 s'],
  [4.25, '4.3 s'],
  [42.4, '42 s'],
  [180, '3 min'],
  [5400, '90 min'],
  [7200, '2 h'],
])('seconds of %s: %s', (value, text) => {
  expect(seconds(value)).toBe(text);
});

it.each([
  [0, '0 B'],
  [999, '999 B'],
  [999_600, '1.0 MB'],
  [18_240_000_000, '18.2 GB'],
  [400_000_000_000, '400 GB'],
])('bytes of %s: %s', (value, text) => {
  expect(bytes(value)).toBe(text);
});

it('says a hundred percent only of all of it', () => {
  expect([percent(0), percent(0.004), percent(0.996), percent(1)]).toEqual(['0 %', '0 %', '99 %', '100 %']);
});

it('writes dollars with cents while these matter', () => {
  expect([dollars(0.5), dollars(99.991), dollars(1234.5)]).toEqual(['$0.50', '$99.99', '$1,235']);
});

it('counts in words', () => {
  expect([count(1, 'pod'), count(2, 'pod'), count(1000, 'model')]).toEqual(['1 pod', '2 pods', '1,000 models']);
});
