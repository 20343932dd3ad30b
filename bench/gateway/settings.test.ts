import { describe, expect, it } from 'vitest';
import { parseSettings } from './settings.ts';

describe('the arguments of the benchmark', () => {
  it('are all parts but those that take long, with every candidate, when there are none', () => {
    expect(parseSettings([])).toMatchObject({
      parts: ['rates', 'capacity', 'streams', 'fairness'],
      candidates: ['direct', 'nginx', 'litellm', 'gateway', 'agent'],
      rounds: 5,
    });
  });

  it('choose parts and candidates, in their usual order', () => {
    const { parts, candidates } = parseSettings(['--only', 'streams,rates', '--candidates', 'gateway,direct']);
    expect({ parts, candidates }).toEqual({ parts: ['rates', 'streams'], candidates: ['direct', 'gateway'] });
  });

  it('add a soak, and make a profile by itself', () => {
    expect(parseSettings(['--soak']).parts.at(-1)).toBe('soak');
    expect(parseSettings(['--profile'])).toMatchObject({ parts: ['profile'], candidates: ['gateway'] });
    expect(parseSettings(['--profile', '--candidates', 'agent']).candidates).toEqual(['agent']);
  });

  it.each([
    [['--only', 'speed'], '--only: "speed" is none of rates, capacity, '],
    [['--candidates', 'gateway,envoy'], '--candidates: "envoy" is none of direct, '],
    [['--rounds', '0'], '--rounds: "0" is not a number from 1 to 100'],
    [['--seconds', 'few'], '--seconds: "few" is not a number from 0.5 to 60'],
    [['--fast'], 'usage: npm run bench -- gateway'],
  ])('%j are refused with what is wrong', (args, message) => {
    expect(() => parseSettings(args)).toThrow(message);
  });
});
