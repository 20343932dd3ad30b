import { describe, expect, it } from 'vitest';
import { keepAliveMs } from './keep-alive.ts';

const forever = Number.POSITIVE_INFINITY;

describe('keepAliveMs', () => {
  // What time.ParseDuration and Ollama's api.Duration make of the same.
  it.each<[string, number | undefined]>([
    ['0', 0],
    ['300', 300_000],
    ['1.9', 1000],
    ['0.5', 0],
    ['1e2', 100_000],
    ['-1', forever],
    ['-0.1', forever],
    ['1e12', 3_875_820_019_684.2124],
    ['1e10', 0],
    ['1e999', undefined],
    ['"0"', 0],
    ['"0s"', 0],
    ['"-0s"', 0],
    ['"500ms"', 500],
    ['"10m"', 600_000],
    ['"24h"', 86_400_000],
    ['"1h30m5.5s"', 5_405_500],
    ['"+1.s"', 1000],
    ['".5s"', 500],
    ['"2us3\\u00b5s4\\u03bcs1000000ns"', 1.009],
    ['"-1"', undefined],
    ['"-1m"', forever],
    ['"5"', undefined],
    ['"1 m"', undefined],
    ['"."', undefined],
    ['""', undefined],
    ['"1d"', undefined],
    ['"3000000h"', undefined],
    ['null', undefined],
    ['true', undefined],
    ['{}', undefined],
  ])('reads %s', (json, expected) => {
    const ms = keepAliveMs(json);
    if (expected === undefined || !Number.isFinite(expected)) expect(ms).toBe(expected);
    else expect(ms).toBeCloseTo(expected, 3);
  });
});
