import { describe, expect, it } from 'vitest';
import type { HelmRelease } from '../doctor/helm-release.ts';
import { colourLabel, nextSlot, noted, type Slot, slotName, standOf, undone } from './stand.ts';

const held = { slot: 'blue', next: 'green', revision: 3, retiring: [], undo: [], config: '{}', deployment: {} };
const release = (strategy: 'rolling' | 'blueGreen', active: Slot, text = '') =>
  ({ values: { gateway: { strategy, blueGreen: { active, held: text } } } }) as HelmRelease;
const text = JSON.stringify(held);
/** From no colour to one, and from one to none. */
const none = { ...held, slot: 'rolling', next: 'blue' };
const ending = { ...held, next: 'rolling' };
const [colourless, last] = [none, ending].map((each) => JSON.stringify(each));

describe('where a deployment stands', () => {
  it.each([
    ['no release', undefined, 'blue', { kind: 'nothing' }],
    ['a release of a chart without colours', { values: {} } as HelmRelease, '', { kind: 'alone', slot: 'rolling' }],
    ['the strategy rolling', release('rolling', 'blue'), '', { kind: 'alone', slot: 'rolling' }],
    ['one colour', release('blueGreen', 'green'), 'green', { kind: 'alone', slot: 'green' }],
    ['the other colour is there', release('blueGreen', 'blue', text), 'blue', { kind: 'tried', before: held }],
    ['the Service leads to it', release('blueGreen', 'green', text), 'green', { kind: 'led', before: held }],
    ['the Service was led back', release('blueGreen', 'green', text), 'blue', { kind: 'returning', before: held }],
    [
      'it was led back to no colour',
      release('blueGreen', 'blue', colourless),
      undefined,
      { kind: 'returning', before: none },
    ],
    ['colours are at an end', release('blueGreen', 'rolling', last), undefined, { kind: 'led', before: ending }],
  ])('with %s', (_, of, active, stand) => {
    expect(standOf(of, active === undefined ? {} : { [colourLabel]: active })).toEqual(stand);
  });
});

it('takes turns with colours, and leaves them with the strategy', () => {
  expect((['rolling', 'blue', 'green'] as const).map((slot) => nextSlot(slot, 'blueGreen'))).toEqual([
    'blue',
    'green',
    'blue',
  ]);
  expect(nextSlot('green', 'rolling')).toBe('rolling');
});

it('names gateways as the chart does', () => {
  expect([slotName('', 'rolling'), slotName('x-', 'blue')]).toEqual([
    'model-management-gateway',
    'x-model-management-gateway-blue',
  ]);
});

it('puts values back as they were given, what was not there included', () => {
  const given = { servers: { a: { enabled: false } } };
  const undo = noted([[['servers', 'a']], [['models', 'b']]], given);
  const merged = { servers: { a: { enabled: true } }, models: { b: { pull: 'b' } } };
  expect(undone(merged, { ...held, undo } as never)).toEqual({ servers: { a: { enabled: false } }, models: {} });
});
